"""What a training step says of itself, and how many steps are summed up in a line.

A step's metrics stay on the device until they are logged: fetching them earlier would
make the host wait for every step.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array

Metrics: TypeAlias = dict[str, Array]

NUM_PARTS = 4
_SUMS, _COUNTS = "loss_sums", "loss_counts"


def by_quartile(values: Array, t: Array, num_steps: int) -> Metrics:
    """Sums of the examples' losses, and how many they are, by quartile of t.

    Args:
        values: the loss of each example, shape [batch].
        t: their steps, in 1..num_steps, shape [batch].
        num_steps: T.

    Returns:
        Two arrays of shape [4]: they add up over slices of a batch and over devices.
    """
    quartile = (t - 1) * NUM_PARTS // num_steps
    zeros = jnp.zeros(NUM_PARTS, values.dtype)
    return {
        _SUMS: zeros.at[quartile].add(values),
        _COUNTS: zeros.at[quartile].add(1.0),
    }


def average(fetched: list[dict[str, Any]]) -> dict[str, float]:
    """The scalars of some steps as one line of the log.

    Steps that were skipped count for nothing; NaN stands for no step at all.

    Args:
        fetched: metrics of each step, on the host.

    Returns:
        The mean of each metric; `loss_quartile_1` to `_4` over all examples whose t was
        in that quartile of 1..T, left out where there were none.
    """
    used = [m for m in fetched if np.isfinite([m["loss"], m["grad_norm"]]).all()]
    names = [name for name in fetched[0] if name not in (_SUMS, _COUNTS)]
    scalars = {
        name: float(np.mean([m[name] for m in used])) if used else float("nan")
        for name in names
    }
    if used and _SUMS in used[0]:
        sums, counts = (np.sum([m[n] for m in used], axis=0) for n in (_SUMS, _COUNTS))
        for part in np.flatnonzero(counts):
            scalars[f"loss_quartile_{part + 1}"] = float(sums[part] / counts[part])
    return scalars


class Window:
    """The steps since the last line of the log.

    Args:
        images_per_step: for the speed; the batch size.
    """

    def __init__(self, images_per_step: int):
        self._images_per_step = images_per_step
        self._pending: list[Metrics] = []
        self._since, self._waited_s = time.monotonic(), 0.0

    def add(self, metrics: Metrics) -> None:
        """Keeps the metrics of a step where they are."""
        self._pending.append(metrics)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What is done meanwhile, such as a validation, is no time of the steps."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._since += time.monotonic() - began

    def close(self, waited_s: float) -> dict[str, float]:
        """The line of these steps, with their speed; starts a new window.

        Args:
            waited_s: seconds that the run has waited for input, all together.
        """
        scalars = average(jax.device_get(self._pending))
        now = time.monotonic()
        seconds = now - self._since
        scalars["images_per_s"] = len(self._pending) * self._images_per_step / seconds
        scalars["input_wait_share"] = (waited_s - self._waited_s) / seconds
        self._pending, self._since, self._waited_s = [], now, waited_s
        return scalars
