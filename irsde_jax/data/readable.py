"""A source that replaces images that cannot be read by the next readable image."""

from typing import Any

import numpy as np

from irsde_jax.data.image_files import images
from irsde_jax.data.sources.pairs import Record, Source

UNREADABLE = "unreadable"
"""The key of a batch whose values are the indices of images that could not be read."""


class Readable:
    """Wraps a source and replaces each unreadable image by the next readable one.

    Each record gets the additional key `UNREADABLE`. Its value is the index of the
    unreadable image, or -1 if the record is the requested one. A ValueError is raised
    if none of the images can be read.
    """

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
