"""Training with a process: the loss of a network on pairs of images."""

from typing import NamedTuple

from irsde_jax import losses
from irsde_jax.array_types import Array, NoiseFn, PRNGKey
from irsde_jax.losses import Loss
from irsde_jax.processes.noise_fn import make_noise_fn
from irsde_jax.processes.process import Process, prepare
from irsde_jax.sde import Schedule


class ExampleLosses(NamedTuple):
    """The loss of each example of a batch.

    Attributes:
        values: The losses, shape [batch].
        t: The steps that they were computed at, in 1..T, shape [batch].
    """

    values: Array
    t: Array


def training_loss(
    loss: Loss,
    process: Process,
    keys: PRNGKey,
    schedule: Schedule,
    network: NoiseFn,
    *,
    x0: Array,
    degraded: Array | None,
) -> ExampleLosses:
    """The loss of a network on pairs of images, for each of them.

    Args:
        loss: What is drawn and compared, see `losses.make_loss`.
        process: The process, see `make_process`.
        keys: One key per example, shape [batch].
        schedule: The coefficients of the SDE.
        network: `(x, mu, t) -> noise`, or what `process.prediction` names.
        x0: Clean images in [0, 1], shape [batch, H, W, C].
        degraded: Degraded images, shape of `x0`; None for an unconditional process.

    Raises:
        ValueError: If a conditional process is given no degraded images.
    """
    if not process.conditional:
        degraded = x0  # neither the mean nor the network is given it
    elif degraded is None:
        raise ValueError(
            'this process learns from pairs: the batch needs degraded images, "mu".'
        )
    given = prepare(process, degraded)
    drawn = loss.draw(keys, schedule, process.encode(x0), given.mean)
    noise_fn = make_noise_fn(process, schedule, network, given)
    prediction = losses.predict(noise_fn, drawn)
    return ExampleLosses(loss.at(drawn, prediction, per_example=True), drawn.t)
