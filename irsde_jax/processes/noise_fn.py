"""Noise functions for losses and solvers, made from a network and a process."""

import jax
import jax.numpy as jnp

from irsde_jax import sde
from irsde_jax.array_types import Array, NoiseFn
from irsde_jax.processes.process import Given, Process
from irsde_jax.sde import Schedule


def make_noise_fn(
    process: Process,
    schedule: Schedule,
    network: NoiseFn,
    given: Given,
    *,
    debias: bool = False,
    clip: bool = False,
) -> NoiseFn:
    """Returns the noise function that losses and solvers use, from a network.

    Where the clean image is known, the noise follows from it, and the prediction of the
    network is ignored.

    Args:
        process: The process, as `make_process` returns it.
        schedule: The coefficients of the SDE.
        network: The network `(x, mu, t) -> prediction`, which returns the quantity
            that `process.prediction` names.
        given: The degraded images, as `prepare` returns them.
        debias: Whether to remove the bias of a network that was trained with the
            `euler` loss, whose minimiser is not the noise (`sde.debias_noise`).
        clip: Whether to clip the clean image that each prediction implies to [0, 1].
            Near step T, the error of the image is lambda/delta times that of the noise.
            Clipping limits it, which matters with few evaluations (static thresholding,
            Saharia et al. 2022, https://arxiv.org/abs/2205.11487, Section 2.3).
    """
    noise_fn = _bind(process, schedule, network, given)
    has_mean = given.mean is not None
    if debias:
        noise_fn = _debiased(schedule, noise_fn, has_mean)
    noise_fn = _with_known(schedule, noise_fn, given)
    if clip:
        bounds = process.encode(jnp.zeros(())), process.encode(jnp.ones(()))
        noise_fn = _clipped(schedule, noise_fn, bounds, has_mean)
    return noise_fn


def _bind(
    process: Process, schedule: Schedule, network: NoiseFn, given: Given
) -> NoiseFn:
    """Returns the network as a `NoiseFn` with its proper inputs and output."""
    predict = process.bind(network, given.state)
    return _from_v(schedule, predict) if process.prediction == "v" else predict


def _from_v(schedule: Schedule, v_fn: NoiseFn) -> NoiseFn:
    """Returns the noise function of a network that predicts v."""
    to_noise = jax.vmap(sde.v_to_noise, (None, 0, 0, 0, 0))

    def noise_fn(x: Array, mu: Array, t: Array) -> Array:
        noise: Array = to_noise(schedule, x, mu, v_fn(x, mu, t), t)
        return noise

    return noise_fn


def _with_known(schedule: Schedule, noise_fn: NoiseFn, given: Given) -> NoiseFn:
    """Returns `noise_fn` with the exact noise where the clean image is known."""
    known, clean = given.known, given.state
    if known is None:
        return noise_fn
    to_noise = jax.vmap(sde.x0_to_noise, (None, 0, 0, 0, 0))

    def partly_known(x: Array, mu: Array, t: Array) -> Array:
        noise = to_noise(schedule, x, clean, mu, t)
        return jnp.where(known, noise, noise_fn(x, mu, t))

    return partly_known


def _debiased(schedule: Schedule, noise_fn: NoiseFn, has_mean: bool) -> NoiseFn:
    """Returns `noise_fn` without the bias of the `euler` loss."""
    mean_axis = 0 if has_mean else None
    debias = jax.vmap(sde.debias_noise, (None, 0, mean_axis, 0, 0))

    def unbiased(x: Array, mu: Array, t: Array) -> Array:
        noise = noise_fn(x, mu, t)
        return debias(schedule, x, mu if has_mean else None, noise, t)

    return unbiased


def _clipped(
    schedule: Schedule,
    noise_fn: NoiseFn,
    bounds: tuple[Array, Array],
    has_mean: bool,
) -> NoiseFn:
    """Returns `noise_fn` with the clean image that it implies clipped to `bounds`."""
    lowest, highest = bounds

    def clip_one(x: Array, mu: Array | None, noise: Array, t: Array) -> Array:
        mean, x0_hat = sde.mean_and_x0(schedule, x, mu, noise, t)
        clipped = x0_hat.clip(lowest, highest)
        return sde.x0_to_noise(schedule, x, clipped, clipped if mu is None else mean, t)

    mean_axis = 0 if has_mean else None
    clip = jax.vmap(clip_one, (0, mean_axis, 0, 0))

    def within_bounds(x: Array, mu: Array, t: Array) -> Array:
        noise = noise_fn(x, mu, t)
        clipped: Array = clip(x, mu if has_mean else None, noise, t)
        return clipped

    return within_bounds
