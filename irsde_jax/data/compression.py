"""Whether an image file was compressed with loss, told by its header."""

import struct
from pathlib import Path

from PIL import Image

_ALWAYS = ("JPEG", "MPO", "AVIF")
_TIFF_LOSSY = ("jpeg", "tiff_jpeg", "webp")


def is_lossy(path: Path) -> bool:
    """Whether compression has changed the pixels of an image file.

    False for what is no image that Pillow can open, such as `.npy` files.
    """
    try:
        with Image.open(path) as image:
            kind, compression = image.format, image.info.get("compression")
    except (OSError, ValueError, Image.DecompressionBombError):
        return False
    if kind == "WEBP":
        return _is_lossy_webp(path)
    return kind in _ALWAYS or (kind == "TIFF" and compression in _TIFF_LOSSY)


def _is_lossy_webp(path: Path) -> bool:
    """Whether the pixels of a WebP file are in a chunk of lossy compression.

    References:
        RFC 9649, Section 2: chunks of a name, a length and content of even length.
    """
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            if name in (b"VP8 ", b"VP8L"):
                return name == b"VP8 "
            file.seek(length + length % 2, 1)
    return False
