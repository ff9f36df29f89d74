"""PNG files: pixels, decoded and encoded by libpng, and metadata.

`irsde_jax.data.image_files.png_chunks` splits the file into chunks. libpng, which is
part of `imagecodecs`, decodes the pixels of every bit depth and colour type. Chunks
after the pixels are treated like those before them.
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
# These chunks describe the samples of the file that was read, not of the one written.
_OF_THE_SAMPLES = (b"sBIT", b"bKGD", b"hIST", b"sPLT", b"tIME", b"acTL", b"fcTL")
_OF_THE_COLOURS = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")
_RAW_EXIF = ("Raw profile type exif", "Raw profile type APP1")
_METRE = 0.0254  # metres per inch
_LEVEL = 6  # The compression level.


def size(file: BinaryIO) -> tuple[int, int, int]:
    """Returns height, width and orientation (1 to 8) of an open file from its chunks.

    The pixels are not read.
    """
    wanted = (b"IHDR", b"eXIf", b"tEXt", b"zTXt", b"iTXt")
    header, *others = png_chunks.heads(file, wanted)
    width, height = struct.unpack_from(">II", header.body)
    metadata, _ = read_metadata(others)
    return height, width, exif_data.orientation(metadata.exif, metadata.xmp)


def decode(data: bytes) -> tuple[ImageFile, list[str]]:
    """Decodes an image that is not turned upright yet, and lists what is lost.

    Raises:
        ValueError: If the file is damaged.
        UnsupportedImage: If the file is an animation.
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
    # The other chunks are left out, because libpng prints complaints about them.
    picture = [chunk for chunk in chunks if chunk.kind in _PIXELS]
    plain = png_chunks.write([*picture, Chunk(b"IEND", b"")])
    samples = imagecodecs.png_decode(plain)
    colour_type = chunks[0].body[9]
    image = split(samples.reshape(*samples.shape[:2], -1), colour_type in _GREY)
    metadata, lost = read_metadata(chunks)
    return image._replace(metadata=metadata), lost


def encode(samples: np.ndarray, metadata: Metadata) -> bytes:
    """Encodes 8- or 16-bit integers [H, W, 1 to 4]: grey or RGB, alpha last."""
    flat = samples[..., 0] if samples.shape[-1] == 1 else samples
    plain = bytes(imagecodecs.png_encode(np.ascontiguousarray(flat), level=_LEVEL))
    header, *pixels = png_chunks.read(plain)
    return png_chunks.write([header, *_metadata_chunks(metadata), *pixels])


def read_metadata(chunks: list[Chunk]) -> tuple[Metadata, list[str]]:
    """Reads the metadata in chunks, with the orientation, and lists what is lost."""
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
            # By the specification, the case of the fourth letter says whether a chunk
            # of an unknown kind may be copied to another image.
            if kind[3:].islower():
                kept.append(chunk)
            else:
                lost.append(f"its chunk {chunk} is not preserved")
    return found._replace(chunks=tuple(kept)), lost


def _metadata_chunks(metadata: Metadata) -> list[Chunk]:
    """Returns chunks in an order that the specification allows, before the pixels."""
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
    """Reads EXIF data in hexadecimal digits, as ImageMagick wrote them in the past."""
    lines = (png_chunks.text_of(chunk) or b"").split(b"\n")
    try:
        block = bytes.fromhex(b"".join(lines[3:]).decode("ascii"))
    except ValueError:
        return None
    return block.removeprefix(exif_data.PREFIX) or None
