"""The chunks of a PNG file: their structure, reading and writing.

References:
    Portable Network Graphics (PNG) Specification, third edition, W3C,
    https://www.w3.org/TR/png-3/, sections 5 and 11.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = b"XML:com.adobe.xmp"
_LONGEST_TEXT = 1 << 26  # The limit for decompressed data in bytes.

# These values mean sRGB, which every format assumes by default.
_SRGB_GAMMA = struct.pack(">I", 45455)
_SRGB_PRIMARIES = struct.pack(
    ">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000
)


class Chunk(NamedTuple):
    """A part of a PNG file.

    Attributes:
        kind: The four letters of the type.
        body: The content of the chunk.
    """

    kind: bytes
    body: bytes

    @property
    def keyword(self) -> str | None:
        """The keyword of a text chunk, or None for other chunks."""
        if self.kind not in (b"tEXt", b"zTXt", b"iTXt"):
            return None
        return self.body.partition(b"\0")[0].decode("latin-1")

    @property
    def is_srgb(self) -> bool:
        """Whether the chunk states that the colours are sRGB."""
        return self.kind == b"sRGB" or self in (
            (b"gAMA", _SRGB_GAMMA),
            (b"cHRM", _SRGB_PRIMARIES),
        )

    def __str__(self) -> str:
        if self.keyword is not None:
            return f"text {self.keyword!r}"
        return self.kind.decode("latin-1")


def read(data: bytes) -> Iterator[Chunk]:
    """Yields the chunks of a file, up to its end or to the first truncated chunk.

    Raises:
        ValueError: If the checksum of a chunk is wrong.
    """
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            return
        body = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(kind + body) != checksum:
            raise ValueError(f"its chunk {kind!r} is damaged (CRC error)")
        yield Chunk(kind, body)
        at += 12 + length
        if kind == b"IEND":
            return


def heads(file: BinaryIO, wanted: Iterable[bytes]) -> Iterator[Chunk]:
    """Yields the chunks of the wanted kinds in an open file without reading others."""
    wanted = set(wanted)
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in wanted:
            yield Chunk(kind, file.read(length))
            file.seek(4, 1)
        elif kind == b"IEND":
            return
        else:
            file.seek(length + 4, 1)


def write(chunks: Iterable[Chunk]) -> bytes:
    """Returns a PNG file of these chunks."""
    return SIGNATURE + b"".join(
        struct.pack(">I", len(chunk.body))
        + chunk.kind
        + chunk.body
        + struct.pack(">I", zlib.crc32(chunk.kind + chunk.body))
        for chunk in chunks
    )


def text_chunk(keyword: str, text: str) -> Chunk:
    """Returns a text chunk: tEXt if Latin-1 suffices, otherwise iTXt in UTF-8."""
    head = keyword.encode("latin-1")
    try:
        return Chunk(b"tEXt", head + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        body = text.encode("utf-8", "replace")
        return Chunk(b"iTXt", head + b"\0\0\0\0\0" + body)


def xmp_chunk(packet: bytes) -> Chunk:
    """Returns the chunk that holds an XMP packet."""
    return Chunk(b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + packet)


def text_of(chunk: Chunk) -> bytes | None:
    """Returns the encoded text of a chunk, or None if it is damaged or too long."""
    _, _, rest = chunk.body.partition(b"\0")
    if chunk.kind == b"tEXt":
        return rest
    if chunk.kind == b"zTXt":
        return inflate(rest[1:])
    is_packed, rest = rest[:1] == b"\1", rest[2:]
    _, _, rest = rest.partition(b"\0")  # Skips the language.
    _, _, rest = rest.partition(b"\0")  # Skips the translated keyword.
    return inflate(rest) if is_packed else rest


def inflate(packed: bytes) -> bytes | None:
    """Decompresses a chunk body; returns None if it is damaged or too long."""
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(packed, _LONGEST_TEXT)
    except zlib.error:
        return None
    return found if unpacker.eof else None
