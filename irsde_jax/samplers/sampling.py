"""The sampler: a grid of steps, and the one `lax.scan` that runs any solver over it."""

from typing import Literal, overload

import chex
import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array, NoiseFn, PRNGKey
from irsde_jax.samplers.solvers import SOLVERS, Solver
from irsde_jax.sde import Schedule

__all__ = [
    "SOLVERS",
    "SPACINGS",
    "Solver",
    "image_keys",
    "sample",
    "timestep_grid",
]


def _uniform(schedule: Schedule) -> np.ndarray:
    return np.arange(schedule.num_steps + 1, dtype=np.float64)


def _theta_bar(schedule: Schedule) -> np.ndarray:
    return np.asarray(schedule.theta_bar, np.float64)


def _log_snr(schedule: Schedule) -> np.ndarray:
    """-log(a_t / std_t) up to a constant: rising in t, -inf at t = 0."""
    theta_bar = _theta_bar(schedule)
    with np.errstate(divide="ignore"):
        return theta_bar + 0.5 * np.log(-np.expm1(-2 * theta_bar))


# In what a grid is uniform: a rising function of the step, shape [T + 1].
SPACINGS = {"uniform": _uniform, "theta_bar": _theta_bar, "log_snr": _log_snr}


def timestep_grid(
    schedule: Schedule,
    num_evals: int,
    spacing: str = "uniform",
    start: int | None = None,
    end: int = 0,
) -> Array:
    """The steps a sampler visits, from `start` down to `end`.

    Steps are integers because networks are trained on integers: the positions are
    rounded to steps, then moved apart where two fell together.

    Args:
        schedule: a concrete (not traced) schedule.
        num_evals: number of network evaluations, 1..(start - end).
        spacing: a key of `SPACINGS`: uniform in t, in theta_bar, or in the log
            signal-to-noise ratio (whose last stride, to step 0, is infinite: the others
            are then uniform down to step 1).
        start: first step; None means T.
        end: last step, 0 for the clean image.

    Returns:
        Strictly decreasing steps, int32, shape [num_evals + 1].

    Raises:
        ValueError: if an argument is out of range.
    """
    if spacing not in SPACINGS:
        raise ValueError(f"spacing={spacing!r} is not one of {sorted(SPACINGS)}.")
    start = schedule.num_steps if start is None else start
    for name, value in (("num_evals", num_evals), ("start", start), ("end", end)):
        if not isinstance(value, int | np.integer):
            raise ValueError(f"{name} must be an integer, got {value!r}.")
    if not 0 <= end < start <= schedule.num_steps:
        raise ValueError(
            f"a grid runs from start to end with 0 <= end < start <= T = "
            f"{schedule.num_steps}; got start={start}, end={end}."
        )
    if not 1 <= num_evals <= start - end:
        raise ValueError(
            f"num_evals={num_evals} must lie in 1..{start - end}: the steps from "
            f"{start} down to {end} are integers and each is visited once."
        )
    position = SPACINGS[spacing](schedule)
    if np.isinf(position[end]) and num_evals > 1:
        inner = np.linspace(position[start], position[end + 1], num_evals)
        targets = np.append(inner, position[end])
    else:
        targets = np.linspace(position[start], max(position[end], -1e30), num_evals + 1)
    nearest = np.abs(position[None, :] - targets[:-1, None]).argmin(axis=1)
    steps = np.append(nearest, end)
    count = np.arange(num_evals + 1)
    # Room for the steps that follow, then strictly decreasing: steps + count must fall.
    steps = np.maximum(steps, end + num_evals - count)
    steps = np.minimum.accumulate(np.minimum(steps, start - count) + count) - count
    return jnp.asarray(steps, jnp.int32)


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
        schedule: SDE coefficients.
        noise_fn: predicts the noise in x, called as `noise_fn(x, mu, t)`, t [batch].
        mu: degraded images, shape [batch, H, W, C]; None for the Denoising process,
            whose mean is the clean image itself: `noise_fn` is then called with mu=x.
        solver: a key of `SOLVERS`, or a `Solver`.
        timesteps: strictly decreasing steps, shape [num_evals + 1], from
            `timestep_grid`; None means all from T to 0. May end above 0.
        x_init: state at `timesteps[0]`, shape [batch, H, W, C]; None draws
            mu + max_sigma z.
        return_path: whether to return the states at all of `timesteps` too.

    Returns:
        x at the last step, shape [batch, H, W, C], and if `return_path` the path, shape
        [num_evals + 1, batch, H, W, C], `x_init` first.

    Raises:
        ValueError: unknown solver, a grid that repeats or rises or leaves 0..T, shapes
            that differ, neither `mu` nor `x_init`.
    """
    solver = _solver(solver)
    timesteps = _checked_timesteps(schedule, timesteps)
    template = _template(mu, x_init)
    dtype = jnp.result_type(template.dtype, schedule.theta_bar.dtype)
    keys = jax.vmap(jax.random.split)(image_keys(key, template.shape[0]))
    start_keys, step_keys = keys[:, 0], keys[:, 1]

    def normal(keys: PRNGKey) -> Array:
        draw = lambda key: jax.random.normal(key, template.shape[1:], dtype)  # noqa: E731
        return jax.vmap(draw)(keys)

    if mu is not None:
        mu = jnp.asarray(mu, dtype)
    x = template.astype(dtype)
    if x_init is None:
        x = x + schedule.max_sigma * normal(start_keys)

    def body(carry, inputs):
        x, memory = carry
        index, t, s = inputs
        ts = jnp.full(x.shape[:1], t)
        noise = noise_fn(x, x if mu is None else mu, ts).astype(dtype)
        chex.assert_equal_shape([noise, x])
        fresh = normal(jax.vmap(jax.random.fold_in, (0, None))(step_keys, index))
        x, memory = solver.step(memory, schedule, x, mu, noise, fresh, t, s)
        return (x, memory), x if return_path else None

    steps = (jnp.arange(len(timesteps) - 1), timesteps[:-1], timesteps[1:])
    (x_end, _), path = jax.lax.scan(body, (x, solver.init(x)), steps)
    if return_path:
        return x_end, jnp.concatenate([x[None], path])
    return x_end


def _solver(solver: str | Solver) -> Solver:
    """The solver of that name."""
    if isinstance(solver, Solver):
        return solver
    if solver not in SOLVERS:
        raise ValueError(f"solver={solver!r} is not one of {sorted(SOLVERS)}.")
    return SOLVERS[solver]


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
