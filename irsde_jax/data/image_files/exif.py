"""EXIF data: a block of bytes that has the structure of a small TIFF file of tags.

`edit` changes a few tags and moves no other data, because camera makers store offsets
in their own tags, and these offsets become wrong when the data move. Everything is
moved only between TIFF files, whose tags are spread over the file, and EXIF blocks.

References:
    Exif 2.32 (CIPA DC-008-2019), section 4.6; TIFF 6.0, section 2.
"""

import re
import struct
from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple, TypeAlias

PREFIX = b"Exif\0\0"
"""The bytes before the EXIF data in a JPEG file."""

DESCRIPTION, SOFTWARE, ARTIST, COPYRIGHT = 0x010E, 0x0131, 0x013B, 0x8298
ORIENTATION, EXIF_DIRECTORY, GPS_DIRECTORY = 0x0112, 0x8769, 0x8825
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_DIRECTORIES = {EXIF_DIRECTORY, GPS_DIRECTORY, 0xA005}  # tags that point to a directory

ASCII, SHORT, LONG, RATIONAL = 2, 3, 4, 5
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SIZES |= {13: 4, 16: 8, 17: 8, 18: 8}
_DEEPEST = 3  # The nesting of directories is limited.

_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:="|>))([1-8])')


class Entry(NamedTuple):
    """The value of a tag.

    Attributes:
        kind: The number of the type, as in TIFF.
        length: The number of values of this type.
        data: The values as bytes, in the byte order of the block.
        directory: The tags that the value points to, or None.
    """

    kind: int
    length: int
    data: bytes
    directory: "Directory | None" = None


Directory: TypeAlias = dict[int, Entry]
Order: TypeAlias = Literal["<", ">"]
"""The byte order, little-endian or big-endian, in the notation of `struct`."""


def read(block: bytes) -> tuple[Order, Directory]:
    """Reads the byte order and the first directory of an EXIF block or TIFF file.

    Tags whose values lie outside the block are left out.

    Raises:
        ValueError: If the block does not begin like a TIFF file.
    """
    order = _order(block)
    is_big = block[2:4] in (b"+\0", b"\0+")
    place = struct.Struct(order + ("Q" if is_big else "I"))
    (start,) = place.unpack_from(block, 8 if is_big else 4)
    return order, _read_directory(block, start, order, is_big, 0)


def write(order: Order, directory: Directory) -> bytes:
    """Returns an EXIF block with these tags."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + write_directory(order, directory, 8)


def write_directory(order: Order, directory: Directory, start: int) -> bytes:
    """Returns the bytes of a directory and its values, to be placed at `start`."""
    tail = start + 2 + 12 * len(directory) + 4
    entries, values = b"", b""
    for tag, entry in sorted(directory.items()):
        kind, length, data = entry.kind, entry.length, entry.data
        if entry.directory is not None:
            kind, length = LONG, 1
            data = struct.pack(order + "I", tail + len(values))
            values += write_directory(order, entry.directory, tail + len(values))
        elif len(data) > 4:
            place = struct.pack(order + "I", tail + len(values))
            values += data
            data = place
        values += b"\0" * (len(values) % 2)
        entries += struct.pack(order + "HHI", tag, kind, length) + data.ljust(4, b"\0")
    count = struct.pack(order + "H", len(directory))
    return count + entries + b"\0\0\0\0" + values


def edit(block: bytes, drop: Collection[int], put: Mapping[int, Entry]) -> bytes:
    """Returns the block with changed tags in its first directory, now at the end.

    The thumbnail is detached, because it does not show the restored image.

    Args:
        block: The EXIF data without `PREFIX`.
        drop: The tags that are removed.
        put: The tags that are added or replaced.
    """
    order = _order(block)
    (start,) = struct.unpack_from(order + "I", block, 4)
    (count,) = struct.unpack_from(order + "H", block, start)
    if start + 2 + 12 * count > len(block):
        raise ValueError("EXIF data break off")
    entries = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from(order + "H", block, at)
        if tag not in drop:
            entries[tag] = block[at : at + 12]
    tail = bytearray(block + b"\0" * (len(block) % 2))
    for tag, entry in put.items():
        data = entry.data
        if len(data) > 4:
            data = struct.pack(order + "I", len(tail))
            tail += entry.data + b"\0" * (len(entry.data) % 2)
        head = struct.pack(order + "HHI", tag, entry.kind, entry.length)
        entries[tag] = head + data.ljust(4, b"\0")
    tail[4:8] = struct.pack(order + "I", len(tail))
    tail += struct.pack(order + "H", len(entries))
    tail += b"".join(entry for _, entry in sorted(entries.items()))
    return bytes(tail + b"\0\0\0\0")


def orientation(block: bytes | None, xmp: bytes | None = None) -> int:
    """Returns the orientation of the pixels of a file, 1 to 8; 1 is upright.

    Args:
        block: The EXIF data without `PREFIX`, or None.
        xmp: The XMP packet. It is used if the EXIF data have no orientation.
    """
    found = None
    if block is not None:
        try:
            order, tags = read(block)
            found = number(tags.get(ORIENTATION), order)
        except (ValueError, struct.error):
            pass
    if found is None and xmp and (match := _XMP_ORIENTATION.search(xmp)):
        found = int(match[2])
    return found if found is not None and 1 <= found <= 8 else 1


def upright(block: bytes) -> bytes | None:
    """Returns the block without its orientation, or None if it has no other tags.

    Raises:
        ValueError: If the block cannot be edited. struct.error is possible as well.
    """
    tags = read(block)[1]
    edited = edit(block, {ORIENTATION}, {})
    if not set(tags) - {ORIENTATION}:
        return None
    return edited if ORIENTATION in tags else block


def upright_xmp(xmp: bytes) -> bytes:
    """Returns the XMP packet with the orientation of an upright image."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def number(entry: Entry | None, order: Order) -> int | None:
    """Returns the first whole number in an entry, or None for other types."""
    formats = {1: "B", SHORT: "H", LONG: "I"}
    if entry is None or entry.kind not in formats or entry.length < 1:
        return None
    return int(struct.unpack_from(order + formats[entry.kind], entry.data)[0])


def ratio(entry: Entry | None, order: Order) -> float | None:
    """Returns the first fraction in an entry, or None for other types."""
    if entry is None or entry.kind != RATIONAL or entry.length < 1:
        return None
    above, below = struct.unpack_from(order + "II", entry.data)
    return above / below if below else None


def fraction(value: float, order: Order) -> Entry:
    """Returns an entry that holds a number to four decimal places."""
    return Entry(RATIONAL, 1, struct.pack(order + "II", round(value * 10000), 10000))


def text(entry: Entry | None) -> str | None:
    """Returns the text in an entry, or None for other types and empty texts."""
    if entry is None or entry.kind != ASCII:
        return None
    return entry.data.rstrip(b"\0 ").decode("utf-8", "replace") or None


def to_entry(value: str) -> Entry:
    """Returns an entry that holds a text. Characters beyond ASCII are in UTF-8."""
    data = value.encode("utf-8", "replace") + b"\0"
    return Entry(ASCII, len(data), data)


def byte_order(block: bytes | None) -> Order:
    """Returns the byte order of a block, or "<" if there is no block."""
    return "<" if block is None else _order(block)


def with_tags(block: bytes | None, put: Mapping[int, Entry]) -> bytes:
    """Returns the block with tags added or replaced, or a new block without one."""
    if block is None:
        return write("<", dict(put))
    return edit(block, (), put)


def _order(block: bytes) -> Order:
    orders: dict[bytes, Order] = {b"II": "<", b"MM": ">"}
    order = orders.get(block[:2])
    if order is None or block[2:4] not in (b"*\0", b"\0*", b"+\0", b"\0+"):
        raise ValueError("EXIF data begin with neither II nor MM")
    return order


def _read_directory(
    block: bytes, start: int, order: Order, is_big: bool, depth: int
) -> Directory:
    counts, entry, inline = ("Q", "HHQ", 8) if is_big else ("H", "HHI", 4)
    counts, entry, place = order + counts, order + entry, order + "IQ"[is_big]
    (count,) = struct.unpack_from(counts, block, start)
    at, found = start + struct.calcsize(counts), {}
    for _ in range(min(count, 4096)):
        if at + struct.calcsize(entry) + inline > len(block):
            break
        tag, kind, number_of = struct.unpack_from(entry, block, at)
        at += struct.calcsize(entry)
        size = _SIZES.get(kind, 0) * number_of
        value = at
        if size > inline:
            (value,) = struct.unpack_from(place, block, at)
        at += inline
        if not size or value + size > len(block):
            continue
        data, below = block[value : value + size], None
        if tag in _DIRECTORIES and kind in (LONG, 13, 16, 18) and depth < _DEEPEST:
            wide = "Q" if kind in (16, 18) else "I"
            (inner,) = struct.unpack_from(order + wide, data)
            if not 0 < inner < len(block) - 2:
                continue
            below = _read_directory(block, inner, order, is_big, depth + 1)
        found[tag] = Entry(kind, number_of, data, below)
    return found
