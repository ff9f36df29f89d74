"""Restoring with a process: the sampler with its mean, its start and its network."""

from irsde_jax import samplers
from irsde_jax.array_types import Array, NoiseFn, PRNGKey
from irsde_jax.processes.noise_fn import make_noise_fn
from irsde_jax.processes.process import Given, Process
from irsde_jax.samplers import Solver
from irsde_jax.sde import Schedule


def restore(
    key: PRNGKey,
    process: Process,
    schedule: Schedule,
    network: NoiseFn,
    given: Given,
    *,
    solver: str | Solver,
    timesteps: Array,
    debias: bool = False,
    clip: bool = False,
) -> Array:
    """Restores degraded images, shape [batch, H, W, C], in [0, 1] but for overshoot.

    Args:
        key: The random key, shape [] or [batch], see `samplers.sample`.
        process: The process, see `make_process`.
        schedule: The coefficients of the SDE.
        network: `(x, mu, t) -> noise`, or what `process.prediction` names.
        given: The degraded images, see `prepare`.
        solver: A key of `samplers.SOLVERS`, "package.module:name", or a `Solver`.
        timesteps: The grid; a process that starts at its input needs one that starts at
            `sde.start_step(schedule, sigma)`.
        debias: Whether the bias of the `euler` loss is removed, see `make_noise_fn`.
        clip: Whether the image that each prediction implies is clipped to [0, 1].
    """
    noise_fn = make_noise_fn(
        process, schedule, network, given, debias=debias, clip=clip
    )
    restored = samplers.sample(
        key,
        schedule,
        noise_fn,
        given.mean,
        solver=solver,
        timesteps=timesteps,
        x_init=given.state if process.starts_at_input else None,
    )
    return process.decode(restored)
