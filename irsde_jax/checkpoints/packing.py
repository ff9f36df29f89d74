"""Packs a tree of arrays into one long vector for each type of number, and unpacks it.

A training state has hundreds of small arrays. Orbax needs half a millisecond of CPU
time for each array of any size, so a few long vectors are much faster. The layout, a
JSON value beside them, stores the position of each array.
"""

import collections
import math
from typing import Any, TypeAlias

import chex
import jax
import numpy as np

Vectors: TypeAlias = dict[str, np.ndarray]
Layout: TypeAlias = list[list[Any]]
"""The path in the tree, the type and the shape of each array, in their order."""


def pack(tree: chex.ArrayTree) -> Vectors:
    """Returns copies of all arrays on the host, joined into one vector for each type.

    The keys are the names of the types, such as "float32".
    """
    parts: dict[str, list[np.ndarray]] = {}
    # One call for all arrays lets the device move them at the same time.
    for leaf in jax.tree.leaves(jax.device_get(tree)):
        parts.setdefault(leaf.dtype.name, []).append(np.ravel(leaf))
    return {name: np.concatenate(found) for name, found in parts.items()}


def zeros(like: chex.ArrayTree) -> Vectors:
    """Returns zero vectors of the types and lengths that `pack(like)` would return."""
    lengths: collections.Counter[np.dtype] = collections.Counter()
    for leaf in jax.tree.leaves(like):
        lengths[np.dtype(leaf.dtype)] += math.prod(leaf.shape)
    return {dtype.name: np.zeros(length, dtype) for dtype, length in lengths.items()}


def unpack(vectors: Vectors, like: chex.ArrayTree) -> Any:
    """Returns the tree that was packed; its arrays are views of the vectors.

    Args:
        vectors: The vectors that `pack` returned.
        like: A tree of the same layout, of which only shapes and types are used.
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
    """Returns the layout of a tree of arrays or of their abstract shapes."""
    return [
        [
            jax.tree_util.keystr(path, simple=True, separator="/"),
            np.dtype(leaf.dtype).name,
            list(leaf.shape),
        ]
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    ]


def difference(stored: Layout, wanted: Layout) -> str | None:
    """Describes the first difference between two layouts; returns None if equal."""
    if stored == wanted:
        return None
    for found, expected in zip(stored, wanted, strict=False):
        if found != expected:
            return f"it holds {_describe(found)} where {_describe(expected)} is wanted"
    return f"it holds {len(stored)} arrays where {len(wanted)} are wanted"


def _describe(entry: list[Any]) -> str:
    path, name, shape = entry
    return f"{path} ({name}, {' x '.join(map(str, shape)) or 'a scalar'})"
