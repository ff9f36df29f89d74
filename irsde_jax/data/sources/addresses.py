"""Sources of images by address: folders, data sets and sources of a user's own.

photos/train             a folder with GT/ and LQ/ (or names that `schemes.py` lists),
                         with GT/ and mask/, or with clean images alone
tfds:rain100h/train      a data set of `layouts.py` and its split
tfds:gopro/train[100:]   a part of the split, as of a Python sequence
my.module:Photographs    a callable without arguments that returns a `Source`, in a
                         module of a user's own, see `registry`
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from irsde_jax import registry
from irsde_jax.data.image_files.arrays import UNIT_RANGE, DataRange
from irsde_jax.data.sources import pairing
from irsde_jax.data.sources.fitting import Fitted
from irsde_jax.data.sources.pairs import (
    CLEAN_FOLDER,
    MASK_FOLDER,
    CleanFolder,
    MaskedFolder,
    PairedFolder,
    Record,
    Source,
)

_TFDS = "tfds:"
_DATASET = re.compile(r"(?P<name>\w+)/(?P<split>\w+)(?:\[(-?\d+)?:(-?\d+)?\])?")
_CODE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def is_folder(address: str) -> bool:
    """Returns whether an address is that of a folder, which need not exist."""
    is_code = _CODE.fullmatch(address) and not Path(address).is_dir()
    return not address.startswith(_TFDS) and not is_code


def open_source(
    address: str,
    paired: bool | None,
    *,
    channels: int = 3,
    data_range: DataRange = UNIT_RANGE,
    tfds_dir: str = "",
    manual_dir: str = "",
    scale: int = 1,
    enlarge: str | None = "bicubic",
    pair: str = "",
    border: int = 0,
) -> "Opened":
    """Opens the images at an address.

    Args:
        address: The address of a folder, a data set or a source, as in this module.
        paired: Whether degraded images are required. False leaves them out, and None
            takes what there is.
        channels: The number of channels of the images. Grey files are repeated to 3.
        data_range: The values of black and white, as in `images.read_image`.
        tfds_dir: The folder of built data sets; "" for that of tensorflow-datasets.
        manual_dir: The folder of downloaded files, in which each data set has a folder
            of its own name; "" for downloads/manual in `tfds_dir`.
        scale: The factor by which degraded files are smaller than clean ones.
        enlarge: The method by which they are enlarged to the size of the clean ones, a
            key of `enlarging.ENLARGEMENTS`. None leaves them small.
        pair: The naming schemes of a folder, as in `pairing.find`.
        border: The pixels on every side that are cut off if clean files are larger.

    Raises:
        FileNotFoundError: If the folder or data set does not exist.
        ValueError: If the address, the scale or the files are not valid.
    """
    if scale < 1:
        raise ValueError(f"data.scale must be at least 1, got {scale}.")
    if border < 0:
        raise ValueError(f"data.border must not be negative, got {border}.")
    if address.startswith(_TFDS):
        source = _open_dataset(address, tfds_dir, manual_dir, channels, data_range)
        how = f"as the data set {address} pairs them"
    elif is_folder(address):
        root = Path(address)
        source, how = _open_folder(root, paired, channels, data_range, pair)
    else:
        source = _open_outside(address, paired, channels)
        how = f"as {address} pairs them"
    if paired is False:
        return Opened(_Clean(source), 1, None, 0, address)
    return Opened(source, scale, enlarge, border, address, pairing=how)


class Opened(Fitted):
    """The source that `open_source` returns; the arguments extend those of `Fitted`.

    Args:
        pairing: A description of how the files are paired; "" for clean images alone.
    """

    def __init__(
        self,
        source: Source,
        scale: int,
        enlarge: str | None,
        border: int,
        address: str,
        *,
        pairing: str = "",
    ):
        super().__init__(source, scale, enlarge, border, address)
        self.pairing = pairing


MASKS, PAIRS, CLEAN = "masks", "pairs", "clean"
"""The kinds of folders: images with keep-masks, pairs, and clean images alone."""


def kind_of_folder(root: Path, paired: bool | None, pair: str = "") -> str:
    """Returns the kind of a folder: pairs if they are required or if they are found.

    Args:
        root: The folder.
        paired: Whether pairs are required, as in `open_source`.
        pair: The naming schemes, as in `open_source`.

    Returns:
        `MASKS`, `PAIRS` or `CLEAN`.
    """
    if paired is False or (paired is None and not pairing.has_pairs(root, pair)):
        return CLEAN
    if (root / CLEAN_FOLDER).is_dir() and (root / MASK_FOLDER).is_dir():
        return MASKS
    return PAIRS


def _open_folder(
    root: Path, paired: bool | None, channels: int, data_range: DataRange, pair: str
) -> tuple[Source, str]:
    """Opens the images of a folder and describes how they are paired."""
    kind = kind_of_folder(root, paired, pair)
    if kind == CLEAN:
        paths = pairing.clean_paths(root, pair)
        return CleanFolder(root, channels, data_range, paths), ""
    if kind == MASKS:
        return MaskedFolder(root, channels, data_range), "images with keep-masks"
    source = PairedFolder(root, channels, data_range, pair)
    return source, source.pairing.describe()


def _open_outside(address: str, paired: bool | None, channels: int) -> Source:
    """Opens a source in a user's own module and checks its first record.

    Raises:
        ValueError: If the module is not trusted, or if the object is not a source.
    """
    make: Any = registry.find(address, {}, "data source")
    if not callable(make):
        raise ValueError(
            f"data source {address!r} is {make!r}; it must be a callable without "
            "arguments that returns a source."
        )
    source = make()
    missing = [
        member
        for member in ("names", "__len__", "__getitem__")
        if not hasattr(source, member)
    ]
    if missing:
        raise ValueError(
            f"data source {address!r} returns {type(source).__name__}, which has no "
            f"{', '.join(missing)}; see irsde_jax.data.sources.pairs.Source."
        )
    if not len(source) or len(source.names) != len(source):
        raise ValueError(
            f"data source {address!r} has {len(source)} images and "
            f"{len(source.names)} names; it must have at least one image, and a name "
            "for each."
        )
    record = source[0]
    if paired and "mu" not in record:
        raise ValueError(
            f"data source {address!r} has no degraded images (mu), and "
            "degradation.name='paired' needs them. Choose a degradation."
        )
    for key, image in record.items():
        shape, dtype = np.shape(image), getattr(image, "dtype", type(image).__name__)
        if len(shape) != 3 or shape[-1] != channels or dtype != np.float32:
            raise ValueError(
                f"data source {address!r}: {key} of {source.names[0]!r} is {dtype} of "
                f"shape {shape}; it must be float32 [H, W, {channels}] in [0, 1]."
            )
    return source


def _open_dataset(
    address: str, tfds_dir: str, manual_dir: str, channels: int, data_range: DataRange
) -> Source:
    from irsde_jax.data.sources import datasets  # Folders do not need TFDS.

    match = _DATASET.fullmatch(address.removeprefix(_TFDS))
    if match is None:
        raise ValueError(
            f"{address!r} names no data set: write tfds:NAME/SPLIT, or a part of a "
            "split as tfds:NAME/SPLIT[:100]."
        )
    name, split, start, stop = match.groups()
    downloads = Path(manual_dir) / name if manual_dir else None
    source = datasets.open_dataset(
        name,
        split,
        tfds_dir or None,
        downloads,
        channels=channels,
        data_range=data_range,
    )
    part = slice(*(int(end) if end else None for end in (start, stop)))
    return _Part(source, range(len(source))[part], address)


class _Part:
    """A source with some of the images of another one."""

    def __init__(self, source: Source, indices: range, address: str):
        if not indices:
            raise ValueError(f"{address} is empty: the split has {len(source)} images.")
        self._source, self._indices = source, indices
        self.names = [source.names[index] for index in indices]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Record:
        return self._source[self._indices[index]]


class _Clean:
    """A source with only the clean images of another one."""

    def __init__(self, source: Source):
        self._source = source
        self.names = source.names

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Record:
        return {"x0": self._source[index]["x0"]}
