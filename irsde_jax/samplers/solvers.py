"""The solvers of this package: one function for each, and the table of their names.

In y = x - mu, the process is a variance-preserving diffusion scaled by lambda, and
L = log(a_t / std_t) with a_t = e^-theta_bar_t is its log signal-to-noise ratio
(`sde.log_snr`). The `mr_*` solvers solve the linear part exactly and differ in how they
extrapolate the data prediction. They are those of MR Sampler (ICLR 2025,
https://arxiv.org/abs/2502.07856), which is DPM-Solver++ in y.
"""

from typing import NamedTuple

import jax.numpy as jnp

from irsde_jax import registry, sde
from irsde_jax.array_types import Array
from irsde_jax.samplers.solver import FunctionSolver, Solver, State, StepInputs


def _no_state(x: Array) -> tuple[()]:
    """Returns the empty state of a one-step method."""
    del x
    return ()


def _euler_sde(state: State, inputs: StepInputs) -> tuple[Array, State]:
    """Euler-Maruyama on the reverse-time SDE, with noise in the last step as well."""
    schedule, x, mu, noise, z, t, s = inputs
    mean, _ = sde.mean_and_x0(schedule, x, mu, noise, t)
    score = sde.noise_to_score(schedule, noise, t)
    drift = sde.reverse_sde_drift(schedule, x, mean, score, t, s)
    return x - drift + sde.reverse_noise_std(schedule, t, s) * z, state


def _euler_ode(state: State, inputs: StepInputs) -> tuple[Array, State]:
    """Euler's method on the probability-flow ODE."""
    schedule, x, mu, noise, _, t, s = inputs
    mean, _ = sde.mean_and_x0(schedule, x, mu, noise, t)
    score = sde.noise_to_score(schedule, noise, t)
    return x - sde.reverse_ode_drift(schedule, x, mean, score, t, s), state


def _mean_ode(state: State, inputs: StepInputs) -> tuple[Array, State]:
    """Euler-Maruyama step without its noise, the "mean ODE" of GOUB."""
    return _euler_sde(state, inputs._replace(z=jnp.zeros_like(inputs.z)))


def _posterior(state: State, inputs: StepInputs) -> tuple[Array, State]:
    """Draws x_s from q(x_s | x_t, x0_hat): ancestral sampling with any stride."""
    schedule, x, mu, noise, z, t, s = inputs
    mean, x0_hat = sde.mean_and_x0(schedule, x, mu, noise, t)
    optimal = sde.optimal_reverse_state(schedule, x, x0_hat, mean, t, s)
    return optimal + sde.posterior_std(schedule, t, s) * z, state


def _mr_ode_1(state: State, inputs: StepInputs) -> tuple[Array, State]:
    """First-order exponential integrator of the ODE, which is DDIM in y = x - mu."""
    x, _ = _exponential_ode(None, inputs)
    return x, state


class Previous(NamedTuple):
    """The state of a two-step method: quantities of the previous step.

    Attributes:
        data: The data prediction, with the shape of x.
        h: The stride in log-SNR, shape []. It is inf before the first step.
    """

    data: Array
    h: Array


def _mr_ode_2(state: Previous, inputs: StepInputs) -> tuple[Array, Previous]:
    """Second-order exponential integrator of the ODE.

    The data prediction is extrapolated linearly in log-SNR.
    """
    return _exponential_ode(state, inputs)


def _mr_sde_2(state: Previous, inputs: StepInputs) -> tuple[Array, Previous]:
    """Second-order exponential integrator of the reverse SDE."""
    schedule, x, mu, noise, _, t, s = inputs
    if mu is None:
        raise ValueError(
            "mr_sde_2 has no Denoising form (mu=None): its mean moves with the "
            "estimate. Use 'mr_sde_1', or 'mr_ode_2' for a second order."
        )
    first_order, _ = _posterior((), inputs)
    h = sde.log_snr(schedule, s) - sde.log_snr(schedule, t)
    data = sde.noise_to_x0(schedule, x, mu, noise, t)
    weight = jnp.exp(-schedule.theta_bar[s]) * _second_order_weight(2 * h)
    new = first_order + weight * _extrapolation(state, data, h)
    return new, _remember(data, h, x)


def _nothing_before(x: Array) -> Previous:
    """Returns a state with an infinite stride, which makes the first step order 1."""
    return Previous(jnp.zeros_like(x), jnp.full((), jnp.inf, x.dtype))


def _remember(data: Array, h: Array, x: Array) -> Previous:
    """Returns the state after a step, in the type of x, which `lax.scan` requires."""
    return Previous(data.astype(x.dtype), h.astype(x.dtype))


def _exponential_ode(
    previous: Previous | None, inputs: StepInputs
) -> tuple[Array, Previous]:
    """Computes y_s = (std_s/std_t) y_t + a_s (1 - e^-h) y0_hat plus a correction.

    The correction makes the step second order; without `previous` it is left out. The
    Denoising process (mu=None) has the marginal x0 + std_t noise, so the same formula
    holds for x itself with a = 1 and L = -log std.
    """
    schedule, x, mu, noise, _, t, s = inputs
    mean, x0_hat = sde.mean_and_x0(schedule, x, mu, noise, t)
    ratio = sde.marginal_std(schedule, s) / sde.marginal_std(schedule, t)
    if mu is None:
        mean, signal, h = jnp.zeros_like(x), jnp.ones_like(ratio), -jnp.log(ratio)
    else:
        signal = jnp.exp(-schedule.theta_bar[s])
        h = sde.log_snr(schedule, s) - sde.log_snr(schedule, t)
    new = mean + ratio * (x - mean) - signal * jnp.expm1(-h) * (x0_hat - mean)
    if previous is not None:
        weight = signal * _second_order_weight(h)
        new = new + weight * _extrapolation(previous, x0_hat, h)
    return new, _remember(x0_hat, h, x)


def _second_order_weight(h: Array) -> Array:
    """Returns 1 - (1 - e^-h) / h."""
    return 1.0 + jnp.expm1(-h) / h


def _extrapolation(previous: Previous, data: Array, h: Array) -> Array:
    """Returns the backward difference of the data prediction, scaled to the stride h.

    It is 0 for h = inf, that is for s = 0, where the step is of first order.
    """
    stride = jnp.where(jnp.isinf(h), 0.0, h / previous.h)
    return (data - previous.data) * stride


SOLVERS: dict[str, Solver] = {
    "euler_sde": FunctionSolver(_no_state, _euler_sde, 1, is_stochastic=True),
    "euler_ode": FunctionSolver(_no_state, _euler_ode, 1, is_stochastic=False),
    "mean_ode": FunctionSolver(_no_state, _mean_ode, 1, is_stochastic=False),
    "posterior": FunctionSolver(_no_state, _posterior, 1, is_stochastic=True),
    "mr_ode_1": FunctionSolver(_no_state, _mr_ode_1, 1, is_stochastic=False),
    "mr_ode_2": FunctionSolver(_nothing_before, _mr_ode_2, 2, is_stochastic=False),
    # The first-order exponential integrator of the SDE is posterior sampling.
    "mr_sde_1": FunctionSolver(_no_state, _posterior, 1, is_stochastic=True),
    "mr_sde_2": FunctionSolver(
        _nothing_before, _mr_sde_2, 2, is_stochastic=True, needs_mean=True
    ),
}


def find_solver(solver: str | Solver) -> Solver:
    """Returns the solver with the given name.

    Args:
        solver: A key of `SOLVERS`, "package.module:name" for a solver of your own (see
            `registry.find`), or a `Solver`, which is returned unchanged.

    Raises:
        ValueError: If there is no object of that name, or if it is not a solver.
    """
    found = solver
    if isinstance(solver, str):
        found = registry.find(solver, SOLVERS, "sampling.solver")
    if isinstance(found, type) or not isinstance(found, Solver):
        raise ValueError(
            f"sampling.solver={solver!r} is {found!r}; a solver is an object (not a "
            "class) with init, step, order and is_stochastic, see samplers.Solver."
        )
    return found
