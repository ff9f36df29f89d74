"""The sampler: the one `lax.scan` that runs any solver over any grid of steps."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, overload

import chex
import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array, NoiseFn, PRNGKey
from irsde_jax.samplers.solver import Solver, State, StepInputs, needs_mean
from irsde_jax.samplers.solvers import find_solver
from irsde_jax.sde import Schedule

_Carry: TypeAlias = tuple[Array, State]  # x and the state of the solver
_Step: TypeAlias = tuple[Array, Array, Array]  # the number of the step, t and s


@overload
def sample(
    key: PRNGKey,
    schedule: Schedule,
    noise_fn: NoiseFn,
    mu: Array | None,
    *,
    solver: str | Solver = ...,
    timesteps: Array | None = ...,
    x_init: Array | None = ...,
    return_path: Literal[False] = ...,
) -> Array: ...


@overload
def sample(
    key: PRNGKey,
    schedule: Schedule,
    noise_fn: NoiseFn,
    mu: Array | None,
    *,
    solver: str | Solver = ...,
    timesteps: Array | None = ...,
    x_init: Array | None = ...,
    return_path: Literal[True],
) -> tuple[Array, Array]: ...


def sample(
    key: PRNGKey,
    schedule: Schedule,
    noise_fn: NoiseFn,
    mu: Array | None,
    *,
    solver: str | Solver = "posterior",
    timesteps: Array | None = None,
    x_init: Array | None = None,
    return_path: bool = False,
) -> Array | tuple[Array, Array]:
    """Runs the reverse process: one `lax.scan`, one network evaluation a step.

    An image's result depends on its own key alone, not on the batch it is in.

    Args:
        key: shape [] (image i then uses `fold_in(key, i)`) or [batch].
        schedule: The coefficients of the SDE.
        noise_fn: predicts the noise in x, called as `noise_fn(x, mu, t)`, t [batch].
        mu: The degraded images, shape [batch, H, W, C]; None for the Denoising process,
            whose mean is the clean image itself: `noise_fn` is then called with mu=x.
        solver: A key of `SOLVERS`, "package.module:name", or a `Solver`.
        timesteps: strictly decreasing steps, shape [num_evals + 1], from
            `timestep_grid`; None means all from T to 0. May end above 0.
        x_init: state at `timesteps[0]`, shape [batch, H, W, C]; None draws
            mu + max_sigma z.
        return_path: whether to return the states at all of `timesteps` too.

    Returns:
        x at the last step, shape [batch, H, W, C], and if `return_path` the path, shape
        [num_evals + 1, batch, H, W, C], `x_init` first.

    Raises:
        ValueError: unknown solver, a solver that has no Denoising form with `mu=None`,
            a grid that repeats or rises or leaves 0..T, shapes that differ, neither
            `mu` nor `x_init`.
    """
    chosen = _find_allowed(solver, mu)
    timesteps = _checked_timesteps(schedule, timesteps)
    template = _template(mu, x_init)
    dtype = jnp.result_type(template.dtype, schedule.theta_bar.dtype)
    keys = jax.vmap(jax.random.split)(image_keys(key, template.shape[0]))
    mu = None if mu is None else jnp.asarray(mu, dtype)
    x = template.astype(dtype)
    if x_init is None:
        x = x + schedule.max_sigma * _normal(keys[:, 0], x)
    advance = _make_advance(chosen, schedule, noise_fn, mu, keys[:, 1])

    def body(carry: _Carry, step: _Step) -> tuple[_Carry, Any]:
        carry = advance(carry, step)
        return carry, carry[0] if return_path else None

    steps = (jnp.arange(len(timesteps) - 1), timesteps[:-1], timesteps[1:])
    (x_end, _), path = jax.lax.scan(body, (x, chosen.init(x)), steps)
    return (x_end, jnp.concatenate([x[None], path])) if return_path else x_end


def _make_advance(
    solver: Solver,
    schedule: Schedule,
    noise_fn: NoiseFn,
    mu: Array | None,
    keys: PRNGKey,
) -> Callable[[_Carry, _Step], _Carry]:
    """One evaluation of the network and one step of the solver, as a function."""

    def advance(carry: _Carry, step: _Step) -> _Carry:
        x, state = carry
        index, t, s = step
        ts = jnp.full(x.shape[:1], t)
        noise = noise_fn(x, x if mu is None else mu, ts).astype(x.dtype)
        chex.assert_equal_shape([noise, x])
        if solver.is_stochastic:
            z = _normal(jax.vmap(jax.random.fold_in, (0, None))(keys, index), x)
        else:
            z = jnp.zeros_like(x)
        inputs = StepInputs(schedule, x=x, mu=mu, noise=noise, z=z, t=t, s=s)
        return solver.step(state, inputs)

    return advance


def _normal(keys: PRNGKey, like: Array) -> Array:
    """Standard normal draws of the shape and type of `like`, a key for each image."""

    def draw(key: PRNGKey) -> Array:
        return jax.random.normal(key, like.shape[1:], like.dtype)

    return jax.vmap(draw)(keys)


def _find_allowed(solver: str | Solver, mu: Array | None) -> Solver:
    """The solver of that name, which must have a Denoising form if `mu` is None."""
    found = find_solver(solver)
    if mu is None and needs_mean(found):
        raise ValueError(
            f"solver={solver!r} has no Denoising form (mu=None), because the mean then "
            "moves with the estimate. Use 'mr_sde_1', or 'mr_ode_2' for a second order."
        )
    return found


def _template(mu: Array | None, x_init: Array | None) -> Array:
    """The image batch that fixes shape and dtype."""
    if x_init is None and mu is None:
        raise ValueError(
            "mu=None is the Denoising process, which starts at the noisy image: pass "
            "it as x_init, with timesteps that start at start_step(schedule, sigma)."
        )
    template = jnp.asarray(mu if x_init is None else x_init)
    if mu is not None and template.shape != jnp.shape(mu):
        raise ValueError(
            f"x_init has shape {template.shape} and mu has shape {jnp.shape(mu)}: they "
            "must agree."
        )
    if not jnp.issubdtype(template.dtype, jnp.floating):
        raise ValueError(
            f"images must be floating point, got {template.dtype.name}. Divide 8-bit "
            "images by 255."
        )
    if template.ndim != 4:
        raise ValueError(
            f"images must have shape [batch, H, W, C], got {template.shape}. For one "
            "image, add the axis: mu[None]."
        )
    return template


def _checked_timesteps(schedule: Schedule, timesteps: Array | None) -> Array:
    """The grid as an array; a wrong one is an error unless it is traced."""
    if timesteps is None:
        return jnp.arange(schedule.num_steps, -1, -1)
    if not isinstance(timesteps, jax.core.Tracer):
        steps = np.asarray(timesteps)
        if (
            steps.ndim != 1
            or len(steps) < 2
            or not np.issubdtype(steps.dtype, np.integer)
            or (np.diff(steps.astype(np.int64)) >= 0).any()
            or steps[0] > schedule.num_steps
            or steps[-1] < 0
        ):
            raise ValueError(
                "timesteps must be at least two strictly decreasing integers in "
                f"0..{schedule.num_steps}, got {steps.tolist()}. `timestep_grid` makes "
                "them."
            )
    timesteps = jnp.asarray(timesteps)
    chex.assert_rank(timesteps, 1)
    return timesteps


def image_keys(key: PRNGKey, batch: int) -> PRNGKey:
    """A key per image, shape [batch], from one for all (shape []) or as many.

    Raises:
        ValueError: for another number of keys.
    """
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)
    if key.ndim == 0:
        key = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(batch))
    if key.shape != (batch,):
        raise ValueError(
            f"key has shape {key.shape}; allowed are [] and [batch], here [{batch}]."
        )
    return key
