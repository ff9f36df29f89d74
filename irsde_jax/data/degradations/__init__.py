"""Synthetic degradations: pure functions `(key, image) -> image`."""

from irsde_jax.data.degradations.catalogue import (
    DEGRADATIONS,
    PAIRED,
    Degradation,
    adds_noise,
    describe,
    gaussian_noise,
    make_degradation,
    shrinking_factor,
)

__all__ = [
    "DEGRADATIONS",
    "PAIRED",
    "Degradation",
    "adds_noise",
    "describe",
    "gaussian_noise",
    "make_degradation",
    "shrinking_factor",
]
