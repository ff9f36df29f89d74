"""Holes of images: where they are, and a smooth surface over them.

A hole is a pixel of which nothing is known. Arrays of a data set mark it: it is white,
exactly `HOLE` in all channels, as in the published inpainting sets (`find`). Files that
people paint do not keep to that: `irsde_jax.data.image_files.painted_holes` finds their
holes, and hands them down as a mask of their own.
"""

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array

HOLE = 1.0
"""The value of a hole, in image units."""

# Of Jacobi on each level: more of them gain hundredths of a decibel.
_SWEEPS = 16
_NOTHING_KNOWN = 0.5  # the value of an image that is one hole


def find(image: Array) -> Array:
    """Where an image [..., H, W, C] is to be filled, bool [..., H, W].

    A white pixel of the photograph is taken for a hole too: that is what a user who has
    the degraded image alone would get.
    """
    return (image == HOLE).all(axis=-1)


def outside(hole: Array, images: Array) -> Array:
    """Where images are no hole, bool, shape of `images`.

    It has all channels, because solvers work on canvases that have no pixels.

    Args:
        hole: The pixels of the holes, bool [batch, H, W].
        images: The images, shape [batch, H, W, C].
    """
    return jnp.broadcast_to(~hole[..., None], images.shape)


def fill_smoothly(image: Array, hole: Array | None = None) -> Array:
    """The image with its holes filled by what is known around them, without edges.

    It is nearly the harmonic function that joins the borders of a hole, each pixel the
    mean of its four neighbours; nothing flows over the borders of the image. Coarse
    levels carry colours far, from one to the next, and a few sweeps settle each.

    Args:
        image: The image with its holes, shape [H, W, C].
        hole: The pixels to fill, bool [H, W]. None stands for those that `find` finds.

    Returns:
        The image, shape of `image`; where it was known it is as it was.

    References:
        Bornemann & Deuflhard (1996), "The cascadic multigrid method for elliptic
        problems", Numerische Mathematik 75, for the order of the levels.
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
    """Means of what is known in squares of four, and 1 where anything is; else 0, 0."""
    sides = [(0, size % 2) for size in value.shape[:2]]
    value, weight = (jnp.pad(array, [*sides, (0, 0)]) for array in (value, weight))
    height, width, _ = value.shape
    blocks = (height // 2, 2, width // 2, 2, -1)
    total = weight.reshape(blocks).sum(axis=(1, 3))
    mean = value.reshape(blocks).sum(axis=(1, 3)) / jnp.maximum(total, 1.0)
    return mean, jnp.minimum(total, 1.0)


def _settle(value: Array, is_known: Array, guess: Array) -> Array:
    """Sweeps of Jacobi from `guess` on, with the values that are known held fast."""

    def sweep(_: Array, filled: Array) -> Array:
        beside = jnp.pad(filled, ((1, 1), (1, 1), (0, 0)), mode="edge")
        rows = beside[:-2, 1:-1] + beside[2:, 1:-1]
        columns = beside[1:-1, :-2] + beside[1:-1, 2:]
        return jnp.where(is_known, value, 0.25 * (rows + columns))

    start = jnp.where(is_known, value, guess)
    settled: Array = jax.lax.fori_loop(0, _SWEEPS, sweep, start)
    return settled
