"""The kernels of the mean-reverting SDE: transitions, marginals and drifts.

In y = x - mu and in the time theta_bar, the SDE is the stationary Ornstein-Uhlenbeck
process of variance lambda^2. For two steps s < t, with D = theta_bar_t - theta_bar_s,

    x_t | x_s ~ N(mu + (x_s - mu) e^-D,  lambda^2 (1 - e^-2D)),

and all kernels follow from this. They are written for one image and one pair of steps;
use `jax.vmap` for a batch. Steps may be Python integers or traced arrays. Differences
of the form 1 - e^-a are computed by `expm1`, because they would lose their digits in
float32 near t = 0.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array, PRNGKey
from irsde_jax.sde.schedules import Schedule

Step = Array | int


def transition_mean(schedule: Schedule, x: Array, mu: Array, s: Step, t: Step) -> Array:
    """Returns the mean of p(x_t | x_s).

        mu + (x_s - mu) e^-(theta_bar_t - theta_bar_s)

    Args:
        schedule: The coefficients of the SDE.
        x: The state at step s, shape [...].
        mu: The degraded image, shape of `x`.
        s: The earlier step, at which `x` is given, shape [].
        t: The later step, s <= t, shape [].

    Returns:
        The mean, shape of `x`.

    References:
        Luo et al. (2023), https://arxiv.org/abs/2301.11699, Proposition 3.1.
    """
    return mu + (x - mu) * jnp.exp(-_increment(schedule, t, s))


def transition_std(schedule: Schedule, s: Step, t: Step) -> Array:
    """Returns the standard deviation of p(x_t | x_s), shape [].

        lambda sqrt(1 - e^-2(theta_bar_t - theta_bar_s))

    References:
        Luo et al. (2023), Proposition 3.1 (the integral of its v_{s:t}).
    """
    return schedule.max_sigma * jnp.sqrt(-jnp.expm1(-2.0 * _increment(schedule, t, s)))


def marginal_mean(schedule: Schedule, x0: Array, mu: Array, t: Step) -> Array:
    """Returns the mean of p(x_t | x_0):  mu + (x0 - mu) e^-theta_bar_t.

    Args:
        schedule: The coefficients of the SDE.
        x0: The clean image, shape [...].
        mu: The degraded image, shape of `x0`.
        t: The step in 0..T, shape [].

    Returns:
        The mean m_t, shape of `x0`.

    References:
        Luo et al. (2023), Proposition 3.1.
    """
    return transition_mean(schedule, x0, mu, 0, t)


def marginal_std(schedule: Schedule, t: Step) -> Array:
    """Returns the standard deviation of p(x_t | x_0), shape [].

        lambda sqrt(1 - e^-2 theta_bar_t)

    References:
        Luo et al. (2023), Proposition 3.1 (v_t is its square).
    """
    return transition_std(schedule, 0, t)


def log_snr(schedule: Schedule, t: Step) -> Array:
    """Returns the log signal-to-noise ratio L_t = -theta_bar_t - log(std_t), shape [].

    It is the logarithm of e^-theta_bar_t / std_t. It decreases with t and is infinite
    at t = 0. `log_snr_table` computes it for all steps on the host.
    """
    return -schedule.theta_bar[t] - jnp.log(marginal_std(schedule, t))


def log_snr_table(schedule: Schedule) -> np.ndarray:
    """Returns `log_snr` at the steps 0..T, shape [T + 1].

    It is computed in float64 by NumPy, so `schedule` must be concrete, not traced.
    """
    theta_bar = np.asarray(schedule.theta_bar, np.float64)
    with np.errstate(divide="ignore"):
        log_std = 0.5 * np.log(-np.expm1(-2.0 * theta_bar))
    return -theta_bar - log_std - math.log(schedule.max_sigma)


def perturb(key: PRNGKey, schedule: Schedule, x0: Array, mu: Array, t: Step) -> Array:
    """Draws x_t from p(x_t | x_0), with the shape of `x0`.

    Args:
        key: The random key, shape []. Do not use it again.
        schedule: The coefficients of the SDE.
        x0: The clean image, shape [...].
        mu: The degraded image, shape of `x0`.
        t: The step in 0..T, shape [].
    """
    x0 = jnp.asarray(x0)
    noise = jax.random.normal(key, x0.shape, x0.dtype)
    return add_noise(schedule, x0, mu, noise, t)


def add_noise(schedule: Schedule, x0: Array, mu: Array, noise: Array, t: Step) -> Array:
    """Returns x_t = m_t + std_t noise for a given standard normal draw `noise`.

    The result has the shape of `x0`.
    """
    return marginal_mean(schedule, x0, mu, t) + marginal_std(schedule, t) * noise


def reverse_sde_drift(
    schedule: Schedule, x: Array, mu: Array, score: Array, t: Step, s: Step
) -> Array:
    """Returns the drift term of an Euler-Maruyama step of the reverse SDE.

        D (mu - x) - 2 lambda^2 D score,    D = theta_bar_t - theta_bar_s

    A step from t to s subtracts this term from x. It does not include the noise of the
    step, whose standard deviation is `reverse_noise_std`.

    Args:
        schedule: The coefficients of the SDE.
        x: The state at step t, shape [...].
        mu: The degraded image, shape of `x`.
        score: The score of p_t at `x`, shape of `x`.
        t: The current step, at which `x` is given, shape [].
        s: The next step, s < t, shape [].

    Returns:
        The drift multiplied by the increment of theta_bar, with the shape of `x`.

    References:
        Luo et al. (2023), Section 3.2, the reverse-time SDE.
    """
    increment = _increment(schedule, t, s)
    return increment * (mu - x) - 2.0 * schedule.max_sigma**2 * increment * score


def reverse_ode_drift(
    schedule: Schedule, x: Array, mu: Array, score: Array, t: Step, s: Step
) -> Array:
    """Returns the drift term of an Euler step of the probability-flow ODE.

        D (mu - x) - lambda^2 D score,    D = theta_bar_t - theta_bar_s

    A step from t to s subtracts this term from x. The arguments and the shape of the
    result are those of `reverse_sde_drift`.

    References:
        Song et al. (2021), https://arxiv.org/abs/2011.13456, eq. 13.
    """
    increment = _increment(schedule, t, s)
    return increment * (mu - x) - schedule.max_sigma**2 * increment * score


def reverse_noise_std(schedule: Schedule, t: Step, s: Step) -> Array:
    """Returns the standard deviation of the noise of an Euler-Maruyama step, shape [].

        lambda sqrt(2 D),    D = theta_bar_t - theta_bar_s

    The arguments are those of `reverse_sde_drift`.
    """
    return schedule.max_sigma * jnp.sqrt(2.0 * _increment(schedule, t, s))


def _increment(schedule: Schedule, t: Step, s: Step) -> Array:
    """Returns theta_bar_t - theta_bar_s, the time between two steps."""
    return schedule.theta_bar[t] - schedule.theta_bar[s]
