"""PNG files: pixels through libpng, and all that stands beside them.

The reader of the chunks (`irsde_jax.data.image_files.png_chunks`) takes the file apart;
libpng, in `imagecodecs`, decodes the pixels of every bit depth and colour type. Chunks
behind the pixels count as those before them do, and no text is too long.
"""

import struct
import zlib
from typing import BinaryIO

import imagecodecs
import numpy as np

from irsde_jax.data.image_files import exif as exif_data
from irsde_jax.data.image_files import png_chunks
from irsde_jax.data.image_files.arrays import ImageFile, UnsupportedImage, split
from irsde_jax.data.image_files.metadata import Metadata
from irsde_jax.data.image_files.png_chunks import Chunk

_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
_GREY = (0, 4)  # colour types
# They describe the samples of the file that was read, not those that are written.
_OF_THE_SAMPLES = (b"sBIT", b"bKGD", b"hIST", b"sPLT", b"tIME", b"acTL", b"fcTL")
_OF_THE_COLOURS = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")
_RAW_EXIF = ("Raw profile type exif", "Raw profile type APP1")
_METRE = 0.0254  # of an inch
_LEVEL = 6  # of compression


def size(file: BinaryIO) -> tuple[int, int, int]:
    """Height, width and orientation (1 to 8) of an open file, without its pixels."""
    wanted = (b"IHDR", b"eXIf", b"tEXt", b"zTXt", b"iTXt")
    header, *others = png_chunks.heads(file, wanted)
    width, height = struct.unpack_from(">II", header.body)
    metadata, _ = read_metadata(others)
    return height, width, exif_data.orientation(metadata.exif, metadata.xmp)


def decode(data: bytes) -> tuple[ImageFile, list[str]]:
    """The image in a file, not turned yet, and remarks on what is lost.

    Raises:
        ValueError: if the file is damaged.
        UnsupportedImage: if it is an animation.
    """
    chunks = list(png_chunks.read(data))
    if not chunks or chunks[0].kind != b"IHDR" or len(chunks[0].body) != 13:
        raise ValueError("its first chunk is not IHDR")
    for chunk in chunks:
        if chunk.kind == b"acTL" and struct.unpack_from(">I", chunk.body)[0] > 1:
            (frames,) = struct.unpack_from(">I", chunk.body)
            raise UnsupportedImage(
                f"it holds {frames} frames; save each as a file of its own"
            )
    # Without the other chunks, of which libpng would complain on standard error.
    picture = [chunk for chunk in chunks if chunk.kind in _PIXELS]
    plain = png_chunks.write([*picture, Chunk(b"IEND", b"")])
    samples = imagecodecs.png_decode(plain)
    colour_type = chunks[0].body[9]
    image = split(samples.reshape(*samples.shape[:2], -1), colour_type in _GREY)
    metadata, lost = read_metadata(chunks)
    return image._replace(metadata=metadata), lost


def encode(samples: np.ndarray, metadata: Metadata) -> bytes:
    """A file of 8- or 16-bit integers [H, W, 1 to 4]: grey or RGB, alpha last."""
    flat = samples[..., 0] if samples.shape[-1] == 1 else samples
    plain = bytes(imagecodecs.png_encode(np.ascontiguousarray(flat), level=_LEVEL))
    header, *pixels = png_chunks.read(plain)
    return png_chunks.write([header, *_metadata_chunks(metadata), *pixels])


def read_metadata(chunks: list[Chunk]) -> tuple[Metadata, list[str]]:
    """What chunks say of the image, orientation included; and what is lost of it."""
    found, kept, lost = Metadata(), [], []
    for chunk in chunks:
        kind, keyword = chunk.kind, chunk.keyword
        if kind == b"eXIf":
            block = chunk.body.removeprefix(exif_data.PREFIX)
            found = found._replace(exif=block)
        elif kind == b"iCCP":
            profile = png_chunks.inflate(chunk.body.partition(b"\0")[2][1:])
            found = found._replace(icc_profile=profile)
            lost += (
                ["its colour profile is damaged and not preserved"]
                if profile is None
                else []
            )
        elif kind == b"pHYs" and chunk.body[-1:] == b"\1":
            across, down = struct.unpack_from(">II", chunk.body)
            found = found._replace(dpi=(across * _METRE, down * _METRE))
        elif keyword in _RAW_EXIF and found.exif is None:
            found = found._replace(exif=_raw_profile(chunk))
        elif keyword == png_chunks.XMP_KEYWORD.decode():
            found = found._replace(xmp=png_chunks.text_of(chunk))
        elif keyword == "Comment" and kind == b"tEXt" and found.comment is None:
            found = found._replace(comment=chunk.body[8:].decode("latin-1"))
        elif keyword is not None or kind in _OF_THE_COLOURS or kind == b"pHYs":
            kept.append(chunk)
        elif kind[:1].islower() and kind not in (*_OF_THE_SAMPLES, b"tRNS"):
            # The specification marks the kinds that may be copied to another image.
            if kind[3:].islower():
                kept.append(chunk)
            else:
                lost.append(f"its chunk {chunk} is not preserved")
    return found._replace(chunks=tuple(kept)), lost


def _metadata_chunks(metadata: Metadata) -> list[Chunk]:
    """In an order that the specification allows: all of them before the pixels."""
    chunks = []
    if metadata.icc_profile is not None:
        packed = zlib.compress(metadata.icc_profile)
        chunks.append(Chunk(b"iCCP", b"ICC profile\0\0" + packed))
    if metadata.dpi is not None:
        per_metre = [round(value / _METRE) for value in metadata.dpi]
        chunks.append(Chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if metadata.exif is not None:
        chunks.append(Chunk(b"eXIf", metadata.exif))
    if metadata.xmp is not None:
        chunks.append(png_chunks.xmp_chunk(metadata.xmp))
    if metadata.comment is not None:
        chunks.append(png_chunks.text_chunk("Comment", metadata.comment))
    return [*(c for c in metadata.chunks if c.kind in _OF_THE_COLOURS), *chunks] + [
        chunk for chunk in metadata.chunks if chunk.kind not in _OF_THE_COLOURS
    ]


def _raw_profile(chunk: Chunk) -> bytes | None:
    """EXIF data as a text in hexadecimal digits, which ImageMagick wrote once."""
    lines = (png_chunks.text_of(chunk) or b"").split(b"\n")
    try:
        block = bytes.fromhex(b"".join(lines[3:]).decode("ascii"))
    except ValueError:
        return None
    return block.removeprefix(exif_data.PREFIX) or None
