"""Complete losses for training: they perturb images, run the network and compare."""

import dataclasses
import functools

from irsde_jax.array_types import Array, NoiseFn, PRNGKey
from irsde_jax.losses import distances
from irsde_jax.losses.distances import LossAt
from irsde_jax.losses.drawn import Draw, draw, predict
from irsde_jax.sde import Schedule


@dataclasses.dataclass(frozen=True)
class Loss:
    """A loss for training, made of two functions.

    Attributes:
        at: The loss `at(drawn, prediction)` of a prediction, such as `noise_loss_at`.
        draw: The function `draw(keys, schedule, x0, mu)` that perturbs the images.
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
        """Returns the loss; the arguments are those of `noise_loss`."""
        drawn = self.draw(keys, schedule, x0, mu)
        prediction = predict(noise_fn, drawn)
        return self.at(drawn, prediction, per_example=per_example)


def make_loss(name: str, norm: str = "l1") -> Loss:
    """Returns the loss with the given name and norm.

    Args:
        name: The name of the loss, a key of `LOSSES`.
        norm: The name of the norm, a key of `NORMS`: "l1", or "l2" for the mean square.

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
    """Returns `noise_loss_at` for images that `draw` perturbs, shape [].

    Args:
        keys: The random keys, one per example, shape [batch].
        schedule: The coefficients of the SDE.
        noise_fn: The network `noise_fn(x, mu, t)`, with x of shape [batch, H, W, C] and
            t of shape [batch].
        x0: The clean images, shape [batch, H, W, C].
        mu: The degraded images, shape of `x0`; None for the Denoising process, whose
            mean is `x0`. `noise_fn` is then called with x as mu.
        norm: The norm: "l1", or "l2" for the mean square.
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
    """Returns `max_likelihood_loss_at` for images that `draw` perturbs, shape [].

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
    """Returns `x0_loss_at` for images that `draw` perturbs, shape [].

    The arguments are those of `noise_loss`.
    """
    drawn = draw(keys, schedule, x0, mu)
    prediction = predict(noise_fn, drawn)
    return distances.x0_loss_at(drawn, prediction, norm=norm, per_example=per_example)
