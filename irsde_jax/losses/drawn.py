"""The inputs of a loss: perturbed images, their noise and their steps."""

from typing import NamedTuple, Protocol

import chex
import jax

from irsde_jax import sde
from irsde_jax.array_types import Array, NoiseFn, PRNGKey
from irsde_jax.sde import Schedule


class Drawn(NamedTuple):
    """A batch of perturbed images, with everything that a loss needs.

    Attributes:
        x: The perturbed images x_t, shape [batch, H, W, C].
        noise: The standard normal noise in `x`, shape of `x`.
        t: The steps in 1..T, shape [batch].
        x0: The clean images, shape of `x`.
        mu: The means, shape of `x`; None for the Denoising process, whose mean is `x0`.
        schedule: The coefficients of the SDE.
    """

    x: Array
    noise: Array
    t: Array
    x0: Array
    mu: Array | None
    schedule: Schedule


class Draw(Protocol):
    """A function that draws steps and noise and perturbs images, such as `draw`."""

    def __call__(
        self, keys: PRNGKey, schedule: Schedule, x0: Array, mu: Array | None, /
    ) -> Drawn:
        """Returns the perturbed images; the arguments are those of `draw`."""


def draw(
    keys: PRNGKey,
    schedule: Schedule,
    x0: Array,
    mu: Array | None,
    t: Array | None = None,
) -> Drawn:
    """Draws a step and a noise for each example and perturbs its clean image.

    Args:
        keys: The random keys, one per example, shape [batch].
        schedule: The coefficients of the SDE.
        x0: The clean images, shape [batch, H, W, C].
        mu: The degraded images, shape of `x0`; None for the Denoising process, whose
            mean is `x0`.
        t: The steps in 1..T, shape [batch]. By default they are drawn uniformly.
    """
    mean = x0 if mu is None else mu
    chex.assert_equal_shape([x0, mean])
    if t is None:
        t = jax.vmap(_draw_step, (0, None))(keys, schedule)

    def draw_one(key: PRNGKey, x0: Array, mean: Array, t: Array) -> tuple[Array, Array]:
        _, noise_key = jax.random.split(key)
        noise = jax.random.normal(noise_key, x0.shape, x0.dtype)
        return sde.add_noise(schedule, x0, mean, noise, t), noise

    x, noise = jax.vmap(draw_one)(keys, x0, mean, t)
    return Drawn(x=x, noise=noise, t=t, x0=x0, mu=mu, schedule=schedule)


def predict(noise_fn: NoiseFn, drawn: Drawn) -> Array:
    """Returns the noise that `noise_fn` predicts in `drawn.x`, with the same shape."""
    return noise_fn(drawn.x, drawn.x if drawn.mu is None else drawn.mu, drawn.t)


def _draw_step(key: PRNGKey, schedule: Schedule) -> Array:
    """Draws t uniformly from 1..T, with the first of the two halves of the key."""
    t_key, _ = jax.random.split(key)
    return jax.random.randint(t_key, (), 1, schedule.num_steps + 1)
