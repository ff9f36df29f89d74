"""The definition of a process: a mean, a start and an image encoding for the SDE.

A process connects a network and degraded images with the losses and the sampler. It
consists of a few small functions and settings. The kernels do not depend on it.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp

from irsde_jax import samplers
from irsde_jax.array_types import Array, NoiseFn
from irsde_jax.processes import holes
from irsde_jax.samplers import Solver

MeanFn: TypeAlias = Callable[[Array, Array | None], Array]
"""A function from encoded degraded images and the mask of known values to the mean."""

PREDICTIONS = ("noise", "v")
"""The quantities that a network may predict."""


def identity(x: Array) -> Array:
    """Returns `x` unchanged: the encoding of a process with states in [0, 1]."""
    return x


def see_mean(network: NoiseFn, degraded: Array) -> NoiseFn:
    """Returns `network` unchanged: it sees the mu with which it is called."""
    del degraded
    return network


def see_degraded(network: NoiseFn, degraded: Array) -> NoiseFn:
    """Returns a function that shows `network` the degraded image instead of mu."""
    return lambda x, mu, t: network(x, degraded, t)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Process:
    """A process: how the SDE is used for images.

    A process is hashable, because it is a static argument of compiled programs.

    Attributes:
        name: The name for error messages.
        conditional: Whether the network sees the degraded image.
        starts_at_input: Whether the reverse process starts at the degraded image
            itself, at the step of its noise level. Otherwise it starts at
            mu + lambda z and step T.
        mean: The function from encoded degraded images and the mask of known values
            to the mean mu; None if the mean is the unknown clean image.
        bind: The function from a network and encoded degraded images to the `NoiseFn`
            of losses and samplers: `see_mean` or `see_degraded`.
        encode: The function from images in [0, 1] to states.
        decode: The function from states to images in [0, 1].
        known: The function from encoded degraded images to the mask of values that
            are clean already, bool, of the same shape; None if no value is known.
        max_sigma: The only lambda that the process supports; None if any is allowed.
        prediction: The quantity that the network predicts, one of `PREDICTIONS`: the
            noise, as in the paper, or the velocity v of `sde.v_to_noise`.
    """

    name: str
    conditional: bool
    mean: MeanFn | None
    starts_at_input: bool = False
    bind: Callable[[NoiseFn, Array], NoiseFn] = see_mean
    encode: Callable[[Array], Array] = identity
    decode: Callable[[Array], Array] = identity
    known: Callable[[Array], Array] | None = None
    max_sigma: float | None = None
    prediction: str = "noise"


class Given(NamedTuple):
    """Degraded images, prepared for the losses and the sampler.

    All later operations outside the network work on each value separately.

    Attributes:
        state: The encoded images, shape [batch, H, W, C].
        mean: The mean mu, shape of `state`; None if it is the unknown clean image.
        known: The mask of values that are clean already, bool, shape of `state`; None
            if no value is known.
    """

    state: Array
    mean: Array | None
    known: Array | None


def allows(process: Process, solver: str | Solver) -> bool:
    """Returns whether a process supports a solver; some solvers need a known mean."""
    chosen = samplers.find_solver(solver)
    return process.mean is not None or not samplers.needs_mean(chosen)


def draws_noise(process: Process, solver: str | Solver) -> bool:
    """Returns whether restoring with a solver is random: whether it uses the key."""
    chosen = samplers.find_solver(solver)
    return chosen.is_stochastic or not process.starts_at_input


def prepare(process: Process, degraded: Array, hole: Array | None = None) -> Given:
    """Encodes degraded images and computes their mean and their known values.

    Args:
        process: The process, as `make_process` returns it.
        degraded: The degraded images in [0, 1], shape [batch, H, W, C].
        hole: The mask of pixels to fill, bool [batch, H, W], for a process that fills
            holes. The values of the images there are ignored, and all other pixels are
            known, even white ones. By default, `holes.find` finds the holes.

    Raises:
        ValueError: If `hole` is given and the process does not fill holes.
    """
    if hole is not None and process.known is None:
        raise ValueError(
            "a mask of holes was given, and this process fills none: leave the mask "
            "out, or use weights of process='inpainting'."
        )
    if hole is not None:
        # The network was trained on images whose holes are white.
        degraded = jnp.where(hole[..., None], holes.HOLE, degraded)
    state = process.encode(degraded)
    if process.known is None:
        known = None
    elif hole is None:
        known = process.known(state)
    else:
        known = holes.outside(hole, state)
    mean = None if process.mean is None else process.mean(state, known)
    return Given(state, mean, known)
