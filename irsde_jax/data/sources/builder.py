"""The builder of tensorflow-datasets for all layouts, which needs no TensorFlow.

The shards (ArrayRecord, with random access) store the original bytes of each file.
Nothing is lost, and images are decoded where they are needed. An interrupted build
leaves nothing that could be mistaken for a complete one.

`SequentialWriter` writes the examples, because the writer of `GeneratorBasedBuilder`
calls TensorFlow as soon as a split is larger than 1 GB.
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

_VERSION = "1.0.0"  # Increase it when the content of the shards changes.
_SHARD_EXAMPLES = 256
_BATCH_EXAMPLES = 16  # The writer stores its progress after each batch.


class _Info(tfds.core.DatasetInfo):
    """The information that is stored beside the shards."""

    def initialize_from_bucket(self) -> None:
        """Does nothing; the default looks online and leaves an empty folder."""


class RestorationPairs(tfds.core.DatasetBuilder):
    """Builds any data set of `layouts.LAYOUTS`, each a config, from downloaded files.

    `tfds.data_source("restoration_pairs/<data set>", ...)` can also read it, and gives
    the bytes of the files.
    """

    name = "restoration_pairs"
    VERSION = tfds.core.Version(_VERSION)
    # With a path, checksums of downloads would be searched for with a package that is
    # not installed.
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
        """Writes the shards to `self.data_dir`, which is renamed when complete."""
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
        """The folder in which files are searched for if no other one is given."""
        manual = Path(self.data_dir_root) / "downloads" / "manual"
        return manual / self.builder_config.name

    def _log_download_bytes(self) -> None:
        """Logs the start of the build instead of a download, because there is none."""
        logger.info("Building %s in %s", self.info.full_name, self.data_dir)

    def _log_download_done(self) -> None:
        logger.info("Built %s in %s", self.info.full_name, self.data_dir)


def _features(layout: Layout) -> tfds.features.FeaturesDict:
    """Returns the features: bytes of files in any format, as x0 and as mu or mask."""
    content = tfds.features.Tensor(shape=(), dtype=np.object_)
    return tfds.features.FeaturesDict(
        {"name": tfds.features.Text(), "x0": content, layout.other: content}
    )


def _example(layout: Layout, tree: archives.Tree, pair: Pair) -> dict[str, Any]:
    """Returns the bytes of the two files of a pair after a check of their sizes."""
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
    """Returns height and width of the upright image, from the header of its file."""
    try:
        if data.startswith(codecs.NPY_MAGIC):
            shape = np.load(io.BytesIO(data), allow_pickle=False).shape
            return shape[0], shape[1]
        return codecs.size(io.BytesIO(data))
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise ValueError(f"{place} cannot be read as an image: {error}.") from error
