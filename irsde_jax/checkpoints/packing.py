"""A tree of arrays as one long vector for each type of number, and back.

A training state is hundreds of small arrays. Orbax spends half a millisecond of a core
on each, whatever its size: of two long vectors it makes short work. What was where is
in the layout, a JSON value beside them.
"""

import collections
import math
from typing import Any, TypeAlias

import chex
import jax
import numpy as np

Vectors: TypeAlias = dict[str, np.ndarray]
Layout: TypeAlias = list[list[Any]]
"""Of each array, in their order: its path in the tree, its type and its shape."""


def pack(tree: chex.ArrayTree) -> Vectors:
    """Copies of all arrays on the host, joined: a vector by the name of its type."""
    parts: dict[str, list[np.ndarray]] = {}
    # All at once: a device moves them while the first are waited for.
    for leaf in jax.tree.leaves(jax.device_get(tree)):
        parts.setdefault(leaf.dtype.name, []).append(np.ravel(leaf))
    return {name: np.concatenate(found) for name, found in parts.items()}


def zeros(like: chex.ArrayTree) -> Vectors:
    """Vectors of the lengths that `pack` gives a tree of such shapes and types."""
    lengths: collections.Counter[np.dtype] = collections.Counter()
    for leaf in jax.tree.leaves(like):
        lengths[np.dtype(leaf.dtype)] += math.prod(leaf.shape)
    return {dtype.name: np.zeros(length, dtype) for dtype, length in lengths.items()}


def unpack(vectors: Vectors, like: chex.ArrayTree) -> Any:
    """The tree that was packed: views of the vectors.

    Args:
        vectors: of `pack`.
        like: a tree of the same layout; its shapes and types are used.
    """
    leaves, structure = jax.tree.flatten(like)
    used = dict.fromkeys(vectors, 0)
    found = []
    for leaf in leaves:
        name, size = np.dtype(leaf.dtype).name, math.prod(leaf.shape)
        vector = vectors[name][used[name] : used[name] + size]
        found.append(vector.reshape(leaf.shape))
        used[name] += size
    return jax.tree.unflatten(structure, found)


def layout(tree: chex.ArrayTree) -> Layout:
    """Where the arrays of a tree, or of their shapes, lie in its vectors."""
    return [
        [
            jax.tree_util.keystr(path, simple=True, separator="/"),
            np.dtype(leaf.dtype).name,
            list(leaf.shape),
        ]
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    ]


def difference(stored: Layout, wanted: Layout) -> str | None:
    """The first array in which two layouts differ, in words; None if there is none."""
    if stored == wanted:
        return None
    for found, expected in zip(stored, wanted, strict=False):
        if found != expected:
            return f"it holds {_describe(found)} where {_describe(expected)} is wanted"
    return f"it holds {len(stored)} arrays where {len(wanted)} are wanted"


def _describe(entry: list[Any]) -> str:
    path, name, shape = entry
    return f"{path} ({name}, {' x '.join(map(str, shape)) or 'a scalar'})"
