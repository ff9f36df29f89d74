"""The optimal reverse state, its standard deviation, and the bias of the `euler` loss.

The posterior q(x_s | x_t, x_0) follows by Bayes' rule from the transition s -> t and
the marginal at s. For any pair of steps s < t, with
a(t, s) = e^-(theta_bar_t - theta_bar_s) and a_t = a(t, 0), it has

    mean  mu + a(t,s) (1 - a_s^2) / (1 - a_t^2) (x_t - mu)
             + a_s (1 - a(t,s)^2) / (1 - a_t^2) (x_0 - mu)
    std   lambda sqrt((1 - a(t,s)^2) (1 - a_s^2) / (1 - a_t^2))

Proposition 3.2 of the paper is the case s = t - 1. Later diffusion bridges use the same
posterior; they differ in the training marginals and in the start.
"""

import jax.numpy as jnp

from irsde_jax.array_types import Array
from irsde_jax.sde.kernels import Step, marginal_std
from irsde_jax.sde.schedules import Schedule


def optimal_reverse_state(
    schedule: Schedule, x: Array, x0: Array, mu: Array, t: Step, s: Step
) -> Array:
    """Returns the mean of q(x_s | x_t, x_0), which is also the most likely state at s.

    At s = 0 it is exactly `x0`.

    Args:
        schedule: The coefficients of the SDE.
        x: The state at step t, shape [...].
        x0: The clean image or its estimate, shape of `x`.
        mu: The degraded image, shape of `x`.
        t: The step of `x`, in 1..T, shape [].
        s: The earlier step, in 0..t-1, shape [].

    Returns:
        The state, with the shape of `x`.

    References:
        Luo et al. (2023), https://arxiv.org/abs/2301.11699, Proposition 3.2 (for
        s = t - 1; the second coefficient contains theta'_t, not theta'_{t-1}).
    """
    step, whole, rest = _exponents(schedule, t, s)
    # Dividing expm1 by expm1 first makes the weights exact at s = 0.
    weight_x = jnp.exp(-step) * jnp.expm1(-2 * rest) / jnp.expm1(-2 * whole)
    weight_x0 = jnp.exp(-rest) * (jnp.expm1(-2 * step) / jnp.expm1(-2 * whole))
    return mu + weight_x * (x - mu) + weight_x0 * (x0 - mu)


def posterior_std(schedule: Schedule, t: Step, s: Step) -> Array:
    """Returns the standard deviation of q(x_s | x_t, x_0), shape []; 0 at s = 0.

    References:
        Luo et al. (2023), Proposition 3.2: this is the posterior variance that belongs
        to their optimal reverse state.
    """
    step, whole, rest = _exponents(schedule, t, s)
    variance = -jnp.expm1(-2 * step) * (jnp.expm1(-2 * rest) / jnp.expm1(-2 * whole))
    return schedule.max_sigma * jnp.sqrt(variance)


def debias_noise(
    schedule: Schedule, x: Array, mu: Array | None, noise: Array, t: Step
) -> Array:
    """Returns the noise, given the output of a network trained with the `euler` loss.

    That loss compares the Euler-Maruyama mean of a step t -> t - 1 with the optimal
    reverse state, so its minimiser is not the noise. With
    D = theta_bar_t - theta_bar_{t-1}, the minimiser is

        sinh(D)/D noise - std_t (e^D - 1 - D) / (2 lambda^2 D) (x - mu)

    and in the Denoising process (mu=None), where the estimate of x0 replaces the mean,

        [1 - e^-D + e^(-2 theta_bar_t) (e^D - 1)] / [D (1 + e^(-2 theta_bar_t))] noise.

    This function inverts these formulas.

    Args:
        schedule: The schedule that the network was trained with.
        x: The state at step t, shape [...].
        mu: The degraded image, shape of `x`, or None for the Denoising process.
        noise: The output of the network, shape of `x`.
        t: The step in 1..T, shape [].

    Returns:
        An unbiased prediction of the noise, with the shape of `x`.

    References:
        Luo et al. (2023), Section 3.3, with the objective of the released code.
    """
    if mu is None:
        return noise / _denoising_euler_bias(schedule, t)
    gain, shift = _euler_bias(schedule, t)
    return (noise + shift * (x - mu)) / gain


def bias_noise(
    schedule: Schedule, x: Array, mu: Array | None, noise: Array, t: Step
) -> Array:
    """Returns the minimiser of the `euler` loss for the true noise.

    This is the inverse of `debias_noise`.
    """
    if mu is None:
        return noise * _denoising_euler_bias(schedule, t)
    gain, shift = _euler_bias(schedule, t)
    return gain * noise - shift * (x - mu)


def _euler_bias(schedule: Schedule, t: Step) -> tuple[Array, Array]:
    """Returns sinh(D)/D and std_t (e^D - 1 - D) / (2 lambda^2 D), each of shape []."""
    increment = schedule.theta_bar[t] - schedule.theta_bar[t - 1]
    # For small D, expm1 preserves the digits of sinh(D), but e^D - 1 - D would still be
    # mostly rounding error, so (e^D - 1 - D) / D is computed from its power series.
    gain = (jnp.expm1(increment) - jnp.expm1(-increment)) / (2 * increment)
    series = increment / 2 * (1 + increment / 3 * (1 + increment / 4))
    growth = (jnp.expm1(increment) - increment) / increment
    growth = jnp.where(increment < 1e-2, series, growth)
    shift = marginal_std(schedule, t) * growth / (2 * schedule.max_sigma**2)
    return gain, shift


def _denoising_euler_bias(schedule: Schedule, t: Step) -> Array:
    """Returns the factor of the noise in the Denoising minimiser, shape []."""
    increment = schedule.theta_bar[t] - schedule.theta_bar[t - 1]
    decay = jnp.exp(-2 * schedule.theta_bar[t])
    optimal = -jnp.expm1(-increment) + decay * jnp.expm1(increment)
    return optimal / (increment * (1 + decay))


def _exponents(schedule: Schedule, t: Step, s: Step) -> tuple[Array, Array, Array]:
    """Returns theta_bar_t - theta_bar_s, theta_bar_t and theta_bar_s."""
    whole, rest = schedule.theta_bar[t], schedule.theta_bar[s]
    return whole - rest, whole, rest
