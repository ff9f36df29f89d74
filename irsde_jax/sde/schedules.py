"""Theta schedules, which describe the SDE by one table and one number.

The forward process of IR-SDE,

    dx = theta_t (mu - x) dt + sigma_t dw,    sigma_t^2 = 2 lambda^2 theta_t,

depends on theta only through the integral theta_bar of theta. In y = x - mu and in the
time theta_bar, it is the stationary Ornstein-Uhlenbeck process of variance lambda^2. A
schedule is therefore an increasing table `theta_bar[0..T]` and the number `max_sigma`,
which is lambda.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax import registry
from irsde_jax.array_types import Array


class Schedule(NamedTuple):
    """The coefficients of the discretised mean-reverting SDE.

    Attributes:
        theta_bar: The integrated mean-reversion speed, shape [T + 1]. It is 0 at index
            0 (the clean image) and -log(delta) at index T (the degraded image).
        max_sigma: The stationary standard deviation lambda, in image units, shape [].
    """

    theta_bar: Array
    max_sigma: Array

    @property
    def num_steps(self) -> int:
        """The number of steps T."""
        return self.theta_bar.shape[0] - 1


def cosine_thetas(num_steps: int) -> np.ndarray:
    """Returns theta_i = 1 - f(i + 1) / f(0) of the cosine schedule f, shape [T + 1].

    f(i) = cos^2(pi/2 (i/N + 0.008) / 1.008) with N = T + 2. This is eq. 17 of Nichol &
    Dhariwal (2021), which IR-SDE uses for theta instead of alpha.
    """
    steps = np.arange(num_steps + 2, dtype=np.float64)
    signal = np.cos((steps / (num_steps + 2) + 0.008) / 1.008 * np.pi / 2) ** 2
    thetas: np.ndarray = 1.0 - signal[1:] / signal[0]
    return thetas


def linear_thetas(num_steps: int) -> np.ndarray:
    """Returns thetas that rise linearly, shape [T + 1].

    They rise from 1e-4 to 2e-2, both multiplied by 1000 / (T + 1).
    """
    return np.linspace(1e-4, 2e-2, num_steps + 1) * (1000 / (num_steps + 1))


def constant_thetas(num_steps: int) -> np.ndarray:
    """Returns theta_t = 1, shape [T + 1]."""
    return np.ones(num_steps + 1)


ThetaFn: TypeAlias = Callable[[int], np.ndarray]
"""A theta schedule: a function from T to the unscaled theta_0..theta_T, [T + 1]."""

THETAS: dict[str, ThetaFn] = {
    "cosine": cosine_thetas,
    "linear": linear_thetas,
    "constant": constant_thetas,
}


def make_schedule(
    num_steps: int = 100,
    max_sigma: float = 10 / 255,
    thetas: str = "cosine",
    delta: float = 0.005,
    dtype: Any = jnp.float32,
) -> Schedule:
    """Returns a schedule, with the thetas scaled so that theta_bar_T = -log(delta).

    Args:
        num_steps: The number of steps T, at least 1.
        max_sigma: The stationary standard deviation lambda in image units, in (0, 1].
        thetas: The theta schedule: a key of `THETAS`, or "package.module:name" for a
            function of your own with the same signature (`registry.find`).
        delta: The fraction of x0 - mu that remains at step T, in (0, 1).
        dtype: The type of the stored values. They are always computed in float64;
            storing them in float64 requires `jax_enable_x64`.

    Raises:
        ValueError: If an argument is out of range, or if `dtype` is float64 but JAX
            does not have 64-bit types enabled.

    References:
        Luo et al. (2023), https://arxiv.org/abs/2301.11699, Section 3.1. delta, and
        the sum without theta_0, are those of the released code.
    """
    theta_fn = registry.find(thetas, THETAS, "schedule.thetas")
    if not isinstance(num_steps, int | np.integer) or num_steps < 1:
        raise ValueError(f"num_steps must be an integer >= 1, got {num_steps!r}.")
    if not 0 < max_sigma <= 1:
        raise ValueError(
            f"max_sigma is in image units, (0, 1]; got {max_sigma}. Did you mean "
            f"{max_sigma} / 255?"
        )
    if not 0 < delta < 1:
        raise ValueError(f"delta must lie in (0, 1), got {delta}.")
    cumsum = np.cumsum(_checked(theta_fn(num_steps), thetas, num_steps))
    cumsum -= cumsum[0]
    if jax.dtypes.canonicalize_dtype(dtype) != jnp.dtype(dtype):
        raise ValueError(
            f"dtype={jnp.dtype(dtype).name} would be narrowed: set "
            "jax.config.update('jax_enable_x64', True) first."
        )
    theta_bar = jnp.asarray(-math.log(delta) * (cumsum / cumsum[-1]), dtype)
    return Schedule(theta_bar, jnp.asarray(max_sigma, dtype))


def _checked(values: np.ndarray, name: str, num_steps: int) -> np.ndarray:
    """Returns the values of a theta schedule in float64, after checking them.

    Raises:
        ValueError: If the shape is wrong, if a value is not finite, or if
            theta_1..theta_T are not all positive.
    """
    values = np.asarray(values, np.float64)
    if values.shape != (num_steps + 1,):
        raise ValueError(
            f"schedule.thetas={name!r} returned the shape {values.shape}; it must "
            f"return theta_0..theta_T, shape [{num_steps + 1}] for T = {num_steps}."
        )
    if not (np.isfinite(values).all() and (values[1:] > 0).all()):
        raise ValueError(
            f"schedule.thetas={name!r} returned values that are not positive and "
            "finite; each of theta_1..theta_T must be, so that theta_bar rises."
        )
    return values


def start_step(schedule: Schedule, sigma: float) -> int:
    """Returns the step at which the Denoising-SDE starts for the noise level `sigma`.

        t* = argmin_t |theta_bar_t + log(1 - sigma^2 / lambda^2) / 2|,   t in 0..T

    It is the step whose marginal standard deviation is closest to `sigma`, measured in
    theta_bar.

    Args:
        schedule: The schedule, which must be concrete (not traced).
        sigma: The noise level of the image in image units, in [0, max_sigma).

    Returns:
        The step t*, a Python integer.

    Raises:
        ValueError: If `sigma` is out of range.

    References:
        Luo et al. (2023), the Denoising-SDE of the denoising experiments.
    """
    max_sigma = float(schedule.max_sigma)
    # Both are compared in the precision of the table, because lambda may have been
    # rounded up when it was stored in float32.
    if not 0 <= float(np.asarray(sigma, schedule.max_sigma.dtype)) < max_sigma:
        hint = f" Did you mean {sigma} / 255?" if sigma > 1 else ""
        raise ValueError(
            f"sigma is in image units and must lie in [0, max_sigma), here "
            f"[0, {max_sigma:.4f}); got {sigma}.{hint} A noisier image needs a "
            "schedule with a larger max_sigma."
        )
    target = -0.5 * math.log1p(-((sigma / max_sigma) ** 2))
    return int(np.argmin(np.abs(np.asarray(schedule.theta_bar, np.float64) - target)))
