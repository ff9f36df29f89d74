"""Sources of images: folders, archives, arrays, data sets and users' own sources."""

from irsde_jax.data.sources.addresses import (
    CLEAN,
    MASKS,
    PAIRS,
    Opened,
    is_folder,
    kind_of_folder,
    open_source,
)

__all__ = [
    "CLEAN",
    "MASKS",
    "PAIRS",
    "Opened",
    "is_folder",
    "kind_of_folder",
    "open_source",
]
