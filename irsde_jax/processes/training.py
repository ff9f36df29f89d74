"""Training with a process: the loss of a network on image pairs."""

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
        t: The steps at which the losses were computed, in 1..T, shape [batch].
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
    """Returns the loss of a network on each pair of a batch.

    Args:
        loss: The loss, as `losses.make_loss` returns it.
        process: The process, as `make_process` returns it.
        keys: The random keys, one per example, shape [batch].
        schedule: The coefficients of the SDE.
        network: The network `(x, mu, t) -> prediction`, which returns the quantity
            that `process.prediction` names.
        x0: The clean images in [0, 1], shape [batch, H, W, C].
        degraded: The degraded images, shape of `x0`; None for a process that is not
            conditional.

    Raises:
        ValueError: If a conditional process is given no degraded images.
    """
    if not process.conditional:
        degraded = x0  # only a placeholder: mean and network ignore it
    elif degraded is None:
        raise ValueError(
            'this process learns from pairs: the batch needs degraded images, "mu".'
        )
    given = prepare(process, degraded)
    drawn = loss.draw(keys, schedule, process.encode(x0), given.mean)
    noise_fn = make_noise_fn(process, schedule, network, given)
    prediction = losses.predict(noise_fn, drawn)
    return ExampleLosses(loss.at(drawn, prediction, per_example=True), drawn.t)
