"""JPEG, WebP, AVIF and BMP files with 8 bits per sample, by Pillow.

The classes of the formats are called instead of `PIL.Image.open`, because its limit of
pixels applies to the whole process. The limit is checked by `formats.check_size`.
"""

import io
import struct
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from PIL import AvifImagePlugin, BmpImagePlugin, Image, JpegImagePlugin, WebPImagePlugin

from irsde_jax.data.image_files import colours, jpeg_ending
from irsde_jax.data.image_files import exif as exif_data
from irsde_jax.data.image_files.arrays import ImageFile, UnsupportedImage, split
from irsde_jax.data.image_files.metadata import Metadata

_OPENERS: dict[str, Callable[[BinaryIO], Any]] = {
    "JPEG": JpegImagePlugin.jpeg_factory,  # This class also reads MPO files.
    "WEBP": WebPImagePlugin.WebPImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}
# Restored images are evaluated afterwards, so the files lose as little as possible.
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "BMP": {},
}
WITH_QUALITY = ("JPEG", "WEBP", "AVIF")
"""The formats that support lossy compression."""

_IPTC = 0x0404  # the number of a Photoshop resource
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/"
_USUAL_CICP = ((1, 2), (1, 2, 6, 13))  # primaries and transfer functions of sRGB


def size(kind: str, file: BinaryIO) -> tuple[int, int, int]:
    """Returns height, width and orientation (1 to 8) of an open file from its head."""
    with _open(kind, file) as image:
        metadata, _ = read_metadata(image)
        orientation = exif_data.orientation(metadata.exif, metadata.xmp)
        return image.height, image.width, orientation


def decode(kind: str, data: bytes) -> tuple[ImageFile, list[str]]:
    """Decodes an image that is not turned upright yet, and lists what is lost."""
    if kind == "AVIF":
        _check_avif_depth(data)
    with _open(kind, io.BytesIO(data)) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":
            raise UnsupportedImage(
                f"it holds {frames} frames; save each as a file of its own"
            )
        metadata, lost = read_metadata(image)
        if frames > 1:
            lost.append("previews behind the image (MPO) are not preserved")
        picture: Image.Image = image
        try:
            image.load()
        except OSError:
            completed = jpeg_ending.complete(data) if kind == "JPEG" else None
            if completed is None:
                raise
            lost.append("its end marker is missing, but none of its pixels")
            picture = completed
    if kind == "AVIF":
        lost += _lost_encoding(data)
    if picture.mode == "CMYK":
        picture = colours.cmyk_to_srgb(picture, metadata.icc_profile)
        metadata = metadata._replace(icc_profile=None)
        lost.append("its CMYK colours become sRGB")
    grey = picture.mode in ("1", "L", "LA", "La")
    mode = ("L" if grey else "RGB") + ("A" if picture.has_transparency_data else "")
    samples = np.asarray(picture.convert(mode))
    samples = samples.reshape(*samples.shape[:2], -1)
    return split(samples, grey)._replace(metadata=metadata), lost


def encode(
    kind: str, samples: np.ndarray, quality: int | None, metadata: Metadata
) -> bytes:
    """Encodes 8-bit integers [H, W, 1 to 4] as a file: grey or RGB, alpha last."""
    options = _SAVE_OPTIONS[kind]
    if kind in WITH_QUALITY and quality is not None:
        options = options | dict(quality=quality, lossless=False)
    if metadata.exif is not None:
        options = options | dict(exif=exif_data.PREFIX + metadata.exif)
    for name in ("icc_profile", "xmp", "comment", "dpi"):
        if (value := getattr(metadata, name)) is not None:
            options = options | {name: value}
    picture = Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    data = buffer.getvalue()
    return data if metadata.iptc is None else _with_iptc(data, metadata.iptc)


def read_metadata(image: Image.Image) -> tuple[Metadata, list[str]]:
    """Reads the metadata of an open file, with its orientation, and lists losses."""
    info, lost = image.info, []
    block = info.get("exif")
    while block is not None and block.startswith(exif_data.PREFIX):
        block = block[len(exif_data.PREFIX) :]
    comment = info.get("comment")
    if isinstance(comment, bytes):
        comment = comment.decode("utf-8", "replace")
    if any(s.startswith(_EXTENDED_XMP) for _, s in getattr(image, "applist", ())):
        lost.append("the extension of its XMP data is not preserved")
    found = Metadata(
        exif=block or None,
        icc_profile=info.get("icc_profile") or None,
        xmp=info.get("xmp") or None,
        iptc=info.get("photoshop", {}).get(_IPTC) or None,
        comment=comment,
        dpi=info.get("dpi"),
    )
    return found, lost


def _open(kind: str, file: BinaryIO) -> Any:
    # Pillow's warning of damaged EXIF data lacks the name of the file. `codecs.decode`
    # gives its own warning.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _OPENERS[kind](file)


def _with_iptc(data: bytes, iptc: bytes) -> bytes:
    """Returns a JPEG file with a segment of IPTC data after its first segment."""
    resource = b"8BIM" + struct.pack(">HHI", _IPTC, 0, len(iptc)) + iptc
    body = b"Photoshop 3.0\0" + resource + b"\0" * (len(iptc) % 2)
    segment = b"\xff\xed" + struct.pack(">H", 2 + len(body)) + body
    (first,) = struct.unpack_from(">H", data, 4)  # Pillow always writes a JFIF segment.
    return data[: 4 + first] + segment + data[4 + first :]


def _check_avif_depth(data: bytes) -> None:
    """Raises UnsupportedImage for more than 8 bits, which Pillow would reduce."""
    at = data.find(b"av1C")
    flags = data[at + 6] if 0 <= at < len(data) - 6 else 0
    if flags & 0x60:
        bits = 12 if flags & 0x20 else 10
        raise UnsupportedImage(
            f"its samples have {bits} bits, AVIF is read with 8; convert it to a PNG "
            "of 16 bits"
        )


def _lost_encoding(data: bytes) -> list[str]:
    """Names the colour encoding of an AVIF file if it is not that of sRGB."""
    at = data.find(b"colrnclx")
    if not 0 <= at < len(data) - 14:
        return []
    found = struct.unpack_from(">HHH", data, at + 8)
    primaries, transfer, _ = found
    if primaries in _USUAL_CICP[0] and transfer in _USUAL_CICP[1]:
        return []
    numbers = "/".join(map(str, found))
    return [f"the encoding of its colours, CICP {numbers}, is not preserved"]
