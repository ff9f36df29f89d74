"""The builder of tensorflow-datasets, one for all layouts, that needs no TensorFlow.

The shards (ArrayRecord, random access) hold the bytes of each file as they were, so
nothing is lost and an image is decoded where it is needed. A build that is interrupted
leaves nothing that would be taken for a whole one.

The examples are written by `SequentialWriter`: what writes them for a
`GeneratorBasedBuilder` calls TensorFlow as soon as a split is larger than 1 GB.
"""

import io
import logging
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from irsde_jax.data.image_files import codecs
from irsde_jax.data.sources import archives, fitting, layouts, matching
from irsde_jax.data.sources.layouts import Layout
from irsde_jax.data.sources.matching import Pair

logger = logging.getLogger(__name__)

_VERSION = "1.0.0"  # of what is in the shards: raise it when that changes
_SHARD_EXAMPLES = 256
_BATCH_EXAMPLES = 16  # the writer stores its progress after each batch


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
            splits = matching.find_splits(layout, tree.names, folder.name)
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
    if not fitting.find_part(size, other_size, layout.scale, layout.border):
        factor, border = layout.scale, layout.border
        rule = "of the same size"
        if factor > 1:
            rule = f"{factor} times as large, or up to {factor - 1} pixels a side more"
        rule += f", or larger by {border} pixels a side" if border else ""
        raise ValueError(
            f"{tree.locate(pair.clean)} is {size[0]} x {size[1]} and "
            f"{tree.locate(pair.other)} is {other_size[0]} x {other_size[1]} (height x "
            f"width). The first must be {rule}."
        )
    return {"name": pair.name, "x0": clean, layout.other: other}


def _header_size(data: bytes, place: str) -> tuple[int, int]:
    """Height and width as the header of an image file tells them, upright."""
    try:
        if data.startswith(codecs.NPY_MAGIC):
            shape = np.load(io.BytesIO(data), allow_pickle=False).shape
            return shape[0], shape[1]
        return codecs.size(io.BytesIO(data))
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise ValueError(f"{place} cannot be read as an image: {error}.") from error
