"""Makes networks of any library into arguments of compiled programs.

A compiled program takes the arrays of a network as arguments. Everything else about the
network is fixed when the program is compiled. Two networks that differ only in their
parameters therefore share a compiled program, and no program holds a copy of the
parameters.
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
    """`network.apply` as a function that compares equal for equal networks.

    Attributes:
        network: The network.
    """

    network: Network

    def __call__(self, params: chex.ArrayTree, x: Array, mu: Array, t: Array) -> Array:
        """Returns the prediction of the network, same shape as `x`."""
        return self.network.apply(params, x, mu, t)


def of_network(network: Network, params: chex.ArrayTree) -> jax.tree_util.Partial:
    """Returns `(x, degraded, t) -> prediction` as a pytree with the arrays of `params`.

    Args:
        network: The network.
        params: The parameters of the network.
    """
    # A bound method is hashable even if its object is not, but it compares equal only
    # to the method of the same object.
    apply = Predict(network) if _is_hashable(network) else network.apply
    return jax.tree_util.Partial(apply, params)  # type: ignore[no-untyped-call]


def as_argument(noise_fn: NoiseFn) -> jax.tree_util.Partial:
    """Returns a function in a form that compiled programs accept as an argument.

    If the function is a pytree, such as a `jax.tree_util.Partial` or an Equinox module,
    its arrays become arguments of the programs and its other leaves become constants. A
    function that is not a pytree becomes a constant, with all arrays that it closes
    over.

    Args:
        noise_fn: The network `noise_fn(x, degraded, t)`.
    """
    leaves: list[Any]
    leaves, structure = jax.tree.flatten(noise_fn)
    if isinstance(noise_fn, jax.tree_util.Partial) and all(map(_is_array, leaves)):
        return noise_fn
    if jax.tree_util.all_leaves([noise_fn]) and not _is_hashable(noise_fn):
        leaves = [leaves[0].__call__]  # a bound method is hashable
    constants = tuple(None if _is_array(leaf) else leaf for leaf in leaves)
    arrays = [leaf for leaf in leaves if _is_array(leaf)]
    rebuilt = _Rebuilt(structure, constants)
    return jax.tree_util.Partial(rebuilt, arrays)  # type: ignore[no-untyped-call]


@dataclasses.dataclass(frozen=True)
class _Rebuilt:
    """A function that rebuilds a callable pytree from its arrays and calls it.

    Attributes:
        structure: The structure of the pytree.
        constants: The leaves of the pytree, with None in the place of each array.
    """

    structure: jax.tree_util.PyTreeDef
    constants: tuple[Any, ...]

    def __call__(self, arrays: list[Array], x: Array, mu: Array, t: Array) -> Array:
        rest = iter(arrays)
        leaves = [next(rest) if leaf is None else leaf for leaf in self.constants]
        noise_fn: NoiseFn = jax.tree.unflatten(self.structure, leaves)
        return noise_fn(x, mu, t)


def _is_array(leaf: Any) -> bool:
    """Returns whether a leaf is an array, or has the shape and type of one."""
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def _is_hashable(value: Any) -> bool:
    """Returns whether a value can be hashed."""
    if not isinstance(value, Hashable):
        return False
    try:
        hash(value)
    except TypeError:  # a value inside it is not hashable
        return False
    return True
