"""tensorflow-datasets without TensorFlow: one builder over a table of layouts.

`open_dataset` builds a data set of `layouts.LAYOUTS` from the files that the user has
fetched, once, and gives its images. The shards (ArrayRecord, random access) hold the
bytes of each file as they were, so nothing is lost and an image is decoded where it is
needed. A build that is interrupted leaves nothing that would be taken for a whole one.

The examples are written by `SequentialWriter`: what writes them for a
`GeneratorBasedBuilder` calls TensorFlow as soon as a split is larger than 1 GB.
"""

import functools
import io
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from tqdm import tqdm

from irsde_jax.data import archives, codecs, images, layouts
from irsde_jax.data.codecs import UNIT_RANGE, DataRange
from irsde_jax.data.layouts import Layout, Pair
from irsde_jax.data.pairs import Record

logger = logging.getLogger(__name__)

_VERSION = "1.0.0"  # of what is in the shards: raise it when that changes
_SHARD_EXAMPLES = 256
_BATCH_EXAMPLES = 16  # the writer stores its progress after each batch
_NPY_MAGIC = b"\x93NUMPY"
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # EXIF


def open_dataset(
    dataset: str,
    split: str,
    data_dir: str | os.PathLike | None = None,
    manual_dir: str | os.PathLike | None = None,
    channels: int = 3,
    data_range: DataRange = UNIT_RANGE,
) -> "DatasetSource":
    """The images of a split; builds the data set where it is not built yet.

    Args:
        dataset: a key of `layouts.LAYOUTS`.
        split: a split of it that is there.
        data_dir: where data sets are built; None for that of tensorflow-datasets,
            `~/tensorflow_datasets`.
        manual_dir: folder (or archive) of the files that were fetched; None for
            `data_dir/downloads/manual/<dataset>`. Not needed once it is built.
        channels: of the images given; grey files are repeated to 3.
        data_range: see `images.read_image`.

    Raises:
        FileNotFoundError: if the files are not there; it says what to get.
        ValueError: if the data set or the split is unknown, or files do not fit.
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
        builder.data_path, dataset, split, names[split], channels, data_range
    )


class DatasetSource:
    """A split of a data set that is built; a `pairs.Source`.

    Args:
        folder: where the shards are.
        dataset: a key of `layouts.LAYOUTS`.
        split: name of the split.
        names: of its images.
        channels: of the images given.
        data_range: see `images.read_image`.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        dataset: str,
        split: str,
        names: Sequence[str],
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
        """What a worker process gets: it opens the shards by itself."""
        return {k: v for k, v in self.__dict__.items() if k != "_examples"}

    @functools.cached_property
    def _examples(self) -> Sequence[dict[str, bytes]]:
        builder = tfds.builder_from_directory(self._folder)
        return builder.as_data_source(self._split)


class _Info(tfds.core.DatasetInfo):
    """What is stored beside the shards."""

    def initialize_from_bucket(self) -> None:
        """Nothing: there is no such data set online, and an empty folder remained."""


class RestorationPairs(tfds.core.DatasetBuilder):
    """Builds any data set of `layouts.LAYOUTS`, each a config, from what is fetched.

    `tfds.data_source("restoration_pairs/<data set>", ...)` reads it too, as the bytes
    of the files.
    """

    name = "restoration_pairs"
    VERSION = tfds.core.Version(_VERSION)
    # Where checksums of downloads would be looked for, with a package that is not here.
    code_path = None
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=dataset, description=layout.title)
        for dataset, layout in layouts.LAYOUTS.items()
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        layout = layouts.get_layout(self.builder_config.name)
        return _Info(
            builder=self,
            description=f"{layout.title}. Terms: {layout.terms}.",
            homepage=layout.page,
            features=_features(layout),
            metadata=tfds.core.MetadataDict(),
        )

    def _download_and_prepare(self, dl_manager: Any, download_config: Any) -> None:
        """Writes the shards; `self.data_dir` is a folder that is renamed when whole."""
        del dl_manager
        dataset = self.builder_config.name
        folder = Path(download_config.manual_dir or self.default_manual_dir)
        if not folder.exists():
            raise FileNotFoundError(
                f"There is no {folder}. {layouts.how_to_get(dataset, folder)}"
            )
        layout = layouts.get_layout(dataset)
        with archives.Tree(folder) as tree:
            splits = layouts.find_splits(layout, tree.names, folder.name)
            if not splits:
                raise FileNotFoundError(
                    f"{folder} holds no images of {dataset}. "
                    + layouts.how_to_get(dataset, folder)
                )
            self._write(layout, tree, splits)
        names = {
            split: [pair.name for pair in pairs] for split, pairs in splits.items()
        }
        self.info.metadata.update(
            names=names,
            manual_dir=str(folder),
            fingerprint=archives.fingerprint(folder),
        )

    def _write(
        self, layout: Layout, tree: archives.Tree, splits: dict[str, list[Pair]]
    ) -> None:
        identity = tfds.core.DatasetIdentity(
            self.name, self.version, self.data_dir, module_name=__name__
        )
        info = _Info(builder=identity, features=_features(layout))
        writer = tfds.core.SequentialWriter(
            info, _SHARD_EXAMPLES, file_format="array_record"
        )
        writer.initialize_splits(list(splits))
        try:
            for split, pairs in splits.items():
                title = f"{self.builder_config.name}/{split}"
                with tqdm(total=len(pairs), desc=title, unit="image") as bar:
                    for start in range(0, len(pairs), _BATCH_EXAMPLES):
                        batch = pairs[start : start + _BATCH_EXAMPLES]
                        examples = [_example(layout, tree, pair) for pair in batch]
                        writer.add_examples({split: examples})
                        bar.update(len(batch))
        finally:
            writer.close_all()
        self.info.set_file_format("array_record", override=True)
        self.info.set_splits(info.splits)

    def _as_dataset(self, *args: object, **kwargs: object) -> None:
        raise NotImplementedError("tf.data needs TensorFlow: use `as_data_source`.")

    @property
    def default_manual_dir(self) -> Path:
        """Where the files are looked for if no place is given."""
        manual = Path(self.data_dir_root) / "downloads" / "manual"
        return manual / self.builder_config.name

    def _log_download_bytes(self) -> None:
        """Instead of the announcement of a download, which there is none."""
        logger.info("Building %s in %s", self.info.full_name, self.data_dir)

    def _log_download_done(self) -> None:
        logger.info("Built %s in %s", self.info.full_name, self.data_dir)


def _build(builder: RestorationPairs, folder: Path | None) -> None:
    try:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=folder)
        )
    except OSError:
        # Another process was faster: its folder cannot be replaced, and need not be.
        if not _is_built(builder):
            raise


def _is_built(builder: RestorationPairs) -> bool:
    return Path(builder.data_path, "dataset_info.json").is_file()


def _check_unchanged(builder: RestorationPairs, folder: Path | None) -> None:
    """Warns if the files are not those it was built from; refuses another folder's."""
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


def _features(layout: Layout) -> tfds.features.FeaturesDict:
    """Bytes of files, whatever their format: x0, and mu or mask."""
    content = tfds.features.Tensor(shape=(), dtype=np.object_)
    return tfds.features.FeaturesDict(
        {"name": tfds.features.Text(), "x0": content, layout.other: content}
    )


def _example(layout: Layout, tree: archives.Tree, pair: Pair) -> dict[str, Any]:
    """The two files of a pair, whose headers were looked at."""
    clean, other = tree.read(pair.clean), tree.read(pair.other)
    size = _header_size(clean, tree.locate(pair.clean))
    other_size = _header_size(other, tree.locate(pair.other))
    factor, border = layout.scale, 2 * layout.border
    wanted = factor * other_size[0], factor * other_size[1]
    if size not in (wanted, (wanted[0] + border, wanted[1] + border)):
        rule = f"{factor} times as large" if factor > 1 else "of the same size"
        rule += f", or larger by {layout.border} pixels a side" if border else ""
        raise ValueError(
            f"{tree.locate(pair.clean)} is {size[0]} x {size[1]} and "
            f"{tree.locate(pair.other)} is {other_size[0]} x {other_size[1]} (height x "
            f"width). The first must be {rule}."
        )
    return {"name": pair.name, "x0": clean, layout.other: other}


def _header_size(data: bytes, place: str) -> tuple[int, int]:
    """Height and width as the header of an image file tells them, upright."""
    try:
        if data.startswith(_NPY_MAGIC):
            shape = np.load(io.BytesIO(data), allow_pickle=False).shape
            return shape[0], shape[1]
        formats = sorted(set(codecs.FORMATS.values()))
        with Image.open(io.BytesIO(data), formats=formats) as image:
            width, height = image.size
            # As of any format: that of PNG decodes the whole image to find it.
            turned = Image.Image.getexif(image).get(_ORIENTATION) in _TURNED
        return (width, height) if turned else (height, width)
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise ValueError(f"{place} cannot be read as an image: {error}.") from error


def _decode(data: bytes, place: str, data_range: DataRange = UNIT_RANGE) -> np.ndarray:
    """The pixels of an image file; transparency is an error."""
    try:
        if data.startswith(_NPY_MAGIC):
            array = np.load(io.BytesIO(data), allow_pickle=False)
            return codecs.array_to_image(array, data_range).pixels
        image = codecs.decode(data)
    except MemoryError:
        raise
    except codecs.UnsupportedImage as error:
        raise ValueError(f"{place} cannot be read as an image: {error}.") from error
    except Exception as error:  # as above
        raise images.UnreadableImage(
            f"{place} cannot be read as an image: {error}."
        ) from error
    if image.alpha is not None and (image.alpha < 1).any():
        raise ValueError(f"{place} has transparent pixels. Flatten it beforehand.")
    return image.pixels
