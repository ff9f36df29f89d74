"""What a training step is fed with: batches on the devices, and a key per example."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import jax
import ml_collections
import numpy as np

from irsde_jax.checkpoints import hosts
from irsde_jax.data import pipeline
from irsde_jax.data.sources import pairs
from irsde_jax.training import train_step

Config: TypeAlias = ml_collections.ConfigDict


@contextlib.contextmanager
def batches(config: Config, dataset: Any, start: int) -> Iterator[pipeline.Prefetch]:
    """Yields the batches of a run on their way to the devices, from step `start` on."""
    stream = pipeline.iterate(
        dataset,
        start,
        num_threads=config.data.num_threads,
        num_workers=config.data.num_workers,
    )
    try:
        yield pipeline.Prefetch(stream, _put)
    finally:
        stream.close()


def _put(batch: pairs.Record) -> tuple[Any, np.ndarray]:
    """A batch on its way to the devices, and its unreadable images."""
    alone, unreadable = pipeline.split_flags(batch)
    return train_step.put(alone), unreadable


def keys_of(run_key: jax.Array, batch_size: int) -> Callable[[int], jax.Array]:
    """Returns `step -> keys`, the keys of the examples that this host has of a step.

    Args:
        run_key: The key of the run, shape [].
        batch_size: The number of examples of a step on all hosts.
    """
    return jax.jit(
        lambda step: hosts.mine(train_step.example_keys(run_key, step, batch_size))
    )
