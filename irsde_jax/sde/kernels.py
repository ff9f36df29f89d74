"""The kernels of the mean-reverting SDE: transition, marginal, drifts.

All are the stationary Ornstein-Uhlenbeck process of variance lambda^2 in y = x - mu and
in the time theta_bar. Between two steps s < t, with D = theta_bar_t - theta_bar_s,

    x_t | x_s ~ N(mu + (x_s - mu) e^-D,  lambda^2 (1 - e^-2D)),

and everything else follows. Written for one image and one pair of steps; `vmap` them at
the edge. Steps may be Python integers or traced. Differences of the form 1 - e^-a are
computed by `expm1`: near t = 0 float32 would lose their digits.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array, PRNGKey
from irsde_jax.sde.schedules import Schedule

Step = Array | int


def transition_mean(schedule: Schedule, x: Array, mu: Array, s: Step, t: Step) -> Array:
    """Mean of p(x_t | x_s), forwards:  mu + (x_s - mu) e^-(theta_bar_t - theta_bar_s).

    Args:
        schedule: SDE coefficients.
        x: state at step s, shape [...].
        mu: degraded image, shape of `x`.
        s: step one is at, shape [].
        t: step one goes to, s <= t, shape [].

    Returns:
        The mean, shape of `x`.

    References:
        Luo et al. (2023), https://arxiv.org/abs/2301.11699, Proposition 3.1.
    """
    return mu + (x - mu) * jnp.exp(-_increment(schedule, t, s))


def transition_std(schedule: Schedule, s: Step, t: Step) -> Array:
    """Std of p(x_t | x_s):  lambda sqrt(1 - e^-2(theta_bar_t - theta_bar_s)), shape [].

    References:
        Luo et al. (2023), Proposition 3.1 (the integral of its v_{s:t}).
    """
    return schedule.max_sigma * jnp.sqrt(-jnp.expm1(-2.0 * _increment(schedule, t, s)))


def marginal_mean(schedule: Schedule, x0: Array, mu: Array, t: Step) -> Array:
    """Mean of p(x_t | x_0):  mu + (x0 - mu) e^-theta_bar_t.

    Args:
        schedule: SDE coefficients.
        x0: clean image, shape [...].
        mu: degraded image, shape of `x0`.
        t: step in 0..T, shape [].

    Returns:
        The mean m_t, shape of `x0`.

    References:
        Luo et al. (2023), Proposition 3.1.
    """
    return transition_mean(schedule, x0, mu, 0, t)


def marginal_std(schedule: Schedule, t: Step) -> Array:
    """Std of p(x_t | x_0):  lambda sqrt(1 - e^-2 theta_bar_t), shape [].

    References:
        Luo et al. (2023), Proposition 3.1 (v_t is its square).
    """
    return transition_std(schedule, 0, t)


def log_snr(schedule: Schedule, t: Step) -> Array:
    """The log signal-to-noise ratio  L_t = -theta_bar_t - log(std_t), shape [].

    It is the logarithm of e^-theta_bar_t / std_t, falls in t and is infinite at t = 0.
    `log_snr_table` is the same for all steps, on the host.
    """
    return -schedule.theta_bar[t] - jnp.log(marginal_std(schedule, t))


def log_snr_table(schedule: Schedule) -> np.ndarray:
    """`log_snr` at the steps 0..T in float64, of a concrete schedule, shape [T + 1]."""
    theta_bar = np.asarray(schedule.theta_bar, np.float64)
    with np.errstate(divide="ignore"):
        log_std = 0.5 * np.log(-np.expm1(-2.0 * theta_bar))
    return -theta_bar - log_std - math.log(schedule.max_sigma)


def perturb(key: PRNGKey, schedule: Schedule, x0: Array, mu: Array, t: Step) -> Array:
    """Draws x_t from p(x_t | x_0), shape of `x0`.

    Args:
        key: consumed, shape [].
        schedule: SDE coefficients.
        x0: clean image, shape [...].
        mu: degraded image, shape of `x0`.
        t: step in 0..T, shape [].
    """
    x0 = jnp.asarray(x0)
    noise = jax.random.normal(key, x0.shape, x0.dtype)
    return add_noise(schedule, x0, mu, noise, t)


def add_noise(schedule: Schedule, x0: Array, mu: Array, noise: Array, t: Step) -> Array:
    """x_t = m_t + sqrt(v_t) noise for given standard normal `noise`, shape of `x0`."""
    return marginal_mean(schedule, x0, mu, t) + marginal_std(schedule, t) * noise


def reverse_sde_drift(
    schedule: Schedule, x: Array, mu: Array, score: Array, t: Step, s: Step
) -> Array:
    """What the reverse SDE subtracts from x over t -> s, without its noise.

        D (mu - x) - 2 lambda^2 D score,    D = theta_bar_t - theta_bar_s

    Args:
        schedule: SDE coefficients.
        x: state at step t, shape [...].
        mu: degraded image, shape of `x`.
        score: score of p_t at `x`, shape of `x`.
        t: step one is at, shape [].
        s: step one goes to, s < t, shape [].

    Returns:
        The drift times the increment of its time, shape of `x`.

    References:
        Luo et al. (2023), Section 3.2, the reverse-time SDE by Euler-Maruyama.
    """
    increment = _increment(schedule, t, s)
    return increment * (mu - x) - 2.0 * schedule.max_sigma**2 * increment * score


def reverse_ode_drift(
    schedule: Schedule, x: Array, mu: Array, score: Array, t: Step, s: Step
) -> Array:
    """What the probability-flow ODE subtracts from x over t -> s.

        D (mu - x) - lambda^2 D score,    D = theta_bar_t - theta_bar_s

    Arguments and result as in `reverse_sde_drift`.

    References:
        Song et al. (2021), https://arxiv.org/abs/2011.13456, eq. 13.
    """
    increment = _increment(schedule, t, s)
    return increment * (mu - x) - schedule.max_sigma**2 * increment * score


def reverse_noise_std(schedule: Schedule, t: Step, s: Step) -> Array:
    """Std of the noise of an Euler-Maruyama step:  lambda sqrt(2 D), shape []."""
    return schedule.max_sigma * jnp.sqrt(2.0 * _increment(schedule, t, s))


def _increment(schedule: Schedule, t: Step, s: Step) -> Array:
    """theta_bar_t - theta_bar_s, what the process covers between two steps."""
    return schedule.theta_bar[t] - schedule.theta_bar[s]
