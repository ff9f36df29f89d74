"""What an image file holds beside its pixels, and how it is carried to another file."""

import logging
import struct
import zlib
from typing import NamedTuple

from PIL import Image

logger = logging.getLogger(__name__)

ORIENTATION = 0x0112  # EXIF tag
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP")  # that hold any
_LONGEST_IN_JPEG = 65533 - 6  # bytes, beside the head of its segment
_PNG_HEAD = 8 + 25  # the signature, and IHDR, which every PNG begins with


class Metadata(NamedTuple):
    """What a file says of its image, kept for the restored one.

    Attributes:
        exif: the camera's data, as EXIF bytes, without an orientation; None: none.
        icc_profile: the colour space of the pixels; None: sRGB, or unknown.
    """

    exif: bytes | None = None
    icc_profile: bytes | None = None


def orientation(image: Image.Image) -> int:
    """How the pixels of an open file lie, 1 to 8, as EXIF has it; 1 is upright."""
    # As of any format: for a PNG Pillow would decode the pixels to look behind them.
    return Image.Image.getexif(image).get(ORIENTATION, 1)


def of(image: Image.Image) -> Metadata:
    """What is kept of an open file, for pixels that are upright and not CMYK."""
    exif = None
    # The tags of a TIFF say how its pixels are stored, which will be another way.
    if image.format != "TIFF" and (tags := Image.Image.getexif(image)):
        tags.pop(ORIENTATION, None)
        try:
            exif = tags.tobytes() if tags else None
        except Exception as error:  # cameras write nearly anything, Pillow does not
            logger.warning("EXIF data that cannot be written again are lost: %s", error)
    # A profile of CMYK does not describe the RGB that became of it.
    profile = None if image.mode == "CMYK" else image.info.get("icc_profile")
    return Metadata(exif, profile)


def options(metadata: Metadata, kind: str) -> dict[str, bytes]:
    """What Pillow's `save` is to be told for a file of that format."""
    found = {name: value for name, value in metadata._asdict().items() if value}
    if kind == "JPEG" and len(found.get("exif", b"")) > _LONGEST_IN_JPEG:
        logger.warning("EXIF data of more than 64 KB do not fit into a JPEG: lost.")
        del found["exif"]
    return found if kind in _FORMATS else {}


def add(data: bytes, kind: str, metadata: Metadata) -> bytes:
    """A file that OpenCV wrote, with what OpenCV cannot write; TIFF stays as it is."""
    if kind != "PNG":
        return data
    chunks = []
    if metadata.icc_profile is not None:
        profile = zlib.compress(metadata.icc_profile)
        chunks.append((b"iCCP", b"ICC profile\0\0" + profile))
    if metadata.exif is not None:
        chunks.append((b"eXIf", metadata.exif.removeprefix(b"Exif\0\0")))
    packed = b"".join(
        struct.pack(">I", len(body))
        + name
        + body
        + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    return data[:_PNG_HEAD] + packed + data[_PNG_HEAD:]
