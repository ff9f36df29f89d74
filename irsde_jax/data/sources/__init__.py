"""Where images come from: folders, pairs of files, archives, arrays, data sets."""

from irsde_jax.data.sources.addresses import (
    CLEAN,
    MASKS,
    PAIRS,
    Opened,
    is_dataset,
    kind_of_folder,
    open_source,
)

__all__ = [
    "CLEAN",
    "MASKS",
    "PAIRS",
    "Opened",
    "is_dataset",
    "kind_of_folder",
    "open_source",
]
