"""The inputs of a training step: batches on the devices, and one key per example."""

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
    """Yields the batches from step `start` on, while they move to the devices."""
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
    """Starts moving a batch to the devices; returns it and its unreadable images."""
    alone, unreadable = pipeline.split_flags(batch)
    return train_step.put(alone), unreadable


def keys_of(run_key: jax.Array, batch_size: int) -> Callable[[int], jax.Array]:
    """Returns a function from a step to the keys of this host's examples.

    Args:
        run_key: The key of the run, shape [].
        batch_size: The number of examples of a step on all hosts together.
    """
    return jax.jit(
        lambda step: hosts.mine(train_step.example_keys(run_key, step, batch_size))
    )
