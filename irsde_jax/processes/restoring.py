"""Restoration with a process: the sampler with the mean and start of the process."""

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
    """Returns restored images, shape [batch, H, W, C].

    Values slightly outside [0, 1] are possible, because the result is not clipped.

    Args:
        key: The random key, shape [] or [batch], as in `samplers.sample`.
        process: The process, as `make_process` returns it.
        schedule: The coefficients of the SDE.
        network: The network `(x, mu, t) -> prediction`, which returns the quantity
            that `process.prediction` names.
        given: The degraded images, as `prepare` returns them.
        solver: A key of `samplers.SOLVERS`, "package.module:name", or a `Solver`.
        timesteps: The step grid. For a process that starts at its input, it must start
            at `sde.start_step(schedule, sigma)`.
        debias: Whether to remove the bias of the `euler` loss, as in `make_noise_fn`.
        clip: Whether to clip the image that each prediction implies to [0, 1].
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
