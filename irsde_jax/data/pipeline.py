"""Training batches: batch k is a pure function of the source, the seed and k.

All steps of the stream support random access: the order is shuffled anew in each epoch,
and each image is cropped at random, turned and put into a batch. Only the last step
iterates. Therefore there is no iterator state to save: training resumes at step k by
starting from batch k. The number of threads and worker processes affects when a batch
is made, but not its content.
"""

import collections
import functools
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import grain
import numpy as np
from absl import flags

from irsde_jax.data import crops
from irsde_jax.data.readable import UNREADABLE, Readable
from irsde_jax.data.sources.pairs import Record, Source


def training_batches(
    source: Source,
    *,
    seed: int,
    batch_size: int,
    crop_size: int,
    augment: bool = True,
    scale: int = 1,
    enlarge: str = "bicubic",
    shard_index: int = 0,
    num_shards: int = 1,
) -> grain.MapDataset:
    """Returns an endless dataset whose element k is the batch of training step k.

    Every image occurs once per epoch. A batch may contain images of two epochs.

    Args:
        source: The source of whole images. Degraded images may be smaller by `scale`.
        seed: The seed, at least 0, of the order, the crops and the orientations.
        batch_size: The number of images per batch, over all hosts.
        crop_size: The side of the square cut out of each image, in pixels.
        augment: Whether each crop gets one of eight orientations at random.
        scale: The factor by which degraded images are enlarged. This happens after the
            crop, so that a cache can store small images, and gives the same result.
        enlarge: The interpolation, a key of `enlarging.ENLARGEMENTS`.
        shard_index: The index of this host in 0..num_shards - 1. The host makes the
            examples shard_index, shard_index + num_shards, ... of every batch.
        num_shards: The number of hosts. The batches do not depend on it.

    Returns:
        A dataset of `Record`s. Each image array is float32 of shape [batch_size /
        num_shards, crop_size, crop_size, C]. The key UNREADABLE holds int32 of shape
        [batch_size / num_shards]: the index of an image that could not be read and was
        replaced by the next one, or -1. An image smaller than the crop raises
        ValueError when its batch is made.
    """
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}.")
    if not len(source):
        raise ValueError("The source holds no images.")
    _check_sizes(batch_size, crop_size, shard_index, num_shards)
    # grain would derive them from the position in the chain, which may change.
    shuffle_seed, crop_seed = np.random.SeedSequence(seed).generate_state(2)
    return (
        grain.MapDataset.source(Readable(crops.LargeEnough(source, crop_size)))
        .shuffle(seed=int(shuffle_seed))
        # An endless `repeat()` overflows in grain for batches of one image.
        .repeat(2**62 // len(source))
        .random_map(
            functools.partial(
                _cut_at_random,
                crop_size=crop_size,
                augment=augment,
                scale=scale,
                enlarge=enlarge,
            ),
            seed=int(crop_seed),
        )[shard_index::num_shards]
        .batch(batch_size // num_shards)
    )


def split_flags(batch: Record) -> tuple[Record, np.ndarray]:
    """Splits a batch into its images and the indices of the unreadable ones."""
    images_alone = {key: batch[key] for key in batch if key != UNREADABLE}
    flags = batch[UNREADABLE]
    return images_alone, flags[flags >= 0]


class Prefetch:
    """An iterator that moves batches to the devices while earlier ones are processed.

    Args:
        batches: The iterator over host batches.
        put: A function that starts to move a host batch to the devices and returns
            immediately.
        size: The number of batches that are kept ahead.

    Attributes:
        waited_s: The total time in seconds that `next` has waited for host batches.

    Raises:
        ChildProcessError: If a worker process of `iterate` has died; raised by `next`.
    """

    def __init__(
        self,
        batches: Iterator[Record],
        put: Callable[[Record], Any],
        size: int = 2,
    ):
        self._batches, self._put, self._size = batches, put, size
        self._ahead: collections.deque[Any] = collections.deque()
        self.waited_s = 0.0

    def __iter__(self) -> "Prefetch":
        return self

    def __next__(self) -> Any:
        began = time.perf_counter()
        wanted = self._size + 1 - len(self._ahead)
        try:
            fetched = list(itertools.islice(self._batches, wanted))
        except RuntimeError as error:  # grain raises it for a dead worker
            if "Worker process was terminated" not in str(error):
                raise
            raise ChildProcessError(
                f"a process that reads images has died ({error}). Was it killed for "
                "want of memory? Fewer, --config.data.num_workers, or none need less; "
                "the same command goes on from the last checkpoint."
            ) from error
        self.waited_s += time.perf_counter() - began
        self._ahead.extend(self._put(batch) for batch in fetched)
        if not self._ahead:
            raise StopIteration
        return self._ahead.popleft()


def iterate(
    dataset: grain.MapDataset,
    start_step: int = 0,
    *,
    num_threads: int = 4,
    num_workers: int = 0,
) -> grain.DatasetIterator:
    """Returns an iterator over the batches of `dataset`, beginning with `start_step`.

    Batches are made ahead of time by threads or processes.

    Args:
        dataset: The dataset that `training_batches` returns.
        start_step: The number of the first batch, which is the training step to resume
            from.
        num_threads: The number of threads per process that read and crop images. With
            0, each batch is made when it is requested.
        num_workers: The number of processes that make batches. With 0, only threads of
            this process are used. Processes are spawned, so a script needs the guard
            `if __name__ == "__main__"`.

    Returns:
        An iterator over `Record`s. Its `close()` ends its threads and processes.
    """
    if start_step < 0:
        raise ValueError(f"start_step must not be negative, got {start_step}.")
    if num_threads < 0 or num_workers < 0:
        raise ValueError(
            f"num_threads and num_workers must not be negative, got {num_threads} and "
            f"{num_workers}."
        )
    # An element is a whole batch, so far fewer suffice than grain's default of 500.
    read_options = grain.ReadOptions(
        num_threads=num_threads, prefetch_buffer_size=2 * num_threads
    )
    stream = dataset[start_step:].to_iter_dataset(read_options)
    if num_workers:
        if not flags.FLAGS.is_parsed():  # In a notebook, grain reads its flags here.
            flags.FLAGS.mark_as_parsed()
        stream = stream.mp_prefetch(
            grain.MultiprocessingOptions(
                num_workers=num_workers, per_worker_buffer_size=2
            )
        )
    return iter(stream)


def validation_crops(source: Source, num_images: int, crop_size: int) -> Record:
    """Returns the central crops of the first images of a source.

    Args:
        source: The source of whole images, at least `num_images` of them.
        num_images: The number of images to take.
        crop_size: The side of the crops, in pixels.

    Returns:
        A record of arrays, each float32 of shape [num_images, crop_size, crop_size, C].
    """
    if not 1 <= num_images <= len(source):
        raise ValueError(
            f"num_images must lie in 1..{len(source)}, the number of images there are; "
            f"got {num_images}."
        )
    if crop_size < 1:
        raise ValueError(f"crop_size must be at least 1, got {crop_size}.")
    checked = crops.LargeEnough(source, crop_size)
    found = []
    for index in range(num_images):
        record = checked[index]
        height, width = record["x0"].shape[:2]
        corner = (height - crop_size) // 2, (width - crop_size) // 2
        found.append(crops.cut(record, *corner, crop_size))
    return {key: np.stack([crop[key] for crop in found]) for key in found[0]}


def _cut_at_random(record: Record, rng: np.random.Generator, **options: Any) -> Record:
    """Returns a random crop of a record and preserves the `UNREADABLE` flag."""
    crop = crops.random_crop(record, rng, **options)
    return {**crop, UNREADABLE: record[UNREADABLE]}


def _check_sizes(
    batch_size: int, crop_size: int, shard_index: int, num_shards: int
) -> None:
    """Raises ValueError unless such a batch can be made and shared among the hosts."""
    if batch_size < 1 or crop_size < 1:
        raise ValueError(
            f"batch_size and crop_size must be at least 1, got {batch_size} and "
            f"{crop_size}."
        )
    if not 0 <= shard_index < num_shards or batch_size % num_shards:
        raise ValueError(
            f"shard {shard_index} of {num_shards} cannot make its share of a batch of "
            f"{batch_size}: choose a multiple of the number of hosts."
        )
