"""Files for the tests of the reader, made by hand or by other libraries."""

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

from irsde_jax.data.image_files.images import ImageFile
from irsde_jax.data.image_files.png_chunks import Chunk
from irsde_jax.data.image_files.png_chunks import write as png_bytes


def samples(channels=3, bits=8, shape=(21, 34), seed=0):
    """Random integers [H, W, C] of that many bits, or [H, W] for one channel."""
    rng = np.random.default_rng(seed + channels + 31 * bits)
    dtype = np.uint8 if bits <= 8 else np.uint16
    found = rng.integers(0, 2**bits, (*shape, channels)).astype(dtype)
    return found[..., 0] if channels == 1 else found


def tiff(array, **options):
    """A TIFF file as `tifffile` writes it."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, metadata=None, **options)
    return buffer.getvalue()


def by_pillow(picture, kind, **options):
    """A file of a format as Pillow writes it."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(array, depth, colour_type, *chunks, late=(), is_interlaced=False):
    """A PNG file of samples [H, W] or [H, W, C], with other chunks around its pixels.

    Args:
        array: The samples.
        depth: The bits of each sample: 1, 2, 4, 8 or 16.
        colour_type: The number of the colour type, as in IHDR.
        *chunks: Chunks before the pixels, each a pair of kind and body.
        late: Chunks behind the pixels.
        is_interlaced: Whether the pixels are stored in the seven passes of Adam7.
    """
    height, width = array.shape[:2]
    header = struct.pack(
        ">IIBBBBB", width, height, depth, colour_type, 0, 0, is_interlaced
    )
    passes = [(0, 0, 1, 1)]
    if is_interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
        passes += [(0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b""
    for top, left, down, across in passes:
        for row in array[top::down, left::across]:
            if row.size:
                rows += b"\0" + _packed(row.ravel(), depth)
    parts = [Chunk(b"IHDR", header), *(Chunk(*chunk) for chunk in chunks)]
    parts += [Chunk(b"IDAT", zlib.compress(rows)), *(Chunk(*chunk) for chunk in late)]
    return png_bytes([*parts, Chunk(b"IEND", b"")])


def _packed(row, depth):
    """The samples of a row as bytes, the first one in the highest bits."""
    if depth == 16:
        return row.astype(">u2").tobytes()
    bits = (row[:, None] >> np.arange(depth)[::-1]) & 1
    return np.packbits(bits.astype(np.uint8).ravel()).tobytes()


def photograph(size=(48, 40)):
    """A smooth picture, which lossy formats change little."""
    ramp = np.linspace(0, 255, size[0] * size[1]).reshape(size[1], size[0])
    pixels = np.stack([ramp, ramp[::-1], ramp[:, ::-1] * 0.7], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def image(channels=3, bits=8, metadata=None, shape=(7, 5)):
    """An image of random samples with metadata."""
    levels = samples(channels, bits, shape).reshape(*shape, channels)
    pixels = levels.astype(np.float32) / np.float32(2**bits - 1)
    found = ImageFile(pixels, None, bits)
    return found if metadata is None else found._replace(metadata=metadata)
