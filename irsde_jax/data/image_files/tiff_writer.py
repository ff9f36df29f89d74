"""Writing TIFF files: 8 or 16 bits of grey, RGB or any number of bands.

`tifffile` writes the samples. It supports only some of the tags that describe the
image, so a new directory with all tags is added after the samples.
"""

import io
import struct
from typing import Any

import numpy as np
import tifffile

from irsde_jax.data.image_files import exif as exif_data
from irsde_jax.data.image_files import limits, tiff_tags
from irsde_jax.data.image_files.metadata import Metadata


def encode(samples: np.ndarray, has_alpha: bool, metadata: Metadata) -> bytes:
    """Encodes 8- or 16-bit integers [H, W, C] with lossless compression.

    Args:
        samples: The integers. If there are not 1 or 3 colours, they are bands of
            unspecified meaning.
        has_alpha: Whether the last channel is transparency.
        metadata: The metadata of the file.

    Raises:
        ValueError: If a TIFF file cannot hold that many samples.
    """
    height, width, channels = samples.shape
    limits.check_size("TIFF", height, width, channels, 8 * samples.itemsize)
    colours = channels - has_alpha
    extra = ["unassalpha"] if has_alpha else []
    if colours not in (1, 3):
        extra = ["unspecified"] * (colours - 1) + extra
    flat = samples[..., 0] if samples.shape[-1] == 1 else samples
    order, tags = tiff_tags.to_tags(metadata)
    options: dict[str, Any] = {"extrasamples": extra} if extra else {}
    if flat.ndim == 3:
        options["planarconfig"] = "contig"
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        np.ascontiguousarray(flat),
        byteorder=order,
        bigtiff=False,
        photometric="rgb" if colours == 3 else "minisblack",
        compression="deflate",
        predictor=True,
        metadata=None,
        software=False,
        **options,
    )
    plain = buffer.getvalue()
    _, layout = exif_data.read(plain)
    start = len(plain) + len(plain) % 2
    directory = exif_data.write_directory(order, layout | tags, start)
    head = plain[:4] + struct.pack(order + "I", start)
    return head + plain[8:].ljust(start - 8, b"\0") + directory
