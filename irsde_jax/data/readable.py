"""Sources with images that cannot be read: the next one stands in their place."""

from typing import Any

import numpy as np

from irsde_jax.data.image_files import images
from irsde_jax.data.sources.pairs import Record, Source

UNREADABLE = "unreadable"
"""The member of a batch that names images which could not be read."""


class Readable:
    """A source that gives the next image in place of one that cannot be read."""

    def __init__(self, source: Source):
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: Any) -> Record:
        flag = -1
        for offset in range(len(self)):
            try:
                record = self._source[(index + offset) % len(self)]
            except images.UnreadableImage as error:
                flag, last_error = (index if offset == 0 else flag), error
            else:
                return {**record, UNREADABLE: np.asarray(flag, np.int32)}
        raise ValueError(
            f"none of the {len(self)} images can be read: {last_error}"
        ) from last_error
