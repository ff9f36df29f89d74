"""Writing TIFF files: 8 or 16 bits of grey, RGB or any number of bands."""

import io
from typing import Any

import numpy as np
import tifffile

from irsde_jax.data import exif as exif_data
from irsde_jax.data import tiff_tags
from irsde_jax.data.metadata import Metadata

_MOST_BYTES = 2**32 - 2**25  # of a file whose offsets have 32 bits, tags included


def encode(samples: np.ndarray, has_alpha: bool, metadata: Metadata) -> bytes:
    """A file of 8- or 16-bit integers [H, W, C], compressed without loss.

    Args:
        samples: The integers. More than three colours are bands of no known meaning.
        has_alpha: Whether the last channel is transparency.
        metadata: What else the file holds.

    Raises:
        ValueError: if the file could become too long for its format.
    """
    if samples.nbytes > _MOST_BYTES:
        raise ValueError("TIFF holds at most 4 GB; write .png")
    colours = samples.shape[-1] - has_alpha
    extra = ["unassalpha"] if has_alpha else []
    if colours not in (1, 3):
        extra = ["unspecified"] * (colours - 1) + extra
    flat = samples[..., 0] if samples.shape[-1] == 1 else samples
    tags = tiff_tags.to_tags(metadata)
    options: dict[str, Any] = {"extrasamples": extra} if extra else {}
    if flat.ndim == 3:
        options["planarconfig"] = "contig"
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        np.ascontiguousarray(flat).astype(samples.dtype.newbyteorder(tags.order)),
        byteorder=tags.order,
        photometric="rgb" if colours == 3 else "minisblack",
        compression="deflate",
        predictor=True,
        metadata=None,
        software=False,
        extratags=tags.extra,
        **options,
    )
    for tag, entry in tags.directories.items():
        assert entry.directory is not None  # `to_tags` chose them for it
        start = buffer.seek(0, io.SEEK_END)
        start += buffer.write(b"\0" * (start % 2))
        buffer.write(exif_data.write_directory(tags.order, entry.directory, start))
        buffer.seek(0)
        with tifffile.TiffFile(buffer, mode="r+") as tiff:
            tiff.pages.first.tags[tag].overwrite(start)
    return buffer.getvalue()
