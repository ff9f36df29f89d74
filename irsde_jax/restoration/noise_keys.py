"""The keys of the sampling noise of image files."""

import zlib

import jax

from irsde_jax.array_types import PRNGKey
from irsde_jax.data.image_files import file_names


def file_key(seed: int, name: str) -> PRNGKey:
    """Returns the key of a file, which depends only on the seed and its relative path.

    Args:
        seed: The seed of the sampling noise.
        name: The path of the file relative to the input.
    """
    return jax.random.fold_in(
        jax.random.key(seed), zlib.crc32(file_names.to_bytes(name))
    )
