"""Conversion between the tags of a TIFF file and metadata.

Tags that describe how the samples are stored are left out, because a restored file
stores its samples in its own way.
"""

import struct

from irsde_jax.data.image_files import exif as exif_data
from irsde_jax.data.image_files.exif import Directory, Entry
from irsde_jax.data.image_files.metadata import Metadata

XMP, IPTC, ICC_PROFILE = 700, 33723, 34675
_BYTES, _UNDEFINED = 1, 7  # types
# Descriptions that begin like this were written by tifffile and describe the layout.
_SHAPE = '{"shape": ['
_INCH, _CENTIMETRE = 2, 3  # resolution units
# These tags describe the image: title, make, model, page, software, date, artist,
# computer, rating, copyright, the texts of Windows, and the EXIF and GPS directories.
_DESCRIPTIVE = {
    *(0x000B, 0x010D, 0x010E, 0x010F, 0x0110, 0x011D, 0x0131, 0x0132, 0x013B, 0x013C),
    *(0x4746, 0x4749, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, 0xC614),
    *(exif_data.EXIF_DIRECTORY, exif_data.GPS_DIRECTORY),
}
_ELSEWHERE = {
    *(XMP, IPTC, ICC_PROFILE, exif_data.ORIENTATION),
    *(exif_data.X_RESOLUTION, exif_data.Y_RESOLUTION, exif_data.RESOLUTION_UNIT),
}
_OF_THE_LAYOUT = {
    *(254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280),
    *(281, 284, 286, 287, 288, 289, 290, 291, 292, 293, 297, 317, 320, 321, 322, 323),
    *(324, 325, 326, 327, 328, 330, 332, 333, 334, 336, 337, 338, 339, 340, 341, 347),
    *(512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532),
}


def read_metadata(data: bytes) -> tuple[Metadata, list[str]]:
    """Reads the metadata of a TIFF file, with its orientation, and lists losses."""
    order, tags = exif_data.read(data)
    kept = {tag: entry for tag, entry in tags.items() if tag in _DESCRIPTIVE}
    described = kept.copy()
    description = exif_data.text(kept.get(exif_data.DESCRIPTION))
    if description is not None and description.startswith(_SHAPE):
        del kept[exif_data.DESCRIPTION]
    if exif_data.ORIENTATION in tags:
        kept[exif_data.ORIENTATION] = tags[exif_data.ORIENTATION]
    unknown = sorted(set(tags) - _OF_THE_LAYOUT - _ELSEWHERE - set(described))
    found = Metadata(
        exif=exif_data.write(order, kept) if kept else None,
        icc_profile=_data(tags.get(ICC_PROFILE)),
        xmp=_data(tags.get(XMP)),
        iptc=_data(tags.get(IPTC)),
        dpi=_density(tags, order),
    )
    numbers = ", ".join(map(str, unknown))
    return found, [f"its TIFF tags {numbers} are not preserved"] if unknown else []


def to_tags(metadata: Metadata) -> tuple[exif_data.Order, Directory]:
    """Returns the byte order and the tags of a TIFF file with these metadata."""
    order: exif_data.Order = "<"
    tags: Directory = {}
    if metadata.exif is not None:
        order, tags = exif_data.read(metadata.exif)
        # A camera's EXIF data may describe the layout of its thumbnail.
        tags = {tag: e for tag, e in tags.items() if tag not in _OF_THE_LAYOUT}
    if metadata.dpi is not None:
        unit = Entry(exif_data.SHORT, 1, struct.pack(order + "H", _INCH))
        tags |= {
            exif_data.X_RESOLUTION: exif_data.fraction(metadata.dpi[0], order),
            exif_data.Y_RESOLUTION: exif_data.fraction(metadata.dpi[1], order),
            exif_data.RESOLUTION_UNIT: unit,
        }
    for tag, kind, data in (
        (XMP, _BYTES, metadata.xmp),
        (IPTC, _UNDEFINED, metadata.iptc),
        (ICC_PROFILE, _UNDEFINED, metadata.icc_profile),
    ):
        if data is not None:
            tags[tag] = Entry(kind, len(data), data)
    return order, tags


def _density(tags: Directory, order: exif_data.Order) -> tuple[float, float] | None:
    """Returns the pixels per inch, across and down, or None if they are not known."""
    unit = exif_data.number(tags.get(exif_data.RESOLUTION_UNIT), order)
    across = exif_data.ratio(tags.get(exif_data.X_RESOLUTION), order)
    down = exif_data.ratio(tags.get(exif_data.Y_RESOLUTION), order)
    factor = {None: 1.0, _INCH: 1.0, _CENTIMETRE: 2.54}.get(unit)
    if factor is None or not across or not down:
        return None
    return across * factor, down * factor


def _data(entry: Entry | None) -> bytes | None:
    return None if entry is None else entry.data
