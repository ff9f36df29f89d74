"""The optimal reverse state: mean and std of q(x_s | x_t, x_0), and the euler bias.

Bayes' rule joins the transition s -> t to the marginal at s. For *any* pair of steps
s < t, with a(t, s) = e^-(theta_bar_t - theta_bar_s) and a_t = a(t, 0):

    mean  mu + a(t,s) (1 - a_s^2) / (1 - a_t^2) (x_t - mu)
             + a_s (1 - a(t,s)^2) / (1 - a_t^2) (x_0 - mu)
    std   lambda sqrt((1 - a(t,s)^2) (1 - a_s^2) / (1 - a_t^2))

The paper's Proposition 3.2 is s = t - 1. The same posterior serves the diffusion
bridges that came later; they differ in training marginals and start.
"""

import jax.numpy as jnp

from irsde_jax.array_types import Array
from irsde_jax.sde.kernels import Step, marginal_std
from irsde_jax.sde.schedules import Schedule


def optimal_reverse_state(
    schedule: Schedule, x: Array, x0: Array, mu: Array, t: Step, s: Step
) -> Array:
    """Mean and mode of q(x_s | x_t, x_0), the most likely state at s; x_0 at s = 0.

    Args:
        schedule: SDE coefficients.
        x: state at step t, shape [...].
        x0: clean image or its estimate, shape of `x`.
        mu: degraded image, shape of `x`.
        t: step one is at, in 1..T, shape [].
        s: step one goes to, in 0..t-1, shape [].

    Returns:
        The state, shape of `x`.

    References:
        Luo et al. (2023), https://arxiv.org/abs/2301.11699, Proposition 3.2 (there
        s = t - 1; its second coefficient has theta'_t, not theta'_{t-1}).
    """
    step, whole, rest = _exponents(schedule, t, s)
    # Ratios of expm1 rather than a product of fractions: exact at s = 0.
    weight_x = jnp.exp(-step) * jnp.expm1(-2 * rest) / jnp.expm1(-2 * whole)
    weight_x0 = jnp.exp(-rest) * (jnp.expm1(-2 * step) / jnp.expm1(-2 * whole))
    return mu + weight_x * (x - mu) + weight_x0 * (x0 - mu)


def posterior_std(schedule: Schedule, t: Step, s: Step) -> Array:
    """Std of q(x_s | x_t, x_0), shape []; exactly 0 at s = 0.

    References:
        The variance that goes with Luo et al. (2023), Proposition 3.2.
    """
    step, whole, rest = _exponents(schedule, t, s)
    variance = -jnp.expm1(-2 * step) * (jnp.expm1(-2 * rest) / jnp.expm1(-2 * whole))
    return schedule.max_sigma * jnp.sqrt(variance)


def debias_noise(
    schedule: Schedule, x: Array, mu: Array | None, noise: Array, t: Step
) -> Array:
    """The noise meant by a network that was trained with the `euler` loss.

    That loss compares the Euler-Maruyama mean of a step t -> t - 1 with the optimal
    reverse state, so its minimiser is not the noise. With D = theta_bar_t -
    theta_bar_{t-1} it is

        sinh(D)/D noise - std_t (e^D - 1 - D) / (2 lambda^2 D) (x - mu)

    and, in the Denoising process (mu=None), whose mean moves with the estimate,

        [1 - e^-D + e^(-2 theta_bar_t) (e^D - 1)] / [D (1 + e^(-2 theta_bar_t))] noise.

    This is its inverse.

    Args:
        schedule: the schedule the network was trained with.
        x: state at step t, shape [...].
        mu: degraded image, shape of `x`, or None.
        noise: what the network returned, shape of `x`.
        t: step in 1..T, shape [].

    Returns:
        An unbiased prediction of the noise, shape of `x`.

    References:
        Luo et al. (2023), Section 3.3, the objective as the released code computes it.
    """
    if mu is None:
        return noise / _denoising_euler_bias(schedule, t)
    gain, shift = _euler_bias(schedule, t)
    return (noise + shift * (x - mu)) / gain


def bias_noise(
    schedule: Schedule, x: Array, mu: Array | None, noise: Array, t: Step
) -> Array:
    """The inverse of `debias_noise`: the `euler` loss's minimiser for true `noise`."""
    if mu is None:
        return noise * _denoising_euler_bias(schedule, t)
    gain, shift = _euler_bias(schedule, t)
    return gain * noise - shift * (x - mu)


def _euler_bias(schedule: Schedule, t: Step) -> tuple[Array, Array]:
    """sinh(D)/D and std_t (e^D - 1 - D) / (2 lambda^2 D), each shape []."""
    increment = schedule.theta_bar[t] - schedule.theta_bar[t - 1]
    # sinh by expm1 pairs, and (e^D - 1 - D) / D by its series where D is so small that
    # the subtraction would leave rounding alone.
    gain = (jnp.expm1(increment) - jnp.expm1(-increment)) / (2 * increment)
    series = increment / 2 * (1 + increment / 3 * (1 + increment / 4))
    growth = (jnp.expm1(increment) - increment) / increment
    growth = jnp.where(increment < 1e-2, series, growth)
    shift = marginal_std(schedule, t) * growth / (2 * schedule.max_sigma**2)
    return gain, shift


def _denoising_euler_bias(schedule: Schedule, t: Step) -> Array:
    """The gain of the Denoising process's minimiser, shape []."""
    increment = schedule.theta_bar[t] - schedule.theta_bar[t - 1]
    decay = jnp.exp(-2 * schedule.theta_bar[t])
    optimal = -jnp.expm1(-increment) + decay * jnp.expm1(increment)
    return optimal / (increment * (1 + decay))


def _exponents(schedule: Schedule, t: Step, s: Step) -> tuple[Array, Array, Array]:
    """theta_bar_t - theta_bar_s, theta_bar_t and theta_bar_s."""
    whole, rest = schedule.theta_bar[t], schedule.theta_bar[s]
    return whole - rest, whole, rest
