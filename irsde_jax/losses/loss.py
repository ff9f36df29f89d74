"""Losses that draw, ask the network and compare: what training uses."""

import dataclasses
import functools

from irsde_jax.array_types import Array, NoiseFn, PRNGKey
from irsde_jax.losses import distances
from irsde_jax.losses.distances import LossAt
from irsde_jax.losses.drawn import Draw, draw, predict
from irsde_jax.sde import Schedule


@dataclasses.dataclass(frozen=True)
class Loss:
    """A loss for training: what is drawn, and the loss of a prediction from it.

    Attributes:
        at: The loss of (drawn, prediction), such as `noise_loss_at`.
        draw: The function that draws, called as `draw(keys, schedule, x0, mu)`.
    """

    at: LossAt
    draw: Draw = draw

    def __call__(
        self,
        keys: PRNGKey,
        schedule: Schedule,
        noise_fn: NoiseFn,
        x0: Array,
        mu: Array | None,
        *,
        per_example: bool = False,
    ) -> Array:
        """Draws, predicts and compares. The arguments are those of `noise_loss`."""
        drawn = self.draw(keys, schedule, x0, mu)
        prediction = predict(noise_fn, drawn)
        return self.at(drawn, prediction, per_example=per_example)


def make_loss(name: str, norm: str = "l1") -> Loss:
    """The loss of that name and norm.

    Args:
        name: A key of `LOSSES`.
        norm: A key of `NORMS`: "l1", or "l2" for the mean square.

    Raises:
        ValueError: If there is no such loss or norm.
    """
    if name not in distances.LOSSES:
        raise ValueError(
            f"loss name={name!r} is not one of {sorted(distances.LOSSES)}."
        )
    distances.check_norm(norm)
    return Loss(functools.partial(distances.LOSSES[name], norm=norm))


def noise_loss(
    keys: PRNGKey,
    schedule: Schedule,
    noise_fn: NoiseFn,
    x0: Array,
    mu: Array | None,
    *,
    norm: str = "l1",
    per_example: bool = False,
) -> Array:
    """`noise_loss_at` of what `draw` draws and `noise_fn` predicts, shape [].

    Args:
        keys: One key per example, shape [batch].
        schedule: The coefficients of the SDE.
        noise_fn: The network, called with x [batch, H, W, C] and t [batch].
        x0: Clean images, shape [batch, H, W, C].
        mu: Degraded images, shape of `x0`; None for the Denoising process, whose mean
            is x0 (`noise_fn` is then called with mu=x).
        norm: "l1" or "l2" (the mean square).
        per_example: Whether to return the mean of each example, shape [batch].
    """
    drawn = draw(keys, schedule, x0, mu)
    prediction = predict(noise_fn, drawn)
    return distances.noise_loss_at(
        drawn, prediction, norm=norm, per_example=per_example
    )


def max_likelihood_loss(
    keys: PRNGKey,
    schedule: Schedule,
    noise_fn: NoiseFn,
    x0: Array,
    mu: Array | None,
    *,
    form: str = "exact",
    norm: str = "l1",
    per_example: bool = False,
) -> Array:
    """`max_likelihood_loss_at` of what `draw` draws and `noise_fn` predicts, shape [].

    The arguments are those of `noise_loss`, and `form` is a key of `STEP_MEANS`.
    """
    drawn = draw(keys, schedule, x0, mu)
    prediction = predict(noise_fn, drawn)
    loss = functools.partial(distances.max_likelihood_loss_at, form=form, norm=norm)
    return loss(drawn, prediction, per_example=per_example)


def x0_loss(
    keys: PRNGKey,
    schedule: Schedule,
    noise_fn: NoiseFn,
    x0: Array,
    mu: Array | None,
    *,
    norm: str = "l1",
    per_example: bool = False,
) -> Array:
    """`x0_loss_at` of what `draw` draws and `noise_fn` predicts, shape [].

    The arguments are those of `noise_loss`.
    """
    drawn = draw(keys, schedule, x0, mu)
    prediction = predict(noise_fn, drawn)
    return distances.x0_loss_at(drawn, prediction, norm=norm, per_example=per_example)
