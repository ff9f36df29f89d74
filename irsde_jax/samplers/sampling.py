"""The sampler: one `lax.scan` that runs any solver over any step grid."""

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

_Carry: TypeAlias = tuple[Array, State]  # x and the solver's state
_Step: TypeAlias = tuple[Array, Array, Array]  # the index of the step, t and s


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
    """Runs the reverse process, with one network evaluation per step.

    The result for an image depends only on its own key, not on the rest of the batch.

    Args:
        key: The random key, shape [] or [batch]. With [], image i uses fold_in(key, i).
        schedule: The coefficients of the SDE.
        noise_fn: The noise prediction `noise_fn(x, mu, t)`, with t of shape [batch].
        mu: The degraded images, shape [batch, H, W, C]. None selects the Denoising
            process, whose mean is the clean image; `noise_fn` then gets x as mu.
        solver: A key of `SOLVERS`, "package.module:name", or a `Solver`.
        timesteps: The decreasing steps, shape [num_evals + 1], from `timestep_grid`.
            They may end above 0. By default they are all steps from T to 0.
        x_init: The state at `timesteps[0]`, shape [batch, H, W, C]. By default,
            mu + max_sigma z is drawn.
        return_path: Whether to return the states at all `timesteps` as well.

    Returns:
        The state at the last step, shape [batch, H, W, C]. With `return_path`, also all
        states from `x_init` on, shape [num_evals + 1, batch, H, W, C].

    Raises:
        ValueError: If the solver is unknown or has no Denoising form while `mu` is
            None, if the steps are not strictly decreasing integers in 0..T, if shapes
            differ, or if both `mu` and `x_init` are None.
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
    """Returns the body of the scan: one network evaluation and one solver step."""

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
    """Returns standard normal draws like `like`, with one key for each image."""

    def draw(key: PRNGKey) -> Array:
        return jax.random.normal(key, like.shape[1:], like.dtype)

    return jax.vmap(draw)(keys)


def _find_allowed(solver: str | Solver, mu: Array | None) -> Solver:
    """Returns the named solver; raises if `mu` is None and the solver needs a mean."""
    found = find_solver(solver)
    if mu is None and needs_mean(found):
        raise ValueError(
            f"solver={solver!r} has no Denoising form (mu=None), because the mean then "
            "moves with the estimate. Use 'mr_sde_1', or 'mr_ode_2' for a second order."
        )
    return found


def _template(mu: Array | None, x_init: Array | None) -> Array:
    """Returns the images that determine the shape and type: `x_init`, or else `mu`."""
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
    """Returns the steps as an array. They are checked unless they are traced."""
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
    """Returns one key per image, shape [batch].

    Args:
        key: The random key: one for all images, shape [], or one per image, [batch].
        batch: The number of images.

    Raises:
        ValueError: If `key` has another shape.
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
