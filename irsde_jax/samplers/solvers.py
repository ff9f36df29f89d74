"""The reverse-time solvers, each a pair of functions.

A solver is a pair

    init(x) -> memory
    step(memory, schedule, x, mu, noise, fresh, t, s) -> (x_s, memory)

where `noise` is the network's prediction at step t and `fresh` a standard normal drawn
by `samplers.sample`, so that a test can replay given noise. Solvers hold the increments
of whatever grid they are given: (t, s) need not be neighbours. `mu=None` means the
Denoising process, whose mean is the unknown clean image: its current estimate stands in
for mu.

In y = x - mu the process is a variance-preserving diffusion scaled by lambda, and
L = log(a_t / std_t) its log signal-to-noise ratio. The `mr_*` solvers are exact in the
linear part and differ in how they extrapolate the data prediction (MR Sampler, ICLR
2025, https://arxiv.org/abs/2502.07856: DPM-Solver++ in y).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from irsde_jax import sde
from irsde_jax.array_types import Array
from irsde_jax.sde import Schedule

Memory = Any
Step = Array | int


class Solver(NamedTuple):
    """A reverse-time solver.

    Attributes:
        init: `init(x) -> memory`, what the solver carries from step to step.
        step: `step(memory, schedule, x, mu, noise, fresh, t, s) -> (x_s, memory)`; all
            images have the shape of x, t and s have shape []; mu may be None.
    """

    init: Callable[[Array], Memory]
    step: Callable[..., tuple[Array, Memory]]


def _no_memory(x: Array) -> tuple[()]:
    """The memory of a one-step method."""
    del x
    return ()


def _euler_sde(memory, schedule, x, mu, noise, fresh, t, s):
    """Euler-Maruyama on the reverse-time SDE, with noise at its last step too."""
    mean, _ = sde.mean_and_x0(schedule, x, mu, noise, t)
    score = sde.noise_to_score(schedule, noise, t)
    drift = sde.reverse_sde_drift(schedule, x, mean, score, t, s)
    return x - drift + sde.reverse_noise_std(schedule, t, s) * fresh, memory


def _euler_ode(memory, schedule, x, mu, noise, fresh, t, s):
    """Euler's method on the probability-flow ODE."""
    del fresh
    mean, _ = sde.mean_and_x0(schedule, x, mu, noise, t)
    score = sde.noise_to_score(schedule, noise, t)
    return x - sde.reverse_ode_drift(schedule, x, mean, score, t, s), memory


def _mean_ode(memory, schedule, x, mu, noise, fresh, t, s):
    """The reverse SDE's drift without its noise (GOUB's "mean ODE")."""
    return _euler_sde(memory, schedule, x, mu, noise, jnp.zeros_like(fresh), t, s)


def _posterior(memory, schedule, x, mu, noise, fresh, t, s):
    """Draws x_s from q(x_s | x_t, x0_hat): ancestral sampling at any stride."""
    mean, x0_hat = sde.mean_and_x0(schedule, x, mu, noise, t)
    state = sde.optimal_reverse_state(schedule, x, x0_hat, mean, t, s)
    return state + sde.posterior_std(schedule, t, s) * fresh, memory


def _mr_ode_1(memory, schedule, x, mu, noise, fresh, t, s):
    """First-order exponential integrator of the ODE; it is DDIM in y = x - mu."""
    del fresh
    x, _ = _exponential_ode(schedule, x, mu, noise, t, s, None)
    return x, memory


def _mr_ode_2(memory, schedule, x, mu, noise, fresh, t, s):
    """Second order: the data prediction is extrapolated linearly in log-SNR."""
    del fresh
    return _exponential_ode(schedule, x, mu, noise, t, s, memory)


def _mr_sde_2(memory, schedule, x, mu, noise, fresh, t, s):
    """Second-order exponential integrator of the reverse SDE."""
    if mu is None:
        raise ValueError(
            "mr_sde_2 has no Denoising form (mu=None): its mean moves with the "
            "estimate. Use 'mr_sde_1', or 'mr_ode_2' for a second order."
        )
    state, _ = _posterior((), schedule, x, mu, noise, fresh, t, s)
    h = _log_snr(schedule, s) - _log_snr(schedule, t)
    data = sde.noise_to_x0(schedule, x, mu, noise, t)
    weight = jnp.exp(-schedule.theta_bar[s]) * _second_order_weight(2 * h)
    new = state + weight * _extrapolation(memory, data, h)
    return new, _remember(data, h, x)


class Previous(NamedTuple):
    """What a two-step method remembers of the step before; h = inf before the first."""

    data: Array
    h: Array


def _remember_nothing_yet(x: Array) -> Previous:
    """An infinite last stride: the first step is then of order 1 by itself."""
    return Previous(jnp.zeros_like(x), jnp.full((), jnp.inf, x.dtype))


def _remember(data: Array, h: Array, x: Array) -> Previous:
    """The memory after a step, in the type of x, as it was before it."""
    return Previous(data.astype(x.dtype), h.astype(x.dtype))


def _exponential_ode(schedule, x, mu, noise, t, s, previous):
    """y_s = (std_s/std_t) y_t + a_s (1 - e^-h) y0_hat, plus the second order.

    The Denoising process (mu=None) has the marginal x0 + std_t noise: the same rows
    hold for x itself with a = 1 and L = -log std.
    """
    mean, x0_hat = sde.mean_and_x0(schedule, x, mu, noise, t)
    ratio = sde.marginal_std(schedule, s) / sde.marginal_std(schedule, t)
    if mu is None:
        mean, signal, h = jnp.zeros_like(x), jnp.ones_like(ratio), -jnp.log(ratio)
    else:
        signal = jnp.exp(-schedule.theta_bar[s])
        h = _log_snr(schedule, s) - _log_snr(schedule, t)
    new = mean + ratio * (x - mean) - signal * jnp.expm1(-h) * (x0_hat - mean)
    if previous is not None:
        weight = signal * _second_order_weight(h)
        new = new + weight * _extrapolation(previous, x0_hat, h)
    return new, _remember(x0_hat, h, x)


def _second_order_weight(h: Array) -> Array:
    """1 - (1 - e^-h) / h."""
    return 1.0 + jnp.expm1(-h) / h


def _extrapolation(previous: Previous, data: Array, h: Array) -> Array:
    """The backward difference of the data prediction, scaled to the stride h.

    0 at h = inf, that is at s = 0, where the methods fall back to order 1.
    """
    stride = jnp.where(jnp.isinf(h), 0.0, h / previous.h)
    return (data - previous.data) * stride


def _log_snr(schedule: Schedule, t: Step) -> Array:
    """L_t = log(a_t / std_t), shape []; inf at t = 0."""
    return -schedule.theta_bar[t] - jnp.log(sde.marginal_std(schedule, t))


SOLVERS: dict[str, Solver] = {
    "euler_sde": Solver(_no_memory, _euler_sde),
    "euler_ode": Solver(_no_memory, _euler_ode),
    "mean_ode": Solver(_no_memory, _mean_ode),
    "posterior": Solver(_no_memory, _posterior),
    "mr_ode_1": Solver(_no_memory, _mr_ode_1),
    "mr_ode_2": Solver(_remember_nothing_yet, _mr_ode_2),
    # The first-order SDE solver *is* posterior sampling, at any stride.
    "mr_sde_1": Solver(_no_memory, _posterior),
    "mr_sde_2": Solver(_remember_nothing_yet, _mr_sde_2),
}
