"""Checks of the holes that users mark in arrays against the process of a network."""

import logging

import numpy as np

from irsde_jax.data.image_files import hole_masks
from irsde_jax.processes import Process
from irsde_jax.restoration.recipe import Recipe

logger = logging.getLogger(__name__)


def as_holes(
    recipe: Recipe, mask: np.ndarray | None, batch: np.ndarray
) -> np.ndarray | None:
    """Returns the holes that a mask marks, bool [batch, H, W], or None without a mask.

    Args:
        recipe: The recipe of the restoration.
        mask: The mask as described in `Restorer.__call__`, or None.
        batch: The images, float32 [batch, H, W, C] in [0, 1].

    Raises:
        ValueError: If the process does not fill holes, or if the mask does not fit the
            images.
    """
    if mask is None:
        _warn_of_nothing_to_do(recipe.process, batch)
        return None
    if recipe.process.known is None:
        raise ValueError(
            "a mask was given, and these weights are of process "
            f"{recipe.process.name!r}, which fills no holes. Leave the mask "
            "out, or use weights of process 'inpainting', such as 'inpainting-small'."
        )
    return hole_masks.from_array(mask, batch.shape[:3])


def _warn_of_nothing_to_do(process: Process, batch: np.ndarray) -> None:
    """Logs a warning for each image without holes, which is returned unchanged."""
    if process.known is None:
        return
    for index, image in enumerate(batch):
        if process.known(image[None]).all():
            logger.warning(
                "image %d of %d has no hole, and stays as it is. A hole is white, "
                "exactly 255 (or 1.0) in all channels: PNG keeps that, JPEG does not.",
                index + 1,
                len(batch),
            )
