"""Data sets of tensorflow-datasets, read without TensorFlow.

`open_dataset` builds a data set of `layouts.LAYOUTS` once from the files that the user
has downloaded, and gives access to its images.
"""

import functools
import io
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from irsde_jax.data.image_files import arrays, codecs, images
from irsde_jax.data.image_files.arrays import UNIT_RANGE, DataRange
from irsde_jax.data.sources import archives, layouts
from irsde_jax.data.sources.builder import RestorationPairs
from irsde_jax.data.sources.pairs import Record

logger = logging.getLogger(__name__)


def open_dataset(
    dataset: str,
    split: str,
    data_dir: str | os.PathLike | None = None,
    manual_dir: str | os.PathLike | None = None,
    *,
    channels: int = 3,
    data_range: DataRange = UNIT_RANGE,
) -> "DatasetSource":
    """Opens a split of a data set, and builds the data set if necessary.

    Args:
        dataset: The name of the data set, a key of `layouts.LAYOUTS`.
        split: The name of a split that the data set has.
        data_dir: The folder in which data sets are built. None means that of
            tensorflow-datasets, `~/tensorflow_datasets`.
        manual_dir: The folder or archive of the downloaded files. None means
            `data_dir/downloads/manual/<dataset>`. The files are not needed after the
            build.
        channels: The number of channels of the images. Grey files are repeated to 3.
        data_range: The values of black and white, as in `images.read_image`.

    Raises:
        FileNotFoundError: If the files do not exist. The message says what to download.
        ValueError: If the data set or the split is unknown, or files do not fit.
    """
    layouts.get_layout(dataset)
    folder = None if manual_dir is None else Path(manual_dir).expanduser().absolute()
    builder = RestorationPairs(config=dataset, data_dir=data_dir)
    if _is_built(builder):
        _check_unchanged(builder, folder)
    else:
        _build(builder, folder)
        builder = RestorationPairs(config=dataset, data_dir=data_dir)
    names = builder.info.metadata["names"]
    if split not in names:
        raise ValueError(
            f"split={split!r} is not one of {sorted(names)}, the splits of {dataset} "
            f"that {builder.data_path} was built with. For another one, complete "
            f"{builder.info.metadata['manual_dir']} and remove {builder.data_path}."
        )
    return DatasetSource(
        builder.data_path,
        dataset,
        split,
        names[split],
        channels=channels,
        data_range=data_range,
    )


class DatasetSource:
    """A split of a data set that was built, as a `pairs.Source`.

    Args:
        folder: The folder of the shards.
        dataset: The name of the data set, a key of `layouts.LAYOUTS`.
        split: The name of the split.
        names: The names of its images.
        channels: The number of channels of the images.
        data_range: The values of black and white, as in `images.read_image`.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        dataset: str,
        split: str,
        names: Sequence[str],
        *,
        channels: int = 3,
        data_range: DataRange = UNIT_RANGE,
    ):
        self.names = list(names)
        self._folder = os.fspath(folder)
        self._dataset, self._split = dataset, split
        self._channels, self._data_range = channels, data_range

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Record:
        index = range(len(self))[index]
        example = self._examples[index]
        layout = layouts.get_layout(self._dataset)
        place = f"{self._dataset}/{self._split}: {self.names[index]}"
        x0 = _decode(example["x0"], f"{place} (clean)", self._data_range)
        if layout.other == "mask":
            mask = _decode(example["mask"], f"{place} (mask)")[..., :1]
            x0 = images.to_channels(x0, self._channels, place)
            return {"x0": x0, "mu": x0 * mask + (1 - mask)}
        mu = _decode(example["mu"], f"{place} (degraded)", self._data_range)
        if layout.border and x0.shape[:2] != mu.shape[:2]:
            inner = slice(layout.border, -layout.border)
            x0 = x0[inner, inner]
        pixels = {"x0": x0, "mu": mu}
        return {
            key: images.to_channels(image, self._channels, f"{place} ({key})")
            for key, image in pixels.items()
        }

    def __getstate__(self) -> dict[str, Any]:
        """Returns the state for a worker process, which opens the shards itself."""
        return {k: v for k, v in self.__dict__.items() if k != "_examples"}

    @functools.cached_property
    def _examples(self) -> Sequence[dict[str, bytes]]:
        builder = tfds.builder_from_directory(self._folder)
        return builder.as_data_source(self._split)


def _build(builder: RestorationPairs, folder: Path | None) -> None:
    try:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=folder)
        )
    except OSError:
        # If another process was faster, its folder cannot and need not be replaced.
        if not _is_built(builder):
            raise


def _is_built(builder: RestorationPairs) -> bool:
    return Path(builder.data_path, "dataset_info.json").is_file()


def _check_unchanged(builder: RestorationPairs, folder: Path | None) -> None:
    """Warns if the files have changed since the build.

    Raises:
        ValueError: If the data set was built from another folder with other files.
    """
    stored = builder.info.metadata
    current = folder or builder.default_manual_dir
    if not current.exists() or archives.fingerprint(current) == stored["fingerprint"]:
        return
    told = f"{builder.data_path} was built from {stored['manual_dir']}"
    if folder is not None and str(folder) != stored["manual_dir"]:
        raise ValueError(
            f"{told}, not from {folder}, whose files are others. Give each its own "
            "data_dir, or remove what was built."
        )
    logger.warning(
        "%s, whose files have changed since. Remove it to build it anew.", told
    )


def _decode(data: bytes, place: str, data_range: DataRange = UNIT_RANGE) -> np.ndarray:
    """Returns the pixels of an image file. Transparency raises ValueError."""
    try:
        if data.startswith(codecs.NPY_MAGIC):
            array = np.load(io.BytesIO(data), allow_pickle=False)
            return arrays.array_to_image(array, data_range).pixels
        image = codecs.decode(data)
    except MemoryError:
        raise
    except arrays.UnsupportedImage as error:
        raise ValueError(f"{place} cannot be read as an image: {error}.") from error
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise images.UnreadableImage(
            f"{place} cannot be read as an image: {error}."
        ) from error
    if image.alpha is not None and (image.alpha < 1).any():
        raise ValueError(f"{place} has transparent pixels. Flatten it beforehand.")
    return image.pixels
