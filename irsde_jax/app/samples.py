"""Photographs of scikit-image to try the page with, degraded as the weights expect."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import jax
import ml_collections
import numpy as np
from PIL import Image

from irsde_jax import configuration
from irsde_jax.array_types import Array, PRNGKey
from irsde_jax.data import degradations
from irsde_jax.data.image_files import images
from irsde_jax.restoration.restorer import Restorer

logger = logging.getLogger(__name__)

Config: TypeAlias = ml_collections.ConfigDict

_PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png")
_SIDE = 256  # side of the clean photographs in pixels


def write_samples(restorer: Restorer, folder: Path) -> list[Path]:
    """Writes the degraded photographs as PNG files.

    Args:
        restorer: The restorer with the weights. The degradation is the one that they
            were trained to remove.
        folder: The folder for the files, which must exist.

    Returns:
        The paths of the files. The list is empty if scikit-image is not installed, or
        if the degradation is known only from training pairs.
    """
    try:
        import skimage
    except ImportError:
        return []
    scale = restorer.scale
    # The input of super-resolution is a small photograph without further degradation.
    degrade = _degradation(restorer.config) if scale == 1 else _unchanged
    if restorer.image_format.channels != 3 or degrade is None:
        return []
    source = Path(skimage.__file__).parent / "data"
    written = []
    for index, name in enumerate(_PHOTOGRAPHS):
        with Image.open(source / name) as photograph:
            clean = _central_square(photograph.convert("RGB"), _SIDE // scale)
        pixels = np.asarray(clean, np.float32) / 255
        pixels = np.asarray(degrade(jax.random.key(index), pixels))
        target = folder / name
        images.write_image(target, images.ImageFile(pixels.clip(0, 1), None, 8))
        written.append(target)
    return written


def _degradation(config: Config) -> Callable[..., Array | np.ndarray] | None:
    """Returns the synthetic degradation of the weights' task, or None without one."""
    chosen = config.degradation
    if chosen.name == degradations.PAIRED:
        task = config.task.replace("-", "_")
        if task not in configuration.config_names():
            return None
        if "synthetic" not in configuration.config_variants(task):
            return None
        chosen = configuration.load(f"{task}:synthetic").degradation
    try:
        return degradations.make_degradation(**chosen)
    except ValueError as error:  # the degradation may be code that is not trusted here
        logger.warning("The page shows no photographs to try: %s", error)
        return None


def _unchanged(key: PRNGKey, pixels: np.ndarray) -> np.ndarray:
    """Returns the photograph unchanged, with the signature of a degradation."""
    del key
    return pixels


def _central_square(photograph: Image.Image, side: int) -> Image.Image:
    """Returns the central square of a photograph, resized to `side` x `side` pixels."""
    shorter = min(photograph.size)
    left, top = (photograph.width - shorter) // 2, (photograph.height - shorter) // 2
    return photograph.resize(
        (side, side),
        Image.Resampling.BICUBIC,
        box=(left, top, left + shorter, top + shorter),
    )
