"""Sources of training images: folders of files and arrays in memory.

A source has a length and returns one record for an index: `{"x0": clean}` or `{"x0":
clean, "mu": degraded}`, with whole images as float32 [H, W, C] in [0, 1]. The pipeline
uses nothing else, so a new source is a class with three members.
"""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from irsde_jax.data.image_files import hole_masks, images
from irsde_jax.data.image_files.arrays import UNIT_RANGE, DataRange, array_to_image
from irsde_jax.data.image_files.hole_masks import HoleMask
from irsde_jax.data.sources import folder_layouts, pairing, schemes
from irsde_jax.processes.holes import HOLE

Record = dict[str, np.ndarray]
"""`{"x0": clean}` or `{"x0": clean, "mu": degraded}`, each float32 [H, W, C]."""

CLEAN_FOLDER, DEGRADED_FOLDER = schemes.PLAIN_CLEAN, schemes.PLAIN_DEGRADED
MASK_FOLDER = "mask"
"""The folder of keep-masks, which is used instead of `DEGRADED_FOLDER`."""


class Source(Protocol):
    """A sequence of records with whole images.

    Attributes:
        names: The names of the images in messages, one per image.
    """

    names: list[str]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record: ...


class PairedFolder:
    """Clean images and their degraded versions, such as `root/GT` and `root/LQ`.

    Files are matched by name: `GT/7.png` belongs to `LQ/7.jpg`. Other naming schemes
    are in `pairing`. Images are returned in their own sizes, and `sources.open_source`
    brings both images of a pair to one size.

    Args:
        root: The folder that holds both folders.
        channels: The number of channels of the images. Grey files are repeated to 3.
        data_range: The values of black and white, as in `images.read_image`.
        pair: The setting `data.pair`, as in `pairing.find`.

    Attributes:
        pairing: The pairs of files, and the scheme that gave them.

    Raises:
        ValueError: If an image lacks its partner, or two in a folder share a stem.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        channels: int = 3,
        data_range: DataRange = UNIT_RANGE,
        pair: str = "",
    ):
        root = Path(root)
        self.pairing = pairing.require(root, pair)
        found = self.pairing.pairs
        self.names = [each.name for each in found]
        self._paths = [(root / each.clean, root / each.other) for each in found]
        self._read = functools.partial(
            _read_opaque, channels=channels, data_range=data_range
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Record:
        clean, degraded = self._paths[index]
        return {
            "x0": self._read(clean),
            "mu": self._read(degraded),
        }


class MaskedFolder:
    """Clean images in `root/GT` and keep-masks in `root/mask`, where white is kept.

    The degraded image has the value 1.0 in the holes. `hole_masks.read` finds them as
    it does for `--mask`. A mask belongs to the image with the same stem. If any image
    has no mask with its stem, all masks are used in turns.

    Args:
        root: The folder that holds both folders.
        channels: The number of channels of the images. Grey files are repeated to 3.
        data_range: The values of black and white, as in `images.read_image`.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        channels: int = 3,
        data_range: DataRange = UNIT_RANGE,
    ):
        clean = _by_stem(Path(root) / CLEAN_FOLDER)
        masks = _by_stem(Path(root) / MASK_FOLDER)
        if not clean.keys() <= masks.keys():
            turns = list(masks.values())
            masks = {stem: turns[i % len(turns)] for i, stem in enumerate(clean)}
        self.names = list(clean)
        self._paths = [(clean[stem], masks[stem]) for stem in self.names]
        self._read = functools.partial(
            _read_opaque, channels=channels, data_range=data_range
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Record:
        clean, mask = self._paths[index]
        x0 = self._read(clean)
        try:
            hole = hole_masks.read(HoleMask(mask, is_keep=True), *x0.shape[:2])
        except ValueError as error:
            raise ValueError(f"{clean} and its mask do not fit: {error}") from error
        return {"x0": x0, "mu": np.where(hole[..., None], np.float32(HOLE), x0)}


class CleanFolder:
    """Clean images in one folder, without degraded versions.

    Args:
        folder: The folder that holds the images.
        channels: The number of channels of the images. Grey files are repeated to 3.
        data_range: The values of black and white, as in `images.read_image`.
        paths: The images to use. None means those directly in the folder.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        channels: int = 3,
        data_range: DataRange = UNIT_RANGE,
        paths: Sequence[Path] | None = None,
    ):
        self._paths = images.list_images(folder) if paths is None else list(paths)
        short = [path.name for path in self._paths]
        is_unique = len(set(short)) == len(short)
        long = folder_layouts.relative(folder, self._paths)
        self.names = short if is_unique else [name.replace("/", "_") for name in long]
        self._read = functools.partial(
            _read_opaque, channels=channels, data_range=data_range
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Record:
        return {"x0": self._read(self._paths[index])}


class ArrayPairs:
    """Images in memory.

    Args:
        x0: The clean images, each [H, W, C], uint8, uint16 or floats in [0, 1].
        mu: The degraded images in the same shapes, or None for clean images alone.
    """

    def __init__(
        self, x0: Sequence[np.ndarray], mu: Sequence[np.ndarray] | None = None
    ):
        if not len(x0):
            raise ValueError("x0 holds no images.")
        self.names = [str(index) for index in range(len(x0))]
        self._members = {"x0": _to_float_images("x0", x0)}
        if mu is not None:
            if len(mu) != len(x0):
                raise ValueError(f"{len(x0)} images in x0, but {len(mu)} in mu.")
            self._members["mu"] = _to_float_images("mu", mu)
            for name, *pair in zip(self.names, *self._members.values(), strict=True):
                if pair[0].shape != pair[1].shape:
                    raise ValueError(
                        f"x0[{name}] has shape {pair[0].shape}, mu[{name}] has shape "
                        f"{pair[1].shape}. A pair must have one shape."
                    )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Record:
        return {key: member[index] for key, member in self._members.items()}


def _by_stem(folder: Path) -> dict[str, Path]:
    """Returns the images of a folder in order, by the stem of their names."""
    paths: dict[str, Path] = {}
    for path in images.list_images(folder):
        if path.stem in paths:
            raise ValueError(
                f"{paths[path.stem]} and {path} share the name {path.stem!r}, by which "
                "pairs are matched. Rename or remove one."
            )
        paths[path.stem] = path
    return paths


def _read_opaque(path: Path, channels: int, data_range: DataRange) -> np.ndarray:
    """Returns the pixels of a file, float32 [H, W, channels].

    Raises:
        ValueError: If the image has transparent pixels.
    """
    image = images.read_image(path, data_range)
    if image.alpha is not None and (image.alpha < 1).any():
        raise ValueError(
            f"{path} has transparent pixels, whose colour is not defined. Flatten it "
            "onto a background before training on it."
        )
    return images.to_channels(image.pixels, channels, str(path))


def _to_float_images(name: str, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Converts the arrays to float32 [H, W, C] in [0, 1]."""
    found = []
    for index, array in enumerate(arrays):
        try:
            found.append(array_to_image(np.asarray(array)).pixels)
        except ValueError as error:
            raise ValueError(f"{name}[{index}] is not an image: {error}.") from error
    return found
