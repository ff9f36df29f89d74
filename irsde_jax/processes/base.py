"""The processes of the paper: one SDE, another mean, another start.

| process | mean mu | the network sees | the reverse starts at |
|---|---|---|---|
| `irsde` | the degraded image | x - mu and mu | mu + lambda z, step T |
| `inpainting` | the same, its holes filled | x and the degraded image | as above |
| `denoising` | the unknown clean image | x alone | the noisy image, its step t* |
| `ddpm` (images in [-1, 1], lambda = 1) | 0 | x and the degraded image | z, step T |

This is where a network and degraded images meet the losses and the sampler. The kernels
know nothing of it: a process is a few small functions, not a second implementation.

`inpainting` is ours: IR-SDE with two things that the degraded image says. White, the
mean of the paper, says nothing of what is missing; a smooth surface over the hole says
much, and the nearer the mean is, the less is left to restore. And where there is no
hole, the clean image is known, and so is the noise: the network is not asked.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from irsde_jax import samplers, sde
from irsde_jax.array_types import Array, NoiseFn, PRNGKey
from irsde_jax.processes import holes
from irsde_jax.samplers import Solver
from irsde_jax.sde import Schedule


class Process(NamedTuple):
    """How a process uses the SDE.

    Attributes:
        conditional: whether the network sees the degraded image.
        starts_at_input: whether the reverse starts at the degraded image itself, at the
            step of its noise level, rather than at mu + lambda z at step T.
        mean: (encoded degraded images, where they are known) -> mu of the kernels;
            None for the clean image.
        bind: (network, degraded images) -> the `NoiseFn` of losses and samplers.
        encode: images in [0, 1] -> states.
        decode: states -> images in [0, 1].
        known: encoded degraded images -> where they are clean already, bool, of their
            shape; None where that cannot be told.
        prediction: what the network's output is: "noise" or "velocity".
    """

    conditional: bool
    starts_at_input: bool
    mean: Callable[[Array, Array | None], Array | None]
    bind: Callable[[NoiseFn, Array], NoiseFn]
    encode: Callable[[Array], Array]
    decode: Callable[[Array], Array]
    known: Callable[[Array], Array] | None = None
    prediction: str = "noise"


class Given(NamedTuple):
    """Degraded images as a process takes them: each pixel by itself from here on.

    Attributes:
        state: the encoded images, shape [batch, H, W, C].
        mean: mu of the kernels, shape of `state`; None for the clean images.
        known: where they are clean already, bool, shape of `state`; None: nowhere.
    """

    state: Array
    mean: Array | None
    known: Array | None


def _same(x: Array) -> Array:
    return x


def _degraded(state: Array, known: Array | None) -> Array:
    """The mean of the paper."""
    del known
    return state


def _no_mean(state: Array, known: Array | None) -> None:
    """The mean of a process that reverts to the unknown clean image."""
    del state, known


def _zeros(state: Array, known: Array | None) -> Array:
    del known
    return jnp.zeros_like(state)


def _filled(state: Array, known: Array | None) -> Array:
    """The degraded images, with a smooth surface where they are not known."""
    assert known is not None
    return jax.vmap(holes.fill_smoothly)(state, ~known[..., 0])


def _to_signed(x: Array) -> Array:
    return 2.0 * x - 1.0


def _to_unit(x: Array) -> Array:
    return (x + 1.0) / 2.0


def _see_mu(network: NoiseFn, degraded: Array) -> NoiseFn:
    """The network as it is: it is called with mu, or with mu=x."""
    del degraded
    return network


def _see_degraded(network: NoiseFn, degraded: Array) -> NoiseFn:
    """The network is shown the degraded image where the mean is another one."""
    return lambda x, mu, t: network(x, degraded, t)


def _is_no_hole(degraded: Array) -> Array:
    return _outside(holes.find(degraded), degraded)


def _outside(hole: Array, images: Array) -> Array:
    """Of every channel, as solvers work on canvases without pixels."""
    return jnp.broadcast_to(~hole[..., None], images.shape)


PROCESSES: dict[str, Process] = {
    "irsde": Process(True, False, _degraded, _see_mu, _same, _same),
    "denoising": Process(False, True, _no_mean, _see_mu, _same, _same),
    "inpainting": Process(
        *(True, False, _filled, _see_degraded, _same, _same),
        known=_is_no_hole,
    ),
    "ddpm": Process(True, False, _zeros, _see_degraded, _to_signed, _to_unit),
}


PREDICTIONS = ("noise", "velocity")


def make_process(
    name: str, schedule: Schedule | None = None, prediction: str = "noise"
) -> Process:
    """The process of that name.

    Args:
        name: a key of `PROCESSES`.
        schedule: what it is to be used with, to be checked.
        prediction: what the network's output is: "noise", as in the paper, or
            "velocity", see `sde.velocity_to_noise`.

    Raises:
        ValueError: if there is none, or if schedule or prediction do not fit.
    """
    if name not in PROCESSES:
        raise ValueError(f"process={name!r} is not one of {sorted(PROCESSES)}.")
    if name == "ddpm" and schedule is not None and schedule.max_sigma != 1:
        raise ValueError(
            "process='ddpm' is the variance-preserving diffusion: it needs max_sigma=1 "
            f"(its images are in [-1, 1]), got {float(schedule.max_sigma):.4g}."
        )
    if prediction not in PREDICTIONS:
        raise ValueError(f"prediction={prediction!r} is not one of {PREDICTIONS}.")
    if prediction == "velocity" and name == "denoising":
        raise ValueError(
            "prediction='velocity' needs a mean, and that of process='denoising' is "
            "the unknown clean image. Use prediction='noise'."
        )
    return PROCESSES[name]._replace(prediction=prediction)


def training_loss(
    loss: Callable[..., Array],
    process: Process,
    keys: PRNGKey,
    schedule: Schedule,
    network: NoiseFn,
    x0: Array,
    degraded: Array | None,
) -> Array:
    """The loss of a network on pairs of images, shape [].

    Args:
        loss: one of `losses.make_loss`.
        process: a value of `PROCESSES`.
        keys: one per example, shape [batch].
        schedule: SDE coefficients.
        network: `(x, mu, t) -> noise`, or what `process.prediction` names.
        x0: clean images in [0, 1], shape [batch, H, W, C].
        degraded: degraded images, shape of `x0`; None for an unconditional process.

    Raises:
        ValueError: if a conditional process is given no degraded images.
    """
    if not process.conditional:
        degraded = x0  # its `mean` and `bind` look at neither
    elif degraded is None:
        raise ValueError(
            'this process learns from pairs: the batch needs degraded images, "mu".'
        )
    given = prepare(process, degraded)
    noise_fn = _with_known(schedule, _bind(process, schedule, network, given), given)
    return loss(keys, schedule, noise_fn, process.encode(x0), given.mean)


def prepare(process: Process, degraded: Array, hole: Array | None = None) -> Given:
    """What a process takes from degraded images.

    Args:
        process: a value of `PROCESSES`.
        degraded: The degraded images in [0, 1], shape [batch, H, W, C].
        hole: Where they are to be filled, bool [batch, H, W], for a process that fills
            holes. What the images show there is not looked at, and white pixels
            elsewhere are known. None stands for the holes that `holes.find` finds.

    Raises:
        ValueError: if there are holes and the process fills none.
    """
    if hole is not None and process.known is None:
        raise ValueError(
            "a mask of holes was given, and this process fills none: leave the mask "
            "out, or use weights of process='inpainting'."
        )
    if hole is not None:
        # The network learnt from holes that are white.
        degraded = jnp.where(hole[..., None], holes.HOLE, degraded)
    state = process.encode(degraded)
    if process.known is None:
        known = None
    else:
        known = process.known(state) if hole is None else _outside(hole, state)
    return Given(state, process.mean(state, known), known)


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
        key: shape [] or [batch], see `samplers.sample`.
        process: a value of `PROCESSES`.
        schedule: SDE coefficients.
        network: `(x, mu, t) -> noise`, or what `process.prediction` names.
        given: the degraded images, see `prepare`.
        solver: a key of `samplers.SOLVERS`, or a `Solver`.
        timesteps: the grid; a process that starts at its input needs one that starts at
            `sde.start_step(schedule, sigma)`.
        debias: see `make_noise_fn`, as for `clip`.
        clip: whether the image that each prediction implies is clipped to [0, 1].
    """
    restored = samplers.sample(
        key,
        schedule,
        make_noise_fn(process, schedule, network, given, debias=debias, clip=clip),
        given.mean,
        solver=solver,
        timesteps=timesteps,
        x_init=given.state if process.starts_at_input else None,
    )
    return process.decode(restored)


def allows(process: Process, schedule: Schedule, solver: str) -> bool:
    """Whether a process has that solver; see `samplers.SOLVERS`."""
    try:
        jax.eval_shape(lambda: _two_restorations(process, schedule, solver))
    except ValueError:
        return False
    return True


def draws_noise(process: Process, schedule: Schedule, solver: str) -> bool:
    """Whether two restorations of an image can differ with that solver."""
    first, second = _two_restorations(process, schedule, solver)
    return bool((first != second).any())


def _two_restorations(process: Process, schedule: Schedule, solver: str) -> Array:
    """One pixel restored with two keys by a network that predicts 0; shape [2, ...]."""
    return restore(
        jax.random.split(jax.random.key(0)),
        process,
        schedule,
        lambda x, mu, t: jnp.zeros_like(x),
        # White: of any other pixel "inpainting" knows all.
        prepare(process, jnp.ones((2, 1, 1, 1))),
        solver=solver,
        timesteps=samplers.timestep_grid(schedule, 2),
    )


def make_noise_fn(
    process: Process,
    schedule: Schedule,
    network: NoiseFn,
    given: Given,
    *,
    debias: bool = False,
    clip: bool = False,
) -> NoiseFn:
    """What the solvers take for the noise, from what the network predicts.

    Args:
        process: a value of `PROCESSES`.
        schedule: SDE coefficients.
        network: `(x, mu, t) -> noise`, or what `process.prediction` names.
        given: the degraded images, see `prepare`.
        debias: whether the network was trained with the `euler` loss, whose minimiser
            is not the noise: see `sde.debias_noise`.
        clip: whether the clean image that each prediction implies is clipped to [0, 1].
            Near step T a small error of the noise is a large one of the image, 1/delta
            times: with few evaluations clipping tames it (static thresholding,
            Saharia et al. 2022, https://arxiv.org/abs/2205.11487, Section 2.3).
    """
    noise_fn = _bind(process, schedule, network, given)
    denoising = given.mean is None
    if debias:
        noise_fn = _debiased(schedule, noise_fn, denoising)
    noise_fn = _with_known(schedule, noise_fn, given)
    if clip:
        bounds = process.encode(jnp.zeros(())), process.encode(jnp.ones(()))
        noise_fn = _clipped(schedule, noise_fn, bounds, denoising)
    return noise_fn


def _bind(
    process: Process, schedule: Schedule, network: NoiseFn, given: Given
) -> NoiseFn:
    """The network as a `NoiseFn`, whatever it predicts."""
    predict = process.bind(network, given.state)
    if process.prediction == "noise":
        return predict
    to_noise = jax.vmap(sde.velocity_to_noise, (None, 0, 0, 0, 0))
    return lambda x, mu, t: to_noise(schedule, x, mu, predict(x, mu, t), t)


def _with_known(schedule: Schedule, noise_fn: NoiseFn, given: Given) -> NoiseFn:
    """`noise_fn`, and the noise itself where the clean image is known."""
    known, clean = given.known, given.state
    if known is None:
        return noise_fn
    to_noise = jax.vmap(sde.x0_to_noise, (None, 0, 0, 0, 0))

    def partly_known(x, mu, t):
        noise = to_noise(schedule, x, clean, mu, t)
        return jnp.where(known, noise, noise_fn(x, mu, t))

    return partly_known


def _debiased(schedule: Schedule, noise_fn: NoiseFn, denoising: bool) -> NoiseFn:
    """`noise_fn` with the bias of the `euler` loss taken out."""
    mean_axis = None if denoising else 0
    debias = jax.vmap(sde.debias_noise, (None, 0, mean_axis, 0, 0))

    def unbiased(x, mu, t):
        noise = noise_fn(x, mu, t)
        return debias(schedule, x, None if denoising else mu, noise, t)

    return unbiased


def _clipped(
    schedule: Schedule,
    noise_fn: NoiseFn,
    bounds: tuple[Array, Array],
    denoising: bool,
) -> NoiseFn:
    """`noise_fn` as if the clean image that it implies were clipped to `bounds`."""

    def clip_one(x, mu, noise, t):
        mean, x0_hat = sde.mean_and_x0(schedule, x, mu, noise, t)
        clipped = x0_hat.clip(*bounds)
        return sde.x0_to_noise(schedule, x, clipped, clipped if mu is None else mean, t)

    mean_axis = None if denoising else 0
    clip = jax.vmap(clip_one, (0, mean_axis, 0, 0))

    def within_bounds(x, mu, t):
        noise = noise_fn(x, mu, t)
        return clip(x, None if denoising else mu, noise, t)

    return within_bounds
