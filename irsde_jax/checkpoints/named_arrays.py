"""The arrays of a pytree by their paths, such as "intro/kernel" or "layers/0"."""

from collections.abc import Mapping
from typing import Any

import jax


def flatten(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a pytree by their paths, joined by "/".

    Raises:
        ValueError: If two leaves have the same path.
    """
    named = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if name in named:
            raise ValueError(
                f"two arrays of the parameters have the path {name!r}; rename one."
            )
        named[name] = leaf
    return named


def unflatten(named: Mapping[str, Any], like: Any) -> Any:
    """Returns a pytree whose leaves are given by their paths.

    Args:
        named: The leaves by path, in the form that `flatten` returns, in any order.
        like: A pytree of the same structure.

    Raises:
        ValueError: If the paths are not those of `like`.
    """
    names = list(flatten(like))
    if set(names) != set(named):
        odd = sorted(set(names) ^ set(named))
        raise ValueError(f"the arrays are of another network: {', '.join(odd[:3])}")
    return jax.tree.unflatten(jax.tree.structure(like), [named[n] for n in names])
