"""Where images come from: folders, archives, arrays, data sets, users' own sources."""

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
