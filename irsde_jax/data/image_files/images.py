"""Reading and writing image files: the one place where pixels meet the disk.

An image is an `ImageFile`: colour in [0, 1], transparency apart from it, and the number
of bits the file had, so that what is restored can be written as finely as it was read.
The formats themselves are in `irsde_jax.data.image_files.codecs`; here are folders,
paths, and the errors that name them.
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
    """What a file holds is damaged or no image: a training may go on without it."""


def read_image(
    path: str | os.PathLike,
    data_range: DataRange = UNIT_RANGE,
    with_metadata: bool = False,
    max_megapixels: float | None = None,
) -> ImageFile:
    """The content of an image file, upright (EXIF orientation applied).

    Palettes, CMYK and L*a*b* become RGB. Its content decides how a file is read and
    not its suffix, except for `.npy`: an array [H, W] or [H, W, C] of uint8, uint16 or
    floats.

    Args:
        path: of the file.
        data_range: the floats of an `.npy` file that become 0 and 1; none may lie
            beyond them. Written again, the image has this range.
        with_metadata: Whether metadata are read, for an image that is written again.
        max_megapixels: The largest image that is read, in millions of pixels; None
            means `formats.DEFAULT_MEGAPIXELS`.

    Raises:
        FileNotFoundError: if there is no such file.
        UnreadableImage: if it is no image, or damaged.
        ValueError: if it cannot be read without loss.
    """
    path = Path(path)
    _check_suffix(path)
    _require_content(path)
    try:
        if path.suffix.lower() == ".npy":
            # Mapped, so that a header that promises more than the file holds is an
            # error and no allocation; it reads no pickles.
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
    """Height and width of the upright image in a file, from its header alone.

    Args:
        path: The file.
        max_megapixels: The largest image that is allowed, as for `read_image`.

    Raises:
        OSError: if there is no such file.
        UnreadableImage: if its header is not that of an image, or promises more pixels
            than are allowed.
        ValueError: if it cannot be read without loss.
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
    """`pixels` with as many channels as a model wants: grey is repeated to RGB.

    Args:
        pixels: image, shape [H, W, C].
        channels: the wanted number of channels.
        name: what to call the image in an error.

    Returns:
        Array of shape [H, W, channels].
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
    """Pixels in [0, 1] as integers 0..255, same shape: clipped, halves to even."""
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
    """Raises at once what `write_image` would raise for such an image.

    Args:
        path: The file that is to be written.
        channels: The number of channels of its colour.
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
    """Writes an image in the format of its suffix: the whole file or none of it.

    PNG and TIFF keep 16 bits where the image has them; all else is rounded to 8 bits,
    except that `.npy` holds `image.bits` bits, 32 being floats in `image.data_range`.
    A warning names the file where bits are lost.

    Args:
        path: file name in an existing folder, ending in one of `SUFFIXES`.
        image: what to write. JPEG, BMP and `.npy` hold no alpha: it must be opaque.
        overwrite: whether an existing file is replaced.
        quality: see `codecs.encode`.

    Raises:
        FileExistsError: if the file exists and `overwrite` is False, also if another
            process wrote it a moment ago.
        FileNotFoundError: if the folder does not exist.
        OSError: if the disk is full, or the folder cannot be written to.
        ValueError: if the format cannot hold the image.
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
    """Raises unless there is a file that is not empty."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}. Check the path.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder where an image file is expected.")
    if path.stat().st_size == 0:
        raise UnreadableImage(
            f"{path} is empty (0 bytes). Fetch it again or remove it."
        )


def _kind(path: Path) -> str:
    """The name of a format in `limits.LIMITS`."""
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
