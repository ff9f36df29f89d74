"""Conversions between the noise in a state and the score, x0 and v.

A network predicts one of these four quantities, and each of them determines the others.
All functions are written for one image and one step t, with x_t = m_t + std_t noise.
"""

import jax.numpy as jnp

from irsde_jax.array_types import Array
from irsde_jax.sde.kernels import Step, marginal_mean, marginal_std
from irsde_jax.sde.schedules import Schedule


def noise_to_score(schedule: Schedule, noise: Array, t: Step) -> Array:
    """Returns the score of p(x_t | x_0) at x_t:  -noise / std_t.

    The step t lies in 1..T; the score has the shape of `noise`.

    References:
        Luo et al. (2023), Section 3.2.
    """
    return -noise / marginal_std(schedule, t)


def score_to_noise(schedule: Schedule, score: Array, t: Step) -> Array:
    """Returns the noise that corresponds to `score`:  -score std_t.

    The noise has the shape of `score`. This is the inverse of `noise_to_score`.
    """
    return -score * marginal_std(schedule, t)


def noise_to_x0(
    schedule: Schedule, x: Array, mu: Array, noise: Array, t: Step
) -> Array:
    """Returns the x0 that `noise` perturbs to `x` at step t, with the shape of `x`.

        mu + (x - mu - std_t noise) e^theta_bar_t

    Args:
        schedule: The coefficients of the SDE.
        x: The state at step t, shape [...].
        mu: The degraded image, shape of `x`.
        noise: The standard normal noise in `x`, or its prediction, shape of `x`.
        t: The step in 0..T, shape [].
    """
    growth = jnp.exp(schedule.theta_bar[t])
    return mu + (x - mu - marginal_std(schedule, t) * noise) * growth


def x0_to_noise(schedule: Schedule, x: Array, x0: Array, mu: Array, t: Step) -> Array:
    """Returns the noise that perturbs `x0` to `x` at step t:  (x - m_t) / std_t.

    The step t lies in 1..T; the noise has the shape of `x`.
    """
    return (x - marginal_mean(schedule, x0, mu, t)) / marginal_std(schedule, t)


def v_to_noise(schedule: Schedule, x: Array, mu: Array, v: Array, t: Step) -> Array:
    """Returns the noise in `x` that a v-prediction implies, with the shape of `x`.

        e^-theta_bar_t v + std_t (x - mu) / lambda^2

    In y = x - mu, a state is y_t = cos(phi) y_0 + sin(phi) lambda noise with
    cos(phi) = e^-theta_bar_t. The velocity v is dy_t / dphi in units of lambda:

        v = cos(phi) noise - sin(phi) (x_0 - mu) / lambda

    Near step 0, v is close to the noise. Near step T, it is close to
    -(x_0 - mu) / lambda, which determines x_0 where the noise barely depends on it. At
    every step, an error e in v changes the predicted x_0 by at most lambda e.

    Args:
        schedule: The coefficients of the SDE.
        x: The state at step t, shape [...].
        mu: The mean, shape of `x`.
        v: The velocity or its prediction, shape of `x`.
        t: The step in 0..T, shape [].

    References:
        Salimans & Ho (2022), https://arxiv.org/abs/2202.00512, Appendix D, which
        treats mu = 0 and lambda = 1.
    """
    share = marginal_std(schedule, t) / schedule.max_sigma**2
    return jnp.exp(-schedule.theta_bar[t]) * v + share * (x - mu)


def noise_to_v(schedule: Schedule, x: Array, mu: Array, noise: Array, t: Step) -> Array:
    """Returns the v that corresponds to the noise in `x`; inverts `v_to_noise`.

        (noise - std_t (x - mu) / lambda^2) e^theta_bar_t

    The arguments are those of `v_to_noise`, with `noise` instead of `v`.
    """
    share = marginal_std(schedule, t) / schedule.max_sigma**2
    return (noise - share * (x - mu)) * jnp.exp(schedule.theta_bar[t])


def mean_and_x0(
    schedule: Schedule, x: Array, mu: Array | None, noise: Array, t: Step
) -> tuple[Array, Array]:
    """Returns the mean of the process and the x0 that `noise` implies.

    IR-SDE and the Denoising-SDE differ only here. If `mu` is given (in IR-SDE it is the
    degraded image), the mean is `mu`. With `mu=None` (Denoising-SDE), the mean is the
    unknown clean image itself, so that x_t = x0 + std_t noise. The estimate of x0 then
    replaces the mean:

        mu = x0_hat = x - std_t noise

    Args:
        schedule: The coefficients of the SDE.
        x: The state at step t, shape [...].
        mu: The degraded image, shape of `x`, or None.
        noise: The standard normal noise in `x`, or its prediction, shape of `x`.
        t: The step in 0..T, shape [].

    Returns:
        The mean and x0_hat, each of the shape of `x`.
    """
    if mu is None:
        x0_hat = x - marginal_std(schedule, t) * noise
        return x0_hat, x0_hat
    return mu, noise_to_x0(schedule, x, mu, noise, t)
