"""Detection of lossy compression from the header of an image file."""

import struct
from pathlib import Path
from typing import BinaryIO

import tifffile

from irsde_jax.data.image_files import formats, tiff

_WEBP_IN_TIFF = 50001


def is_lossy(path: Path) -> bool:
    """Returns whether the compression of an image file is lossy.

    The result is False for files that are not of `formats.FORMATS`, such as `.npy`.
    """
    try:
        with path.open("rb") as file:
            kind = formats.sniff(file.read(formats.HEAD))
            if kind == "WEBP":
                return _is_lossy_webp(file)
            if kind == "TIFF":
                return _is_lossy_tiff(file)
            return kind in ("JPEG", "AVIF")
    except (OSError, ValueError):
        return False


def _is_lossy_tiff(file: BinaryIO) -> bool:
    """Returns whether the first page of a TIFF file uses JPEG or WebP compression."""
    file.seek(0)
    with tifffile.TiffFile(file) as pages:
        compression = int(pages.pages.first.compression)
    return compression in (*tiff.JPEG, _WEBP_IN_TIFF)


def _is_lossy_webp(file: BinaryIO) -> bool:
    """Returns whether a WebP file stores its pixels in a lossy chunk.

    References:
        RFC 9649, Section 2: A chunk consists of a name, a length and the content, which
        is padded to an even length.
    """
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        if name in (b"VP8 ", b"VP8L"):
            return name == b"VP8 "
        file.seek(length + length % 2, 1)
    return False
