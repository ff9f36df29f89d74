"""Faults of long training runs: non-finite losses, full devices, damaged images."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jax
import ml_collections
import numpy as np

from irsde_jax.checkpoints.train_state import Skipped

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)


def check_skipped(
    skipped: Skipped,
    max_skipped: int,
    workdir: Path,
    batch_of: Callable[[int], Mapping[str, np.ndarray]],
) -> None:
    """Warns of skipped steps, and ends a run in which too many follow each other.

    A step is skipped if its loss or gradient is not finite. Before the error is raised,
    the batch of the first skipped step is written into the work directory.

    Args:
        skipped: The counts of skipped steps from the training state, on the host.
        max_skipped: The number of consecutive skipped steps that ends the run.
        workdir: The work directory of the run.
        batch_of: The function that returns the arrays of a step from its number.

    Raises:
        FloatingPointError: If `max_skipped` consecutive steps were skipped.
    """
    if not skipped.in_a_row:
        return
    first, count = int(skipped.first), int(skipped.in_a_row)
    if count < max_skipped:
        logger.warning(
            "step %d: loss or gradient is not finite; skipped, as the %d steps after "
            "it. %d in a row end the run.",
            first,
            count - 1,
            max_skipped,
        )
        return
    host = f"_{jax.process_index()}" if jax.process_count() > 1 else ""
    path = workdir / f"batch_of_step_{first}{host}.npz"
    arrays: Mapping[str, Any] = batch_of(first)
    np.savez(path, **arrays)
    raise FloatingPointError(
        f"the loss or its gradient has not been finite since step {first}, {count} "
        f"steps in a row (config.train.max_skipped={max_skipped}); the batch of step "
        f"{first} is in {path}. The weights are those of before it. Lower "
        "config.optimizer.learning_rate, or set config.optimizer.clip_norm, and start "
        "from a checkpoint before it, by --weights in another work directory."
    )


@contextlib.contextmanager
def clear_out_of_memory(config: Config) -> Iterator[None]:
    """Re-raises out-of-memory errors with the relevant settings and with advice.

    Raises:
        MemoryError: If XLA reports that a device has no memory left.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        settings, crop = config.train, config.data.crop_size
        # A user's network may have neither setting.
        dtype, remat = (config.model.get(name) for name in ("dtype", "remat"))
        raise MemoryError(
            f"a device ran out of memory in a step with train.batch_size="
            f"{settings.batch_size} over {jax.device_count()} devices in "
            f"{settings.accumulate} slices, crops of {crop} x {crop}, model.dtype="
            f"{dtype}, model.remat={remat}. Less is needed with "
            "--config.model.remat=True, with slices (--config.train.accumulate="
            f"{2 * settings.accumulate}, the same result), with "
            "--config.model.dtype=bfloat16, or with smaller batches or crops."
            f" XLA says: {str(error).splitlines()[0]}"
        ) from error


class Damage:
    """Logs the images that cannot be read, and ends a run with too many of them.

    Args:
        names: The names of the training images.
        limit: The largest number of unreadable images with which the run continues.
    """

    def __init__(self, names: list[str], limit: int):
        self._names, self._limit = names, limit
        self._seen: set[int] = set()

    def note(self, indices: np.ndarray) -> None:
        """Records the unreadable images of a batch.

        Args:
            indices: The indices of these images in the data set.

        Raises:
            ValueError: If more than `limit` different images were unreadable so far.
        """
        for index in {int(index) for index in indices} - self._seen:
            self._seen.add(index)
            logger.warning(
                "%s cannot be read; the next image is used instead (%d so far)",
                self._names[index],
                len(self._seen),
            )
        if len(self._seen) > self._limit:
            raise ValueError(
                f"{len(self._seen)} images cannot be read, such as "
                f"{self._names[min(self._seen)]}; data.max_unreadable={self._limit}. "
                "--mode=check names them all."
            )
