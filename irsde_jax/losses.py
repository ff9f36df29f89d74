"""The training losses: noise matching, maximum likelihood, and the clean image.

All draw a step t in 1..T and a noise per example and are thin over a pure function of
given (x, noise, t), the `*_at` functions. The mean is over everything; nothing is
weighted by t.

The maximum likelihood loss compares one-step means. Its `exact` form, the default,
takes the optimal reverse state with the predicted x0; its minimiser is the noise. Its
`euler` form, the released code's, takes the Euler-Maruyama mean; its minimiser is *not*
the noise but what `sde.bias_noise` computes, a shift of a few percent at T = 100.
"""

import functools
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from irsde_jax import sde
from irsde_jax.array_types import Array, NoiseFn, PRNGKey
from irsde_jax.sde import Schedule

NORMS: dict[str, Callable[[Array], Array]] = {"l1": jnp.abs, "l2": jnp.square}


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
    """Noise matching, the mean of |noise_fn(x_t, mu, t) - noise|, shape [].

    Args:
        keys: one per example, shape [batch].
        schedule: SDE coefficients.
        noise_fn: the network, called with x [batch, H, W, C] and t [batch].
        x0: clean images, shape [batch, H, W, C].
        mu: degraded images, shape of `x0`; None for the Denoising process, whose mean
            is x0 (`noise_fn` is then called with mu=x).
        norm: "l1" or "l2" (the mean square).
        per_example: whether to return the mean of each example, shape [batch].

    References:
        Luo et al. (2023), https://arxiv.org/abs/2301.11699, Section 3.2 (L_gamma).
    """
    x, noise, t = draw(keys, schedule, x0, mu)
    return noise_loss_at(
        schedule, noise_fn, x, x0, mu, noise, t, norm=norm, per_example=per_example
    )


def noise_loss_at(
    schedule: Schedule,
    noise_fn: NoiseFn,
    x: Array,
    x0: Array,
    mu: Array | None,
    noise: Array,
    t: Array,
    *,
    norm: str = "l1",
    per_example: bool = False,
) -> Array:
    """`noise_loss` for given x, noise (shape of x0) and t (shape [batch])."""
    del schedule, x0
    predicted = noise_fn(x, x if mu is None else mu, t)
    chex.assert_equal_shape([predicted, noise])
    return _mean(_norm(norm)(predicted - noise), per_example)


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
    """Mean distance of the one-step mean from the optimal reverse state, shape [].

    Args:
        keys: one per example, shape [batch].
        schedule: SDE coefficients.
        noise_fn: the network, called with x [batch, H, W, C] and t [batch].
        x0: clean images, shape [batch, H, W, C].
        mu: degraded images, shape of `x0`; None for the Denoising process.
        form: a key of `STEP_MEANS`, see the module.
        norm: "l1" or "l2" (the mean square).
        per_example: whether to return the mean of each example, shape [batch].

    References:
        Luo et al. (2023), Section 3.3 (J_gamma).
    """
    x, noise, t = draw(keys, schedule, x0, mu)
    distance = functools.partial(max_likelihood_loss_at, form=form, norm=norm)
    arrays = (x, x0, mu, noise, t)
    return distance(schedule, noise_fn, *arrays, per_example=per_example)


def max_likelihood_loss_at(
    schedule: Schedule,
    noise_fn: NoiseFn,
    x: Array,
    x0: Array,
    mu: Array | None,
    noise: Array,
    t: Array,
    *,
    form: str = "exact",
    norm: str = "l1",
    per_example: bool = False,
) -> Array:
    """`max_likelihood_loss` for given x (shape of x0) and t (shape [batch])."""
    del noise  # the optimal reverse state holds it already, in x and x0
    if form not in STEP_MEANS:
        raise ValueError(f"form={form!r} is not one of {sorted(STEP_MEANS)}.")
    predicted = noise_fn(x, x if mu is None else mu, t)
    chex.assert_equal_shape([predicted, x, x0])
    step_mean = functools.partial(STEP_MEANS[form], schedule)
    # The Denoising mean is unknown to the prediction but known to its target.
    mean_axis = None if mu is None else 0
    reached = jax.vmap(step_mean, (0, mean_axis, 0, 0))(x, mu, predicted, t)
    optimal = jax.vmap(sde.optimal_reverse_state, (None, 0, 0, 0, 0, 0))(
        schedule, x, x0, x0 if mu is None else mu, t, t - 1
    )
    return _mean(_norm(norm)(reached - optimal), per_example)


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
    """Mean distance of the clean image that the prediction implies from x0, shape [].

    It weighs the steps near T, whose noise says least of the image, as they weigh in a
    result of few evaluations. With "l2" its minimiser is that of noise matching, the
    expected noise. Arguments as in `noise_loss`.

    References:
        Salimans & Ho (2022), https://arxiv.org/abs/2202.00512, Section 4: the loss in
        x, without their truncation.
    """
    x, noise, t = draw(keys, schedule, x0, mu)
    return x0_loss_at(
        schedule, noise_fn, x, x0, mu, noise, t, norm=norm, per_example=per_example
    )


def x0_loss_at(
    schedule: Schedule,
    noise_fn: NoiseFn,
    x: Array,
    x0: Array,
    mu: Array | None,
    noise: Array,
    t: Array,
    *,
    norm: str = "l1",
    per_example: bool = False,
) -> Array:
    """`x0_loss` for given x (shape of x0) and t (shape [batch])."""
    del noise  # x and x0 hold it
    predicted = noise_fn(x, x if mu is None else mu, t)
    chex.assert_equal_shape([predicted, x, x0])
    mean_axis = None if mu is None else 0
    invert = jax.vmap(sde.mean_and_x0, (None, 0, mean_axis, 0, 0))
    _, x0_hat = invert(schedule, x, mu, predicted, t)
    return _mean(_norm(norm)(x0_hat - x0), per_example)


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
    "noise": noise_loss,
    "x0": x0_loss,
    "max_likelihood_exact": functools.partial(max_likelihood_loss, form="exact"),
    "max_likelihood_euler": functools.partial(max_likelihood_loss, form="euler"),
}


def make_loss(name: str, norm: str = "l1") -> Callable[..., Array]:
    """The loss `(keys, schedule, noise_fn, x0, mu) -> []` of that name and norm.

    It takes `per_example` too, see `noise_loss`.
    """
    if name not in LOSSES:
        raise ValueError(f"loss name={name!r} is not one of {sorted(LOSSES)}.")
    _norm(norm)
    return functools.partial(LOSSES[name], norm=norm)


def draw(
    keys: PRNGKey, schedule: Schedule, x0: Array, mu: Array | None
) -> tuple[Array, Array, Array]:
    """Draws x_t and its noise, shape of `x0`, and t uniform in 1..T, shape [batch]."""
    mu = x0 if mu is None else mu
    chex.assert_equal_shape([x0, mu])

    def draw_one(key, x0, mu):
        _, noise_key = jax.random.split(key)
        t = _draw_step(key, schedule)
        noise = jax.random.normal(noise_key, x0.shape, x0.dtype)
        return sde.add_noise(schedule, x0, mu, noise, t), noise, t

    return jax.vmap(draw_one)(keys, x0, mu)


def draw_steps(keys: PRNGKey, schedule: Schedule) -> Array:
    """The t that `draw` draws with these keys, shape [batch]."""
    return jax.vmap(_draw_step, (0, None))(keys, schedule)


def _draw_step(key: PRNGKey, schedule: Schedule) -> Array:
    """Draws t uniform in 1..T, from the first half of the key."""
    t_key, _ = jax.random.split(key)
    return jax.random.randint(t_key, (), 1, schedule.num_steps + 1)


def _mean(distances: Array, per_example: bool) -> Array:
    """The mean over everything, or over all axes but the first."""
    return distances.mean(axis=tuple(range(1, distances.ndim)) if per_example else None)


def _norm(norm: str) -> Callable[[Array], Array]:
    """The norm of that name."""
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r} is not one of {sorted(NORMS)}.")
    return NORMS[norm]
