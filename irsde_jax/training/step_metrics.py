"""Metrics of a training step, and their averages over several steps for the log.

The metrics of a step stay on the device until they are logged, because fetching them
earlier would make the host wait for every step.
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
    """Returns the sum and the number of the examples' losses in each quartile of t.

    Args:
        values: The loss of each example, shape [batch].
        t: The step of each example, in 1..num_steps, shape [batch].
        num_steps: The number of steps T of the schedule.

    Returns:
        Two arrays of shape [4], which can be added up over slices of a batch and over
        devices.
    """
    quartile = (t - 1) * NUM_PARTS // num_steps
    zeros = jnp.zeros(NUM_PARTS, values.dtype)
    return {
        _SUMS: zeros.at[quartile].add(values),
        _COUNTS: zeros.at[quartile].add(1.0),
    }


def average(fetched: list[dict[str, Any]]) -> dict[str, float]:
    """Returns the means of the metrics of several steps, for one line of the log.

    Skipped steps, whose loss or gradient is not finite, do not count. If all steps were
    skipped, the means are NaN.

    Args:
        fetched: The metrics of each step, on the host.

    Returns:
        The mean of each metric, and `loss_quartile_1` to `loss_quartile_4`: the mean
        loss of all examples whose t was in that quartile of 1..T. A quartile without
        examples is missing.
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
    """The metrics of the steps since the last line of the log.

    Args:
        images_per_step: The batch size, with which the speed is computed.
    """

    def __init__(self, images_per_step: int):
        self._images_per_step = images_per_step
        self._pending: list[Metrics] = []
        self._since, self._waited_s = time.monotonic(), 0.0

    def add(self, metrics: Metrics) -> None:
        """Adds the metrics of a step, and leaves them on the device."""
        self._pending.append(metrics)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Excludes the time spent inside this context from the speed."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._since += time.monotonic() - began

    def close(self, waited_s: float) -> dict[str, float]:
        """Returns the scalars of these steps with their speed; starts a new window.

        Args:
            waited_s: The total time that the run has waited for input, in seconds.
        """
        scalars = average(jax.device_get(self._pending))
        now = time.monotonic()
        seconds = now - self._since
        scalars["images_per_s"] = len(self._pending) * self._images_per_step / seconds
        scalars["input_wait_share"] = (waited_s - self._waited_s) / seconds
        self._pending, self._since, self._waited_s = [], now, waited_s
        return scalars
