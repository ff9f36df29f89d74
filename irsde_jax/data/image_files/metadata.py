"""Metadata of image files, and which of them each format supports.

The reader of each format returns a `Metadata`. Before a file is written, `fit` reduces
it to what the format supports and names what is lost. The writer of the format then
writes everything that is left. Each format has one place that says how an image was
made:

* PNG: the text "Software".
* JPEG, TIFF, WebP and AVIF: the EXIF tag Software, which is a tag of the image in TIFF.
* BMP and `.npy`: none.

A text that the user's file already has there is preserved, and the new text follows it
after a semicolon. Descriptions and comments are not changed.
"""

import struct
from typing import Any, NamedTuple

from irsde_jax.data.image_files import exif as exif_data
from irsde_jax.data.image_files import png_chunks
from irsde_jax.data.image_files.png_chunks import Chunk

_NAMES = {
    "exif": "EXIF data",
    "icc_profile": "the colour profile",
    "xmp": "XMP data",
    "iptc": "IPTC data",
    "comment": "the comment",
    "dpi": "the density (dpi)",
}
_WITH_EXIF = {"exif", "icc_profile", "xmp"}
# The fields of `Metadata` that each format supports.
_HELD: dict[str, set[str]] = {
    "PNG": _WITH_EXIF | {"comment", "dpi", "chunks"},
    "JPEG": _WITH_EXIF | {"iptc", "comment", "dpi"},
    "TIFF": _WITH_EXIF | {"iptc", "dpi"},
    "WEBP": _WITH_EXIF,
    "AVIF": _WITH_EXIF,
    "BMP": {"dpi"},
    "NPY": set(),
}
# A segment of a JPEG file has at most 65,533 bytes, including its own head. These are
# the largest sizes of the fields in bytes.
_LONGEST_IN_JPEG = {"exif": 65527, "xmp": 65504, "iptc": 65490, "comment": 65533}
_NO_ROOM = "how the image was made (there is no room for it in the EXIF data of a JPEG)"
# Keywords of PNG texts, and the EXIF tags with the same meaning.
_TEXT_TAGS = {
    "Description": exif_data.DESCRIPTION,
    "Software": exif_data.SOFTWARE,
    "Author": exif_data.ARTIST,
    "Copyright": exif_data.COPYRIGHT,
}


class Metadata(NamedTuple):
    """The metadata of an image file, for pixels that are upright.

    Attributes:
        exif: The EXIF data of the camera as bytes, without their prefix and without an
            orientation.
        icc_profile: The ICC profile of the pixels. None means sRGB or unknown.
        xmp: The XMP packet.
        iptc: The IPTC data (IIM records).
        comment: The comment on the image.
        dpi: The pixels per inch, horizontally and vertically.
        chunks: The other chunks of a PNG file that describe the image, such as texts
            and the encoding of the colours.
        software: A description of how the image was made, for the file that is written.
    """

    exif: bytes | None = None
    icc_profile: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: str | None = None
    dpi: tuple[float, float] | None = None
    chunks: tuple[Chunk, ...] = ()
    software: str | None = None


def upright(found: Metadata) -> tuple[Metadata, list[str]]:
    """Adapts metadata to pixels that were turned upright, and lists what is lost."""
    lost = []
    if found.exif is not None:
        try:
            found = found._replace(exif=exif_data.upright(found.exif))
        except (ValueError, struct.error):
            lost = ["its EXIF data are damaged and not preserved"]
            found = found._replace(exif=None)
    if found.xmp is not None:
        found = found._replace(xmp=exif_data.upright_xmp(found.xmp))
    return found, lost


def fit(metadata: Metadata, kind: str) -> tuple[Metadata, list[str]]:
    """Reduces metadata to what a format supports.

    Args:
        metadata: The metadata to preserve.
        kind: The name of the format, or "NPY".

    Returns:
        The metadata that the file will hold, and the names of those that are lost.
    """
    held = _HELD[kind]
    lost: list[str] = []
    if "exif" in held:
        metadata, lost = _with_room(metadata, kind)
    for field, name in _NAMES.items():
        value = getattr(metadata, field)
        if value is None:
            continue
        if field not in held:
            lost.append(name)
            metadata = _without(metadata, field)
        elif kind == "JPEG" and len(value) > _LONGEST_IN_JPEG.get(field, 1 << 24):
            lost.append(f"{name} (longer than a JPEG segment of 64 KB)")
            metadata = _without(metadata, field)
    if "chunks" not in held:
        lost += [str(chunk) for chunk in metadata.chunks if not chunk.is_srgb]
        metadata = metadata._replace(chunks=())
    elif metadata.software is not None:
        metadata = metadata._replace(chunks=_with_software(metadata))
    return metadata._replace(software=None), lost


def _with_room(metadata: Metadata, kind: str) -> tuple[Metadata, list[str]]:
    """Runs `_through_exif`, but keeps the EXIF data short enough for a JPEG file.

    Returns:
        The metadata, and the names of those that were left out.
    """
    full, longest = _through_exif(metadata, kind), _LONGEST_IN_JPEG["exif"]
    is_long, was_long = (len(each.exif or b"") > longest for each in (full, metadata))
    if kind != "JPEG" or was_long or not is_long:
        return full, []
    lost = [_NO_ROOM] if metadata.software is not None else []
    metadata = metadata._replace(software=None)
    full = _through_exif(metadata, kind)
    return full if len(full.exif or b"") <= longest else metadata, lost


def _through_exif(metadata: Metadata, kind: str) -> Metadata:
    """Moves metadata into EXIF tags if the format has no other place for them."""
    if kind == "PNG":
        return metadata
    block = metadata.exif
    order = exif_data.byte_order(block)
    tags = {} if block is None else exif_data.read(block)[1]
    put, chunks = {}, []
    for chunk in metadata.chunks:
        tag = _TEXT_TAGS.get(chunk.keyword or "")
        said = None if tag is None else png_chunks.text_of(chunk)
        if tag is None or said is None or tag in tags or tag in put:
            chunks.append(chunk)
        else:
            encoding = "utf-8" if chunk.kind == b"iTXt" else "latin-1"
            put[tag] = exif_data.to_entry(said.decode(encoding, "replace"))
    if metadata.software is not None:
        before = put.get(exif_data.SOFTWARE, tags.get(exif_data.SOFTWARE))
        joined = _joined(exif_data.text(before), metadata.software)
        put[exif_data.SOFTWARE] = exif_data.to_entry(joined)
    dpi = metadata.dpi
    if dpi is not None and "dpi" not in _HELD[kind]:
        if exif_data.X_RESOLUTION not in tags:
            put |= {
                exif_data.X_RESOLUTION: exif_data.fraction(dpi[0], order),
                exif_data.Y_RESOLUTION: exif_data.fraction(dpi[1], order),
                exif_data.RESOLUTION_UNIT: exif_data.Entry(
                    exif_data.SHORT, 1, struct.pack(order + "H", 2)
                ),
            }
        dpi = None
    if put:
        block = exif_data.with_tags(block, put)
    return metadata._replace(exif=block, chunks=tuple(chunks), dpi=dpi)


def _without(metadata: Metadata, field: str) -> Metadata:
    nothing: dict[str, Any] = {field: None}
    return metadata._replace(**nothing)


def _with_software(metadata: Metadata) -> tuple[Chunk, ...]:
    """Returns the chunks with a text that says how the image was made."""
    assert metadata.software is not None  # `fit` has checked this.
    others, said = [], None
    for chunk in metadata.chunks:
        text = png_chunks.text_of(chunk) if chunk.keyword == "Software" else None
        if text is None or said is not None:
            others.append(chunk)
        else:
            encoding = "utf-8" if chunk.kind == b"iTXt" else "latin-1"
            said = text.decode(encoding, "replace")
    text_chunk = png_chunks.text_chunk("Software", _joined(said, metadata.software))
    return (*others, text_chunk)


def _joined(before: str | None, software: str) -> str:
    return f"{before}; {software}" if before else software
