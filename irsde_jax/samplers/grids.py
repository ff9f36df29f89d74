"""Step grids, which define the steps that a sampler visits.

Networks are trained on integer steps, so a grid is a decreasing sequence of integers.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from irsde_jax import sde
from irsde_jax.array_types import Array
from irsde_jax.sde import Schedule


def _uniform(schedule: Schedule) -> np.ndarray:
    return np.arange(schedule.num_steps + 1, dtype=np.float64)


def _theta_bar(schedule: Schedule) -> np.ndarray:
    return np.asarray(schedule.theta_bar, np.float64)


def _minus_log_snr(schedule: Schedule) -> np.ndarray:
    return -sde.log_snr_table(schedule)


SPACINGS: dict[str, Callable[[Schedule], np.ndarray]] = {
    "uniform": _uniform,
    "theta_bar": _theta_bar,
    "log_snr": _minus_log_snr,
}
"""The spacings of a grid by name.

Each is an increasing function of the step, tabulated with shape [T + 1]. The points of
a grid are equally spaced in it.
"""


def timestep_grid(
    schedule: Schedule,
    num_evals: int,
    spacing: str = "uniform",
    start: int | None = None,
    end: int = 0,
) -> Array:
    """Returns the steps that a sampler visits, from `start` down to `end`.

    Steps are integers because networks are trained on integer steps. Equally spaced
    positions are rounded to the nearest step; steps that coincide are then moved apart.

    Args:
        schedule: The schedule, which must be concrete (not traced).
        num_evals: The number of network evaluations, in 1..(start - end).
        spacing: The quantity in which the grid is uniform, a key of `SPACINGS`: the
            step t, theta_bar, or the log signal-to-noise ratio. That ratio is infinite
            at step 0; a grid that ends there is uniform down to step 1.
        start: The first step. By default it is T.
        end: The last step. The default 0 stands for the clean image.

    Returns:
        The strictly decreasing steps, int32, shape [num_evals + 1].

    Raises:
        ValueError: If an argument is out of range.
    """
    if spacing not in SPACINGS:
        raise ValueError(f"spacing={spacing!r} is not one of {sorted(SPACINGS)}.")
    start = schedule.num_steps if start is None else start
    for name, value in (("num_evals", num_evals), ("start", start), ("end", end)):
        if not isinstance(value, int | np.integer):
            raise ValueError(f"{name} must be an integer, got {value!r}.")
    if not 0 <= end < start <= schedule.num_steps:
        raise ValueError(
            f"a grid runs from start to end with 0 <= end < start <= T = "
            f"{schedule.num_steps}; got start={start}, end={end}."
        )
    if not 1 <= num_evals <= start - end:
        raise ValueError(
            f"num_evals={num_evals} must lie in 1..{start - end}: the steps from "
            f"{start} down to {end} are integers and each is visited once."
        )
    position = SPACINGS[spacing](schedule)
    if np.isinf(position[end]) and num_evals > 1:
        inner = np.linspace(position[start], position[end + 1], num_evals)
        targets = np.append(inner, position[end])
    else:
        targets = np.linspace(position[start], max(position[end], -1e30), num_evals + 1)
    nearest = np.abs(position[None, :] - targets[:-1, None]).argmin(axis=1)
    steps = np.append(nearest, end)
    count = np.arange(num_evals + 1)
    # First leave enough steps for the rest of the grid. Then make the grid strictly
    # decreasing, which means that steps + count must not increase.
    steps = np.maximum(steps, end + num_evals - count)
    steps = np.minimum.accumulate(np.minimum(steps, start - count) + count) - count
    return jnp.asarray(steps, jnp.int32)
