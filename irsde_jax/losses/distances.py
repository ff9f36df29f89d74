"""The losses as functions of perturbed images and of the predicted noise."""

import functools
from collections.abc import Callable
from typing import Protocol

import chex
import jax
import jax.numpy as jnp

from irsde_jax import sde
from irsde_jax.array_types import Array
from irsde_jax.losses.drawn import Drawn
from irsde_jax.sde import Schedule

NORMS: dict[str, Callable[[Array], Array]] = {"l1": jnp.abs, "l2": jnp.square}


class LossAt(Protocol):
    """A loss function of perturbed images and of the noise predicted in them."""

    def __call__(
        self, drawn: Drawn, prediction: Array, /, *, per_example: bool = False
    ) -> Array:
        """Returns the loss, shape [], or with `per_example` that of each, [batch]."""


def noise_loss_at(
    drawn: Drawn, prediction: Array, *, norm: str = "l1", per_example: bool = False
) -> Array:
    """Returns the noise matching loss, the mean of |prediction - noise|, shape [].

    Args:
        drawn: The perturbed images, as `draw` returns them.
        prediction: The predicted noise, shape of `drawn.x`.
        norm: The norm: "l1", or "l2" for the mean square.
        per_example: Whether to return the mean of each example, shape [batch].

    References:
        Luo et al. (2023), https://arxiv.org/abs/2301.11699, Section 3.2 (L_gamma).
    """
    chex.assert_equal_shape([prediction, drawn.noise])
    return _mean(_norm(norm)(prediction - drawn.noise), per_example)


def max_likelihood_loss_at(
    drawn: Drawn,
    prediction: Array,
    *,
    form: str = "exact",
    norm: str = "l1",
    per_example: bool = False,
) -> Array:
    """Returns the mean distance of a step from the optimal reverse state, shape [].

    The step goes from t to t - 1 with the predicted noise and without random noise.

    Args:
        drawn: The perturbed images, as `draw` returns them.
        prediction: The predicted noise, shape of `drawn.x`.
        form: The kind of step, a key of `STEP_MEANS`. `irsde_jax.losses` describes
            both.
        norm: The norm: "l1", or "l2" for the mean square.
        per_example: Whether to return the mean of each example, shape [batch].

    References:
        Luo et al. (2023), Section 3.3 (J_gamma).
    """
    if form not in STEP_MEANS:
        raise ValueError(f"form={form!r} is not one of {sorted(STEP_MEANS)}.")
    x, x0, mu, t = drawn.x, drawn.x0, drawn.mu, drawn.t
    chex.assert_equal_shape([prediction, x, x0])
    step_mean = functools.partial(STEP_MEANS[form], drawn.schedule)
    # In the Denoising process, the prediction must not use the mean x0, but the target
    # may.
    mean_axis = None if mu is None else 0
    reached = jax.vmap(step_mean, (0, mean_axis, 0, 0))(x, mu, prediction, t)
    optimal = jax.vmap(sde.optimal_reverse_state, (None, 0, 0, 0, 0, 0))(
        drawn.schedule, x, x0, x0 if mu is None else mu, t, t - 1
    )
    return _mean(_norm(norm)(reached - optimal), per_example)


def x0_loss_at(
    drawn: Drawn, prediction: Array, *, norm: str = "l1", per_example: bool = False
) -> Array:
    """Returns the mean distance between the x0 that `prediction` implies and x0.

    Compared with noise matching, it gives more weight to the steps near T, where a
    small error in the noise is a large error in the image. These steps matter most when
    sampling with few evaluations. With "l2", its minimiser is the expected noise, as
    for noise matching. The arguments and the shape are those of `noise_loss_at`.

    References:
        Salimans & Ho (2022), https://arxiv.org/abs/2202.00512, Section 4. This is their
        loss in x without the truncation.
    """
    chex.assert_equal_shape([prediction, drawn.x, drawn.x0])
    mean_axis = None if drawn.mu is None else 0
    invert = jax.vmap(sde.mean_and_x0, (None, 0, mean_axis, 0, 0))
    _, x0_hat = invert(drawn.schedule, drawn.x, drawn.mu, prediction, drawn.t)
    return _mean(_norm(norm)(x0_hat - drawn.x0), per_example)


def exact_step_mean(
    schedule: Schedule, x: Array, mu: Array | None, noise: Array, t: Array
) -> Array:
    """Returns the optimal reverse state of one image at t - 1 for the predicted x0."""
    mean, x0_hat = sde.mean_and_x0(schedule, x, mu, noise, t)
    return sde.optimal_reverse_state(schedule, x, x0_hat, mean, t, t - 1)


def euler_step_mean(
    schedule: Schedule, x: Array, mu: Array | None, noise: Array, t: Array
) -> Array:
    """Returns the Euler-Maruyama mean of one image at t - 1, like the released code."""
    mean, _ = sde.mean_and_x0(schedule, x, mu, noise, t)
    score = sde.noise_to_score(schedule, noise, t)
    return x - sde.reverse_sde_drift(schedule, x, mean, score, t, t - 1)


STEP_MEANS = {"exact": exact_step_mean, "euler": euler_step_mean}


LOSSES: dict[str, Callable[..., Array]] = {
    "noise": noise_loss_at,
    "x0": x0_loss_at,
    "max_likelihood_exact": functools.partial(max_likelihood_loss_at, form="exact"),
    "max_likelihood_euler": functools.partial(max_likelihood_loss_at, form="euler"),
}


def check_norm(norm: str) -> None:
    """Raises a `ValueError` unless `norm` is a key of `NORMS`."""
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r} is not one of {sorted(NORMS)}.")


def _mean(distances: Array, per_example: bool) -> Array:
    """Returns the mean over all axes, or over all axes but the first."""
    return distances.mean(axis=tuple(range(1, distances.ndim)) if per_example else None)


def _norm(norm: str) -> Callable[[Array], Array]:
    """Returns the norm with the given name."""
    check_norm(norm)
    return NORMS[norm]
