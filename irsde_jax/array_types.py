"""Type aliases used in all signatures: arrays, random keys and noise functions."""

from collections.abc import Callable
from typing import TypeAlias

import jax

Array: TypeAlias = jax.Array
"""A JAX array. Functions also accept a Python number where the shape is []."""

PRNGKey: TypeAlias = jax.Array
"""A typed JAX random key, shape []; arguments named `keys` have the shape [batch]."""

NoiseFn: TypeAlias = Callable[[Array, Array, Array], Array]
"""A function `noise_fn(x, mu, t)` that returns the predicted noise.

`x`, `mu` and the result have the shape [batch, H, W, C]; `t` has the shape [batch].
"""

Batch: TypeAlias = dict[str, Array]
"""A training batch: `{"x0": clean}` or `{"x0": clean, "mu": degraded}`.

The images have the shape [batch, H, W, C] and values in [0, 1].
"""
