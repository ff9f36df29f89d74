"""Colour under transparent pixels, which is not part of the picture.

Most programs leave black there. A filter or a network that looks at it carries the
black into the opaque pixels around: a dark fringe. So it is replaced by the colours of
the pixels nearby before an image is enlarged or restored.
"""

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array
from irsde_jax.processes import holes


def fill_transparent(pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """An image whose transparent pixels continue the colours around them smoothly.

    Args:
        pixels: The colours in [0, 1], float32 [H, W, C].
        alpha: The opacity in [0, 1], shape [H, W, 1]; None for an opaque image.

    Returns:
        The image; pixels that are not fully transparent are as they were.
    """
    if alpha is None or (alpha > 0).all():
        return pixels
    return np.asarray(_fill(pixels, alpha > 0))


@jax.jit
def _fill(pixels: Array, is_picture: Array) -> Array:
    # Halved, so that no white pixel of the picture is mistaken for a hole.
    given = jnp.where(is_picture, 0.5 * pixels, holes.HOLE)
    return jnp.where(is_picture, pixels, 2.0 * holes.fill_smoothly(given))


def blacken_transparent(pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """An image that is black, and so holds no noise, where it is transparent.

    Args:
        pixels: The colours, shape [H, W, C].
        alpha: See `fill_transparent`.
    """
    return pixels if alpha is None else pixels * (alpha > 0)
