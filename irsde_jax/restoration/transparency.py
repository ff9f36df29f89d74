"""The colours of transparent pixels, which are not part of the visible image.

Most programs store black there. A filter or a network that sees these pixels spreads
the black into the opaque pixels around them, which gives a dark fringe. The functions
here replace these colours before an image is enlarged or restored.
"""

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array
from irsde_jax.processes import holes


def fill_transparent(pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """Returns an image whose transparent pixels smoothly continue the colours around.

    Args:
        pixels: The colours in [0, 1], float32 [H, W, C].
        alpha: The opacity in [0, 1], shape [H, W, 1]. None means an opaque image.

    Returns:
        The image. Pixels that are not fully transparent are unchanged.
    """
    if alpha is None or (alpha > 0).all():
        return pixels
    return np.asarray(_fill(pixels, alpha > 0))


@jax.jit
def _fill(pixels: Array, is_picture: Array) -> Array:
    """Returns the image with the pixels outside `is_picture` filled smoothly."""
    # The colours are halved, so that white pixels are not mistaken for holes.
    given = jnp.where(is_picture, 0.5 * pixels, holes.HOLE)
    return jnp.where(is_picture, pixels, 2.0 * holes.fill_smoothly(given))


def blacken_transparent(pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """Returns an image in which transparent pixels are black, and so hold no noise.

    Args:
        pixels: The colours, shape [H, W, C].
        alpha: The opacity in [0, 1], shape [H, W, 1]. None means an opaque image.
    """
    return pixels if alpha is None else pixels * (alpha > 0)
