"""JPEG files without an end marker, as after a download that stopped near its end."""

import io

import numpy as np
from PIL import Image, JpegImagePlugin

_END = b"\xff\xd9"
# If pixels are missing, the decoder reads these bits as pixels, and the two fillers
# give different pixels.
_FILLERS = (b"\0" * 64, b"\xaa" * 64)


def complete(data: bytes) -> Image.Image | None:
    """Decodes a file in which only the end marker is missing.

    Args:
        data: The bytes of a JPEG file that Pillow reports as truncated.

    Returns:
        The decoded image, or None if pixels are missing as well.
    """
    data = data.removesuffix(b"\xff")
    try:
        pictures = [_decoded(data + filler + _END) for filler in _FILLERS]
    except Exception:  # decoders raise nearly anything on damaged files
        return None
    first, second = (np.asarray(picture) for picture in pictures)
    return pictures[0] if np.array_equal(first, second) else None


def _decoded(data: bytes) -> Image.Image:
    picture = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    picture.load()
    return picture
