"""Training batches: batch k is a pure function of the source, the seed and k.

The stream is random access until the very end: shuffle anew each epoch, cut a random
crop, turn it, batch; only then is it iterated. So there is no iterator state to save:
to resume at step k, start from batch k. The number of threads and of worker processes
changes when a batch is made, never what is in it.
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
    """An endless dataset whose element k is the batch of training step k.

    Every image occurs once per epoch; batches run on across the end of an epoch.

    Args:
        source: whole images. Degraded ones may be smaller by `scale`.
        seed: decides order, crops and orientations.
        batch_size: images per batch.
        crop_size: side of the square cut out of each image, in pixels.
        augment: whether each crop is turned and mirrored at random, all eight
            orientations being equally likely.
        scale: what degraded images are enlarged by, after the crop and to the same
            numbers as before it, so that a cache holds them small.
        enlarge: how, a key of `enlarging.ENLARGEMENTS`.
        shard_index: of this host among `num_shards`, each of which makes its share of
            every batch: examples shard_index, shard_index + num_shards, ... of it.
        num_shards: hosts that share the batches; together they see what one would.

    Returns:
        A dataset of `Record`s, each member float32 [batch_size / num_shards, crop_size,
        crop_size, C]; and UNREADABLE, int32 [batch_size / num_shards]: the index of an
        image that could not be read, in place of which the next one stands; else -1.
        An image smaller than the crop is a ValueError when its batch is made.
    """
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}.")
    if not len(source):
        raise ValueError("The source holds no images.")
    _check_sizes(batch_size, crop_size, shard_index, num_shards)
    # grain would derive them from the place in the chain, which may change.
    shuffle_seed, crop_seed = np.random.SeedSequence(seed).generate_state(2)
    return (
        grain.MapDataset.source(Readable(crops.LargeEnough(source, crop_size)))
        .shuffle(seed=int(shuffle_seed))
        # Without end; but grain's own endless number overflows in batches of one.
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
    """A batch without its flags, and the indices of unreadable images in it."""
    images_alone = {key: batch[key] for key in batch if key != UNREADABLE}
    flags = batch[UNREADABLE]
    return images_alone, flags[flags >= 0]


class Prefetch:
    """Batches on their way to the devices while earlier ones are worked on.

    Args:
        batches: an iterator over host batches.
        put: starts moving a host batch to the devices and returns at once.
        size: batches kept ahead.

    Attributes:
        waited_s: seconds that `next` waited for host batches, all together.

    Raises:
        ChildProcessError: from `next`, if a worker of `iterate` has died.
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
        except RuntimeError as error:  # grain's, of a worker that is gone
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
    """The batches of `dataset` from number `start_step` on, made ahead of time.

    Args:
        dataset: what `training_batches` returns.
        start_step: number of the first batch: the training step to resume from.
        num_threads: threads per process that read and cut images; 0 makes each batch
            when it is asked for.
        num_workers: processes to do so in; 0 for threads of this process alone. They
            start afresh (spawn), so a script needs `if __name__ == "__main__"`.

    Returns:
        An iterator over `Record`s; its `close()` ends its threads and processes.
    """
    if start_step < 0:
        raise ValueError(f"start_step must not be negative, got {start_step}.")
    if num_threads < 0 or num_workers < 0:
        raise ValueError(
            f"num_threads and num_workers must not be negative, got {num_threads} and "
            f"{num_workers}."
        )
    # Elements are whole batches: a few ahead are enough, grain's default would be 500.
    read_options = grain.ReadOptions(
        num_threads=num_threads, prefetch_buffer_size=2 * num_threads
    )
    stream = dataset[start_step:].to_iter_dataset(read_options)
    if num_workers:
        if not flags.FLAGS.is_parsed():  # in a notebook: grain asks for its flags here
            flags.FLAGS.mark_as_parsed()
        stream = stream.mp_prefetch(
            grain.MultiprocessingOptions(
                num_workers=num_workers, per_worker_buffer_size=2
            )
        )
    return iter(stream)


def validation_crops(source: Source, num_images: int, crop_size: int) -> Record:
    """The central crops of the first images of a source.

    Args:
        source: whole images, at least `num_images` of them.
        num_images: how many images to take.
        crop_size: side of the crops, in pixels.

    Returns:
        A record whose members are float32 [num_images, crop_size, crop_size, C].
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
    """A random crop, with the flag of its record."""
    crop = crops.random_crop(record, rng, **options)
    return {**crop, UNREADABLE: record[UNREADABLE]}


def _check_sizes(
    batch_size: int, crop_size: int, shard_index: int, num_shards: int
) -> None:
    """Raises ValueError unless such a batch can be made and shared among hosts."""
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
