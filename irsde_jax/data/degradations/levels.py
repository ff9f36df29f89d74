"""Levels of a degradation: a number, or a range from which each image draws its own."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array, PRNGKey

Level = float | Array | Sequence[float]
"""A number, or a pair (low, high) from which each image draws uniformly."""


def draw_level(key: PRNGKey, level: Level) -> Array:
    """Returns the number itself, or a number drawn from the range; shape []."""
    if isinstance(level, Sequence):
        low, high = level
        return jax.random.uniform(key, (), minval=low, maxval=high)
    return jnp.asarray(level, jnp.float32)


def highest(level: Level) -> float:
    """Returns the largest number that can be drawn, which determines array sizes."""
    return float(max(level) if isinstance(level, Sequence) else level)
