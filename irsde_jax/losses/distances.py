"""The losses, as functions of what was drawn and of the noise that was predicted."""

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
    """A loss of what was drawn and of the noise that was predicted from it."""

    def __call__(
        self, drawn: Drawn, prediction: Array, /, *, per_example: bool = False
    ) -> Array:
        """Returns the mean, shape [], or that of each example, shape [batch]."""


def noise_loss_at(
    drawn: Drawn, prediction: Array, *, norm: str = "l1", per_example: bool = False
) -> Array:
    """Noise matching, the mean of |prediction - noise|, shape [].

    Args:
        drawn: What was drawn, see `draw`.
        prediction: The predicted noise, shape of `drawn.x`.
        norm: "l1" or "l2" (the mean square).
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
    """Mean distance of the one-step mean from the optimal reverse state, shape [].

    Args:
        drawn: What was drawn, see `draw`.
        prediction: The predicted noise, shape of `drawn.x`.
        form: A key of `STEP_MEANS`, see the module.
        norm: "l1" or "l2" (the mean square).
        per_example: Whether to return the mean of each example, shape [batch].

    References:
        Luo et al. (2023), Section 3.3 (J_gamma).
    """
    if form not in STEP_MEANS:
        raise ValueError(f"form={form!r} is not one of {sorted(STEP_MEANS)}.")
    x, x0, mu, t = drawn.x, drawn.x0, drawn.mu, drawn.t
    chex.assert_equal_shape([prediction, x, x0])
    step_mean = functools.partial(STEP_MEANS[form], drawn.schedule)
    # The Denoising mean is unknown to the prediction but known to its target.
    mean_axis = None if mu is None else 0
    reached = jax.vmap(step_mean, (0, mean_axis, 0, 0))(x, mu, prediction, t)
    optimal = jax.vmap(sde.optimal_reverse_state, (None, 0, 0, 0, 0, 0))(
        drawn.schedule, x, x0, x0 if mu is None else mu, t, t - 1
    )
    return _mean(_norm(norm)(reached - optimal), per_example)


def x0_loss_at(
    drawn: Drawn, prediction: Array, *, norm: str = "l1", per_example: bool = False
) -> Array:
    """Mean distance of the clean image that the prediction implies from x0, shape [].

    It weighs the steps near T, whose noise says least of the image, as they weigh in a
    result of few evaluations. With "l2" its minimiser is that of noise matching, the
    expected noise. The arguments are those of `noise_loss_at`.

    References:
        Salimans & Ho (2022), https://arxiv.org/abs/2202.00512, Section 4: the loss in
        x, without their truncation.
    """
    chex.assert_equal_shape([prediction, drawn.x, drawn.x0])
    mean_axis = None if drawn.mu is None else 0
    invert = jax.vmap(sde.mean_and_x0, (None, 0, mean_axis, 0, 0))
    _, x0_hat = invert(drawn.schedule, drawn.x, drawn.mu, prediction, drawn.t)
    return _mean(_norm(norm)(x0_hat - drawn.x0), per_example)


def exact_step_mean(
    schedule: Schedule, x: Array, mu: Array | None, noise: Array, t: Array
) -> Array:
    """The optimal reverse state at t - 1, x0 from the predicted noise, of one image."""
    mean, x0_hat = sde.mean_and_x0(schedule, x, mu, noise, t)
    return sde.optimal_reverse_state(schedule, x, x0_hat, mean, t, t - 1)


def euler_step_mean(
    schedule: Schedule, x: Array, mu: Array | None, noise: Array, t: Array
) -> Array:
    """The Euler-Maruyama mean at t - 1, as the released code has it, for one image."""
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
    """Raises a ValueError unless `norm` is a key of `NORMS`."""
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r} is not one of {sorted(NORMS)}.")


def _mean(distances: Array, per_example: bool) -> Array:
    """The mean over everything, or over all axes but the first."""
    return distances.mean(axis=tuple(range(1, distances.ndim)) if per_example else None)


def _norm(norm: str) -> Callable[[Array], Array]:
    """The norm of that name."""
    check_norm(norm)
    return NORMS[norm]
