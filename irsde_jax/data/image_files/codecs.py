"""Decoding and encoding: converts the bytes of image files to pixels and back.

The first bytes determine the format (`formats.sniff`). Each format has one reader. PNG
and TIFF are read by libpng and `tifffile`, which read 16-bit colour exactly, and the
other formats by Pillow. This module does not know any paths:
`irsde_jax.data.image_files.images` opens the files and mentions them in messages.
"""

import functools
import io
import logging
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from irsde_jax.data.image_files import exif as exif_data
from irsde_jax.data.image_files import (
    formats,
    limits,
    metadata,
    pictures,
    png,
    tiff,
    tiff_writer,
)
from irsde_jax.data.image_files.arrays import ImageFile, to_integers
from irsde_jax.data.image_files.formats import FORMATS as FORMATS
from irsde_jax.data.image_files.formats import NPY_MAGIC as NPY_MAGIC
from irsde_jax.data.image_files.metadata import Metadata
from irsde_jax.data.image_files.orientation import TURNED, upright

logger = logging.getLogger(__name__)

Warn = Callable[[str], None]


def decode(
    data: bytes,
    with_metadata: bool = False,
    max_megapixels: float | None = None,
    warn: Warn = logger.warning,
) -> ImageFile:
    """Decodes the bytes of an image file of `FORMATS` and turns the image upright.

    Args:
        data: The content of the file.
        with_metadata: Whether metadata are read, for an image that is written again.
        max_megapixels: The largest image that is read, in millions of pixels. None
            means `formats.DEFAULT_MEGAPIXELS`.
        warn: A function that is called with a text about missing or lost data, if
            `with_metadata` is True.

    Raises:
        ValueError: If the image cannot be read without loss. Damaged data raise the
            exceptions of the decoder.
    """
    kind = formats.sniff(data)
    formats.check_size(*size(io.BytesIO(data)), max_megapixels)
    image, remarks = _READERS[kind](data)
    found = image.metadata
    turn = exif_data.orientation(found.exif, found.xmp)
    kept, damaged = metadata.upright(found)
    pixels, alpha = (
        None if part is None else np.ascontiguousarray(upright(part, turn))
        for part in (image.pixels, image.alpha)
    )
    assert pixels is not None  # Every image has pixels.
    image = ImageFile(pixels, alpha, image.bits)
    if not with_metadata:
        return image
    if remarks := [*remarks, *damaged]:
        warn("; ".join(remarks) + ".")
    return image._replace(metadata=kept)


def size(data: BinaryIO) -> tuple[int, int]:
    """Returns height and width of the upright image in an open file from its header.

    Raises:
        ValueError: If the file is not an image. A damaged header raises the exceptions
            of the decoder.
    """
    kind = formats.sniff(data.read(formats.HEAD))
    data.seek(0)
    height, width, orientation = _SIZES[kind](data)
    return (width, height) if orientation in TURNED else (height, width)


def has_quality(suffix: str) -> bool:
    """Returns whether files that end in `suffix`, a key of `FORMATS`, can be lossy."""
    return FORMATS[suffix] in pictures.WITH_QUALITY


def encode(
    image: ImageFile,
    suffix: str,
    quality: int | None = None,
    warn: Warn = logger.warning,
) -> bytes:
    """Encodes an image as the bytes of a file that ends in `suffix`.

    PNG and TIFF preserve 16 bits if the image has them. Other formats are rounded to 8
    bits. An alpha channel without any transparency is omitted if the format does not
    support it.

    Args:
        image: The image.
        suffix: The file name ending, a key of `FORMATS`.
        quality: The quality of JPEG, AVIF and lossy WebP, 1 to 100. None means 95 for
            JPEG and AVIF, and lossless WebP. The other formats are lossless and ignore
            it.
        warn: A function that is called with a sentence about metadata that the format
            does not support.

    Raises:
        ValueError: If the format does not support such an image, as in `check`.
    """
    check(suffix, image.pixels.shape[-1], image.is_transparent)
    kind = FORMATS[suffix]
    has_alpha = image.alpha is not None and kind in formats.WITH_ALPHA
    samples = image.pixels
    if image.alpha is not None and has_alpha:
        samples = np.concatenate([samples, image.alpha], axis=-1)
    bits = limits.kept_bits(kind, image.bits)
    integers = to_integers(samples, bits)
    kept = fit_metadata(image.metadata, kind, warn)
    if kind == "PNG":
        return png.encode(integers, kept)
    if kind == "TIFF":
        return tiff_writer.encode(integers, has_alpha, kept)
    return pictures.encode(kind, integers, quality, kept)


def fit_metadata(found: Metadata, kind: str, warn: Warn) -> Metadata:
    """Reduces metadata to what a format supports, and warns about the rest.

    Args:
        found: The metadata.
        kind: The name of the format, or "NPY".
        warn: A function that is called with a sentence about metadata that are lost.

    Returns:
        The metadata that `metadata.fit` returns.
    """
    kept, lost = metadata.fit(found, kind)
    if lost:
        warn(f"{kind} cannot hold, and so does not preserve: {', '.join(lost)}.")
    return kept


def check(suffix: str, channels: int, has_alpha: bool) -> None:
    """Raises ValueError if a format does not support such an image.

    Args:
        suffix: The file name ending: ".npy" or a key of `FORMATS`.
        channels: The number of colour channels.
        has_alpha: Whether any pixel is transparent.
    """
    kind = FORMATS.get(suffix, suffix)
    if channels not in (1, 3) and suffix in FORMATS and kind != "TIFF":
        raise ValueError(
            f"{kind} holds 1 or 3 channels, not {channels}; write .tif or .npy"
        )
    if has_alpha and kind not in formats.WITH_ALPHA:
        raise ValueError(
            f"{kind} holds no transparency; write one of "
            f"{', '.join(formats.WITH_ALPHA)} or drop the alpha"
        )


_READERS: dict[str, Callable[[bytes], tuple[ImageFile, list[str]]]] = {
    "PNG": png.decode,
    "TIFF": tiff.decode,
}
_SIZES: dict[str, Callable[[BinaryIO], tuple[int, int, int]]] = {
    "PNG": png.size,
    "TIFF": tiff.size,
}
for _kind in ("JPEG", "WEBP", "AVIF", "BMP"):
    _READERS[_kind] = functools.partial(pictures.decode, _kind)
    _SIZES[_kind] = functools.partial(pictures.size, _kind)
