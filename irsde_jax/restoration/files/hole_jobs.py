"""The masks and the holes of the images in a run of `--mode=restore`."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from irsde_jax.data.image_files import compression, hole_masks
from irsde_jax.data.image_files.arrays import UNIT_RANGE, DataRange
from irsde_jax.data.image_files.hole_masks import HoleMask
from irsde_jax.restoration.files import filling
from irsde_jax.restoration.files.job import Job

logger = logging.getLogger(__name__)


def find_masks(
    jobs: Sequence[Job], mask: str | os.PathLike[str] | None, is_keep: bool
) -> dict[str, HoleMask]:
    """Returns the masks of the jobs by name, matched by `hole_masks.match`.

    Args:
        jobs: The jobs of a run.
        mask: The mask file or the folder of masks, or None.
        is_keep: Whether white in the masks marks pixels to preserve.

    Raises:
        ValueError: If `is_keep` is True and there is no mask.
    """
    if mask is None:
        if is_keep:
            raise ValueError(
                "--mask_keep says that white in a mask is kept, and no mask is given: "
                "add --mask, or leave --mask_keep out."
            )
        return {}
    return hole_masks.match(Path(mask), [job.name for job in jobs], is_keep)


def tell(
    jobs: Sequence[Job],
    masks: Mapping[str, HoleMask],
    mask: str | os.PathLike[str] | None,
    *,
    data_range: DataRange = UNIT_RANGE,
    max_megapixels: float | None = None,
) -> dict[str, str]:
    """Logs what will be filled in each image, with warnings.

    Args:
        jobs: The jobs of a run.
        masks: The mask of each image, by name.
        mask: The mask file or the folder of masks. None means that the holes are
            painted into the images.
        data_range: The floats of `.npy` files that stand for 0 and 1.
        max_megapixels: The largest image that is read, in millions of pixels.

    Returns:
        A dictionary from the name of each image that cannot be filled to the reason.
    """
    failures = {}
    num_lossy = 0
    for job in jobs:
        try:
            if mask is not None and job.name not in masks:
                stem = job.name.removesuffix(job.source.suffix)
                raise ValueError(
                    f"it has no mask in --mask={mask}; allowed are {job.name}, and "
                    f"{stem} or {stem}_mask with any ending. Add one: a black mask "
                    "keeps the image as it is."
                )
            found = filling.read(
                job.source,
                masks.get(job.name),
                data_range=data_range,
                max_megapixels=max_megapixels,
            )
        except (ValueError, OSError, MemoryError) as error:
            failures[job.name] = str(error) or "it does not fit into the memory."
            continue
        logger.info("%s: %s", job.name, found)
        for warning in found.warnings:
            logger.warning("%s: %s", job.name, warning)
        num_lossy += mask is None and compression.is_lossy(job.source)
    if num_lossy:
        logger.warning(
            "%d image(s) have lossy compression (JPEG, WebP), which changes pixels "
            "around a hole: a wider rim is filled. Draw holes into PNG files, or give "
            "--mask.",
            num_lossy,
        )
    return failures
