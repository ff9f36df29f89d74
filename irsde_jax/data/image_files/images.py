"""Reading and writing image files.

An `ImageFile` holds the colour in [0, 1], the transparency separately, and the number
of bits of the file, so that a restored image can be written with the same precision.
This module handles folders, paths and errors that mention them. The formats are
implemented in `irsde_jax.data.image_files.codecs`.
"""

import functools
import io
import logging
import os
from pathlib import Path

import numpy as np

from irsde_jax.configuration import whole_files
from irsde_jax.data.image_files import arrays, codecs, formats, limits
from irsde_jax.data.image_files.arrays import UNIT_RANGE, DataRange
from irsde_jax.data.image_files.arrays import ImageFile as ImageFile
from irsde_jax.data.image_files.folders import SUFFIXES as SUFFIXES
from irsde_jax.data.image_files.folders import list_images as list_images

logger = logging.getLogger(__name__)


class UnreadableImage(ValueError):
    """A file that is damaged or not an image. Training may continue without it."""


def read_image(
    path: str | os.PathLike,
    data_range: DataRange = UNIT_RANGE,
    with_metadata: bool = False,
    max_megapixels: float | None = None,
) -> ImageFile:
    """Reads an image file and applies its EXIF orientation.

    Palettes, CMYK and L*a*b* are converted to RGB. The content determines the format,
    not the suffix, except for `.npy`: an array [H, W] or [H, W, C] of uint8, uint16 or
    floats.

    Args:
        path: The path of the file.
        data_range: The values of floats in an `.npy` file that become 0 and 1. All
            values must lie between them. The image is written with the same range.
        with_metadata: Whether metadata are read, for an image that is written again.
        max_megapixels: The largest image that is read, in millions of pixels. None
            means `formats.DEFAULT_MEGAPIXELS`.

    Raises:
        FileNotFoundError: If the file does not exist.
        UnreadableImage: If the file is damaged or not an image.
        ValueError: If the image cannot be read without loss.
    """
    path = Path(path)
    _check_suffix(path)
    _require_content(path)
    try:
        if path.suffix.lower() == ".npy":
            # A memory map reads no pickles, and raises an error without allocating
            # memory if the header promises more than the file holds.
            array = np.lib.format.open_memmap(path, mode="r")
            if array.ndim >= 2:
                height, width = array.shape[:2]
                formats.check_size(height, width, max_megapixels)
            return arrays.array_to_image(array, data_range)
        data, warn = path.read_bytes(), functools.partial(_warn, path)
        return codecs.decode(data, with_metadata, max_megapixels, warn)
    except (MemoryError, PermissionError):
        raise
    except arrays.UnsupportedImage as error:
        raise ValueError(f"{path} cannot be read as an image: {error}.") from error
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise UnreadableImage(f"{path} cannot be read as an image: {error}.") from error


def read_size(
    path: str | os.PathLike, max_megapixels: float | None = np.inf
) -> tuple[int, int]:
    """Returns height and width of the upright image in a file, from its header alone.

    Args:
        path: The path of the file.
        max_megapixels: The largest image that is allowed, as for `read_image`.

    Raises:
        OSError: If the file does not exist.
        UnreadableImage: If the header is not that of an image, or promises more pixels
            than are allowed.
        ValueError: If the image cannot be read without loss.
    """
    path = Path(path)
    _require_content(path)
    try:
        if path.suffix.lower() == ".npy":
            height, width, *_ = np.lib.format.open_memmap(path, mode="r").shape
        else:
            with path.open("rb") as file:
                height, width = codecs.size(file)
        formats.check_size(height, width, max_megapixels)
        return height, width
    except PermissionError:
        raise
    except arrays.UnsupportedImage as error:
        raise ValueError(f"{path} cannot be read as an image: {error}.") from error
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise UnreadableImage(f"{path} cannot be read as an image: {error}.") from error


def to_channels(pixels: np.ndarray, channels: int, name: str) -> np.ndarray:
    """Returns `pixels` with the requested number of channels; grey is repeated to RGB.

    Args:
        pixels: The image, shape [H, W, C].
        channels: The requested number of channels.
        name: The name of the image in error messages.

    Returns:
        The image, shape [H, W, channels].
    """
    found = pixels.shape[-1]
    if found == channels:
        return pixels
    if (found, channels) == (1, 3):
        return np.repeat(pixels, 3, axis=-1)
    raise ValueError(
        f"{name} has {found} channels where {channels} are wanted. Only grey (1) is "
        "turned into RGB (3) unasked: convert the image, or set the number of channels "
        f"to {found}."
    )


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Converts pixels in [0, 1] to 0..255, clipped and with halves rounded to even."""
    return arrays.to_integers(pixels, 8)


def check_size(
    path: Path, height: int, width: int, channels: int = 1, bits: int = 8
) -> None:
    """Raises ValueError if no image of that size can be written to `path`."""
    _check_suffix(path)
    try:
        limits.check_size(_kind(path), height, width, channels, bits)
    except ValueError as error:
        raise ValueError(f"{path} cannot be written: {error}.") from error


def check_writable(path: Path, channels: int, has_alpha: bool) -> None:
    """Raises the ValueError that `write_image` would raise for such an image.

    Args:
        path: The path of the file to write.
        channels: The number of colour channels.
        has_alpha: Whether any pixel is transparent.
    """
    _check_suffix(path)
    try:
        codecs.check(path.suffix.lower(), channels, has_alpha)
    except ValueError as error:
        raise ValueError(f"{path} cannot be written: {error}.") from error


def write_image(
    path: str | os.PathLike,
    image: ImageFile,
    overwrite: bool = False,
    quality: int | None = None,
) -> None:
    """Writes an image in the format of the suffix: the whole file or none of it.

    PNG and TIFF preserve 16 bits if the image has them. `.npy` stores `image.bits`
    bits, where 32 means floats in `image.data_range`. Other formats are rounded to 8
    bits. A warning mentions the file if bits are lost.

    Args:
        path: The file name in an existing folder, ending in one of `SUFFIXES`.
        image: The image. For JPEG, BMP and `.npy` it must be opaque.
        overwrite: Whether an existing file is replaced.
        quality: The quality of lossy formats, as in `codecs.encode`.

    Raises:
        FileExistsError: If the file exists and `overwrite` is False, even if another
            process has just written it.
        FileNotFoundError: If the folder does not exist.
        OSError: If the disk is full, or the folder is not writable.
        ValueError: If the format does not support the image.
    """
    path = Path(path)
    _check_suffix(path)
    if not overwrite:
        whole_files.refuse_existing(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent}. Create it first.")
    try:
        data = _encode(image, path, quality)
    except MemoryError:
        raise
    except Exception as error:  # encoders raise nearly anything beyond their limits
        raise ValueError(f"{path} cannot be written: {error}.") from error
    whole_files.write(path, data, overwrite)
    if limits.kept_bits(_kind(path), image.bits) < image.bits:
        logger.warning(
            "%s: rounded from %d bits to 8, because %s does not hold them; PNG and "
            "TIFF hold 16 bits, NPY holds floats",
            path,
            image.bits,
            _kind(path),
        )


def _require_content(path: Path) -> None:
    """Raises an error unless the path is that of a file that is not empty."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}. Check the path.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder where an image file is expected.")
    if path.stat().st_size == 0:
        raise UnreadableImage(
            f"{path} is empty (0 bytes). Fetch it again or remove it."
        )


def _kind(path: Path) -> str:
    """Returns the name of the format of a path, a key of `limits.LIMITS`."""
    return formats.FORMATS.get(path.suffix.lower(), "NPY")


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} does not end in one of {', '.join(SUFFIXES)}.")


def _warn(path: Path, remark: str) -> None:
    logger.warning("%s: %s", path, remark)


def _encode(image: ImageFile, path: Path, quality: int | None) -> bytes:
    suffix, warn = path.suffix.lower(), functools.partial(_warn, path)
    if image.pixels.ndim != 3 or 0 in image.pixels.shape:
        raise ValueError(f"its shape is {image.pixels.shape}, not [H, W, C]")
    if suffix != ".npy":
        return codecs.encode(image, suffix, quality, warn)
    codecs.fit_metadata(image.metadata, "NPY", warn)
    buffer = io.BytesIO()
    np.save(buffer, arrays.image_to_array(image), allow_pickle=False)
    return buffer.getvalue()
