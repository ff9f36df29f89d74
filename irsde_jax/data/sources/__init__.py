"""Where images come from: folders, pairs of files, archives, arrays, data sets."""

from irsde_jax.data.sources.addresses import (
    Opened,
    is_dataset,
    kind_of_folder,
    open_source,
)

__all__ = ["Opened", "is_dataset", "kind_of_folder", "open_source"]
