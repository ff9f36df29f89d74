"""What goes wrong in long trainings, and what is said and left behind when it does."""

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
    """Warns of steps that were not finite; ends a run that is stuck in them.

    Args:
        skipped: of the state, on the host.
        max_skipped: how many in a row are the end.
        workdir: where the batch of the first of them is written.
        batch_of: the arrays that a step was given, by its number.

    Raises:
        FloatingPointError: after `max_skipped` in a row.
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
    """Has an exhausted device say what was asked of it, and what would ask for less.

    Raises:
        MemoryError: in place of XLA's own error.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        settings, crop = config.train, config.data.crop_size
        # A network of a user's own may have neither.
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
    """Names the images that cannot be read, and stops where there are too many."""

    def __init__(self, names: list[str], limit: int):
        self._names, self._limit = names, limit
        self._seen: set[int] = set()

    def note(self, indices: np.ndarray) -> None:
        """Takes the indices of unreadable images in a batch."""
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
