"""The vocabulary of all signatures: arrays, keys and the network seen as a function."""

from collections.abc import Callable
from typing import TypeAlias

import jax

Array: TypeAlias = jax.Array
"""An array; in mathematics a Python number will do where the shape is []."""

PRNGKey: TypeAlias = jax.Array
"""A typed JAX random key, shape [] or, for `keys`, [batch]."""

NoiseFn: TypeAlias = Callable[[Array, Array, Array], Array]
"""`noise_fn(x, mu, t)`: predicted noise; all images [batch, H, W, C], t [batch]."""

Batch: TypeAlias = dict[str, Array]
"""`{"x0": clean}` or `{"x0": clean, "mu": degraded}`: [batch, H, W, C], in [0, 1]."""
