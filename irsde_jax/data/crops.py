"""Square crops, which are cut at the same place from every image of a record."""

from typing import Any

import numpy as np

from irsde_jax.data.image_files import enlarging
from irsde_jax.data.sources.pairs import Record, Source

NUM_ORIENTATIONS = 8
"""The number of symmetries of a square: four rotations, with and without a mirror."""


class LargeEnough:
    """A source that raises ValueError for each image that is smaller than the crop."""

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
    """Returns the same square of "x0" and "mu"; "mu" is first enlarged by `scale`.

    The position and the size are in pixels of "x0".
    """
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
    """Returns the same random square of every image, all in the same orientation.

    The orientation is random if `augment` is True. The other arguments are those of
    `training_batches` in `irsde_jax.data.pipeline`.
    """
    height, width = record["x0"].shape[:2]
    top = int(rng.integers(height - crop_size + 1))
    left = int(rng.integers(width - crop_size + 1))
    crop = cut(record, top, left, crop_size, scale=scale, enlarge=enlarge)
    orientation = int(rng.integers(NUM_ORIENTATIONS)) if augment else 0
    return {key: _orient(image, orientation) for key, image in crop.items()}


def _orient(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turns an image [S, S, C] by `orientation` mod 4 quarter turns.

    The image is then mirrored if `orientation` is at least 4.
    """
    turned = np.rot90(image, orientation % 4)
    return np.ascontiguousarray(turned[:, ::-1] if orientation >= 4 else turned)
