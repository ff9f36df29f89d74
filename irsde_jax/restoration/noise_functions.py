"""Networks of any library as arguments of compiled programs.

A compiled program takes the arrays of a network as its arguments, and is compiled for
everything else about it. So two networks that differ only in their parameters share
what was compiled, and no program holds a copy of the parameters.
"""

import dataclasses
from collections.abc import Hashable
from typing import Any

import chex
import jax

from irsde_jax.array_types import Array, NoiseFn
from irsde_jax.models import Network


@dataclasses.dataclass(frozen=True)
class Predict:
    """`network.apply` as a function that equals that of an equal network."""

    network: Network

    def __call__(self, params: chex.ArrayTree, x: Array, mu: Array, t: Array) -> Array:
        """Returns the prediction of the network, shape of `x`."""
        return self.network.apply(params, x, mu, t)


def of_network(network: Network, params: chex.ArrayTree) -> jax.tree_util.Partial:
    """Returns `(x, degraded, t) -> prediction`, with `params` as its arrays."""
    # A method is always hashable. It equals only the method of the same object.
    apply = Predict(network) if _is_hashable(network) else network.apply
    return jax.tree_util.Partial(apply, params)  # type: ignore[no-untyped-call]


def as_argument(noise_fn: NoiseFn) -> jax.tree_util.Partial:
    """Returns a function as an argument of compiled programs.

    The arrays in a pytree, such as a `jax.tree_util.Partial` or an Equinox module, are
    arguments of the programs; its other leaves are constants. A function that is no
    pytree is a constant, with all arrays that it closes over.
    """
    leaves: list[Any]
    leaves, structure = jax.tree.flatten(noise_fn)
    if isinstance(noise_fn, jax.tree_util.Partial) and all(map(_is_array, leaves)):
        return noise_fn
    if jax.tree_util.all_leaves([noise_fn]) and not _is_hashable(noise_fn):
        leaves = [leaves[0].__call__]  # a method, which is hashable
    constants = tuple(None if _is_array(leaf) else leaf for leaf in leaves)
    arrays = [leaf for leaf in leaves if _is_array(leaf)]
    rebuilt = _Rebuilt(structure, constants)
    return jax.tree_util.Partial(rebuilt, arrays)  # type: ignore[no-untyped-call]


@dataclasses.dataclass(frozen=True)
class _Rebuilt:
    """A callable pytree, rebuilt from its arrays and called.

    Attributes:
        structure: The structure of the pytree.
        constants: Its leaves, with None in the place of each array.
    """

    structure: jax.tree_util.PyTreeDef
    constants: tuple[Any, ...]

    def __call__(self, arrays: list[Array], x: Array, mu: Array, t: Array) -> Array:
        rest = iter(arrays)
        leaves = [next(rest) if leaf is None else leaf for leaf in self.constants]
        noise_fn: NoiseFn = jax.tree.unflatten(self.structure, leaves)
        return noise_fn(x, mu, t)


def _is_array(leaf: Any) -> bool:
    """Whether a leaf is an array of NumPy or JAX, or stands for one by its shape."""
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def _is_hashable(value: Any) -> bool:
    if not isinstance(value, Hashable):
        return False
    try:
        hash(value)
    except TypeError:  # it holds something that is not
        return False
    return True
