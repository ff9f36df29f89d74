"""Holes in images: how they are found and filled smoothly.

A hole is a pixel whose value is unknown. In the arrays of a data set it is white, that
is, exactly `HOLE` in all channels, as in the published inpainting sets; `find` finds
such pixels. In image files that users paint, holes are not exactly white:
`irsde_jax.data.image_files.painted_holes` finds these and passes them on as a mask.
"""

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array

HOLE = 1.0
"""The value of a hole, in image units."""

# Number of Jacobi sweeps on each level. More sweeps gain only hundredths of a decibel.
_SWEEPS = 16
_NOTHING_KNOWN = 0.5  # the value of a filled image in which no pixel is known


def find(image: Array) -> Array:
    """Returns where an image [..., H, W, C] has holes, bool [..., H, W].

    A pixel that is white in the photograph itself counts as a hole too, because the
    degraded image alone does not distinguish the two.
    """
    return (image == HOLE).all(axis=-1)


def outside(hole: Array, images: Array) -> Array:
    """Returns where images have no holes, bool, with the shape of `images`.

    The result has all channels, because solvers also work on canvases, where the
    channels of a pixel have no axis of their own.

    Args:
        hole: The pixels of the holes, bool [batch, H, W].
        images: The images, shape [batch, H, W, C].
    """
    return jnp.broadcast_to(~hole[..., None], images.shape)


def fill_smoothly(image: Array, hole: Array | None = None) -> Array:
    """Returns the image with its holes filled smoothly from the pixels around them.

    The filling approximates a harmonic function, in which each pixel is the mean of its
    four neighbours, with zero gradient across the borders of the image. It is computed
    from coarse to fine: coarse levels carry colours over long distances, and each finer
    level needs only a few Jacobi sweeps.

    Args:
        image: The image with its holes, shape [H, W, C].
        hole: The pixels to fill, bool [H, W]. By default, they are those of `find`.

    Returns:
        The filled image, with the shape of `image`. Known pixels are unchanged.

    References:
        Bornemann & Deuflhard (1996), "The cascadic multigrid method for elliptic
        problems", Numerische Mathematik 75, describe this order of the levels.
    """
    hole = find(image) if hole is None else hole
    weight = 1.0 - hole[..., None].astype(image.dtype)
    levels = [(image * weight, weight)]
    while max(levels[-1][0].shape[:2]) > 1:
        levels.append(_coarsen(*levels[-1]))
    value, weight = levels.pop()
    filled = jnp.where(weight > 0, value, _NOTHING_KNOWN)
    for value, weight in reversed(levels):
        height, width, channels = value.shape
        doubled = (2 * filled.shape[0], 2 * filled.shape[1], channels)
        guess = jax.image.resize(filled, doubled, "linear")[:height, :width]
        filled = _settle(value, weight > 0, guess)
    return filled


def _coarsen(value: Array, weight: Array) -> tuple[Array, Array]:
    """Returns the next coarser level: 2 x 2 means of the known pixels, and weights.

    The weight is 1 where any of the four pixels is known. Otherwise the mean and the
    weight are 0.
    """
    sides = [(0, size % 2) for size in value.shape[:2]]
    value, weight = (jnp.pad(array, [*sides, (0, 0)]) for array in (value, weight))
    height, width, _ = value.shape
    blocks = (height // 2, 2, width // 2, 2, -1)
    total = weight.reshape(blocks).sum(axis=(1, 3))
    mean = value.reshape(blocks).sum(axis=(1, 3)) / jnp.maximum(total, 1.0)
    return mean, jnp.minimum(total, 1.0)


def _settle(value: Array, is_known: Array, guess: Array) -> Array:
    """Returns `guess` after some Jacobi sweeps that keep the known values fixed."""

    def sweep(_: Array, filled: Array) -> Array:
        beside = jnp.pad(filled, ((1, 1), (1, 1), (0, 0)), mode="edge")
        rows = beside[:-2, 1:-1] + beside[2:, 1:-1]
        columns = beside[1:-1, :-2] + beside[1:-1, 2:]
        return jnp.where(is_known, value, 0.25 * (rows + columns))

    start = jnp.where(is_known, value, guess)
    settled: Array = jax.lax.fori_loop(0, _SWEEPS, sweep, start)
    return settled
