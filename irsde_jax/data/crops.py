"""Squares cut out of images: the same of every member of a record."""

from typing import Any

import numpy as np

from irsde_jax.data.image_files import enlarging
from irsde_jax.data.sources.pairs import Record, Source

NUM_ORIENTATIONS = 8
"""The symmetries of a square: four quarter turns, each with and without a mirror."""


class LargeEnough:
    """A source that refuses images smaller than the crop, by name."""

    def __init__(self, source: Source, crop_size: int):
        self._source = source
        self._crop_size = crop_size
        self.names = source.names

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: Any) -> Record:
        record = self._source[index]
        height, width = record["x0"].shape[:2]
        if min(height, width) < self._crop_size:
            raise ValueError(
                f"Image {self._source.names[index]!r} is {height} x {width}, smaller "
                f"than the crop of {self._crop_size} x {self._crop_size}. Set "
                f"crop_size to at most {min(height, width)} or remove the image."
            )
        return record


def cut(
    record: Record,
    top: int,
    left: int,
    size: int,
    *,
    scale: int = 1,
    enlarge: str = "bicubic",
) -> Record:
    """The same square of every member; that of "mu" after enlargement by `scale`."""
    square = slice(top, top + size), slice(left, left + size)
    crop = {"x0": record["x0"][square]}
    if "mu" in record:
        crop["mu"] = enlarging.enlarge(record["mu"], scale, enlarge, square)
    return crop


def random_crop(
    record: Record,
    rng: np.random.Generator,
    *,
    crop_size: int,
    augment: bool,
    scale: int,
    enlarge: str,
) -> Record:
    """The same random square of every member, in the same random orientation."""
    height, width = record["x0"].shape[:2]
    top = int(rng.integers(height - crop_size + 1))
    left = int(rng.integers(width - crop_size + 1))
    crop = cut(record, top, left, crop_size, scale=scale, enlarge=enlarge)
    orientation = int(rng.integers(NUM_ORIENTATIONS)) if augment else 0
    return {key: _orient(image, orientation) for key, image in crop.items()}


def _orient(image: np.ndarray, orientation: int) -> np.ndarray:
    """`orientation` mod 4 quarter turns, mirrored where it is 4 or more; [S, S, C]."""
    turned = np.rot90(image, orientation % 4)
    return np.ascontiguousarray(turned[:, ::-1] if orientation >= 4 else turned)
