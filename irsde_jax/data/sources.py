"""Images by address: a folder, or a data set of tensorflow-datasets.

photos/train             GT/ and LQ/, GT/ and mask/, or clean images alone
tfds:rain100h/train      a data set of `layouts.py` and its split
tfds:gopro/train[100:]   a part of the split, as of a Python sequence
"""

import re
from pathlib import Path

from irsde_jax.data import images
from irsde_jax.data.arrays import UNIT_RANGE, DataRange
from irsde_jax.data.pairs import (
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


def is_dataset(address: str) -> bool:
    """Whether it names a data set of tensorflow-datasets, not a folder."""
    return address.startswith(_TFDS)


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
) -> Source:
    """The images at an address, see the module.

    Args:
        address: of a folder or of a data set.
        paired: whether degraded images are wanted; False leaves them out where there
            are any, None takes what there is.
        channels: of the images given; grey files are repeated to 3.
        data_range: see `images.read_image`.
        tfds_dir: of prepared data sets; "" for that of tensorflow-datasets.
        manual_dir: holds a folder for each data set, named after it, with what was
            downloaded; "" for downloads/manual in `tfds_dir`.
        scale: the degraded files are smaller than the clean ones by this factor.
        enlarge: how they are brought to the size of the clean ones, a key of
            `images.ENLARGEMENTS`; None leaves them small.

    Raises:
        FileNotFoundError: for a missing folder or data set; it says what is wanted.
        ValueError: for an address, a scale or files that do not fit.
    """
    if scale < 1:
        raise ValueError(f"data.scale must be at least 1, got {scale}.")
    source: Source
    if is_dataset(address):
        source = _open_dataset(address, tfds_dir, manual_dir, channels, data_range)
    else:
        source = _open_folder(Path(address), paired, channels, data_range)
    if paired is False:
        return _Clean(source)
    return _Scaled(source, scale, enlarge, address)


def _open_folder(
    root: Path, paired: bool | None, channels: int, data_range: DataRange
) -> Source:
    """Pairs if they are wanted, or if the folder is laid out as pairs."""
    if paired is None:
        paired = (root / CLEAN_FOLDER).is_dir()
    if not paired:
        has_pairs = (root / CLEAN_FOLDER).is_dir()
        folder = root / CLEAN_FOLDER if has_pairs else root
        return CleanFolder(folder, channels, data_range)
    if (root / CLEAN_FOLDER).is_dir() and (root / MASK_FOLDER).is_dir():
        return MaskedFolder(root, channels, data_range)
    return PairedFolder(root, channels, data_range)


def _open_dataset(
    address: str, tfds_dir: str, manual_dir: str, channels: int, data_range: DataRange
) -> Source:
    from irsde_jax.data import datasets  # a folder does without TFDS

    match = _DATASET.fullmatch(address.removeprefix(_TFDS))
    if match is None:
        raise ValueError(
            f"{address!r} names no data set: write tfds:NAME/SPLIT, or a part of a "
            "split as tfds:NAME/SPLIT[:100]."
        )
    name, split, start, stop = match.groups()
    downloads = Path(manual_dir) / name if manual_dir else None
    source = datasets.open_dataset(
        name, split, tfds_dir or None, downloads, channels, data_range
    )
    part = slice(*(int(end) if end else None for end in (start, stop)))
    return _Part(source, range(len(source))[part], address)


class _Part:
    """Some of the images of a source."""

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
    """The clean images of a source alone."""

    def __init__(self, source: Source):
        self._source = source
        self.names = source.names

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Record:
        return {"x0": self._source[index]["x0"]}


class _Scaled:
    """Pairs whose degraded images are smaller by `scale`, enlarged where it is said."""

    def __init__(self, source: Source, scale: int, enlarge: str | None, address: str):
        self._source, self._scale, self._enlarge = source, scale, enlarge
        self._address = address
        self.names = source.names

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Record:
        record = self._source[index]
        if "mu" not in record:
            return record
        x0, mu = record["x0"], record["mu"]
        (height, width), (rows, columns) = x0.shape[:2], mu.shape[:2]
        if (height, width) != (self._scale * rows, self._scale * columns):
            factor = height // rows
            scaled = (height, width) == (factor * rows, factor * columns)
            hint = (
                f"Set data.scale={factor} for pairs of super-resolution"
                if scaled
                else "A pair must have one size, but for data.scale"
            )
            raise ValueError(
                f"{self._address}: {self.names[index]}: the clean image is {height} x "
                f"{width} and the degraded one is {rows} x {columns} (height x width), "
                f"where data.scale={self._scale}. {hint}."
            )
        if self._enlarge is None:
            return record
        return {"x0": x0, "mu": images.enlarge(mu, self._scale, self._enlarge)}
