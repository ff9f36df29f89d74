"""What a process is: one SDE, with a mean, a start and an encoding of images.

A process is where a network and degraded images meet the losses and the sampler. The
kernels know nothing of it: a process is a few small functions and facts, not a second
implementation.
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
"""(encoded degraded images, where they are known) -> mu of the kernels."""

PREDICTIONS = ("noise", "v")
"""What a network's output may be."""


def identity(x: Array) -> Array:
    """Images as they are: the encoding of a process whose states lie in [0, 1]."""
    return x


def see_mean(network: NoiseFn, degraded: Array) -> NoiseFn:
    """Binds a network that is shown what it is called with: mu, or x where mu=None."""
    del degraded
    return network


def see_degraded(network: NoiseFn, degraded: Array) -> NoiseFn:
    """Binds a network that is shown the degraded image, where the mean is another."""
    return lambda x, mu, t: network(x, degraded, t)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Process:
    """How a process uses the SDE. It is hashable, as a static argument must be.

    Attributes:
        name: The name for messages.
        conditional: Whether the network sees the degraded image.
        starts_at_input: Whether the reverse process starts at the degraded image
            itself, at the step of its noise level, rather than at mu + lambda z at
            step T.
        mean: (encoded degraded images, where they are known) -> mu of the kernels;
            None if the mean is the unknown clean image.
        bind: (network, encoded degraded images) -> the `NoiseFn` of losses and
            samplers: `see_mean` or `see_degraded`.
        encode: Images in [0, 1] -> states.
        decode: States -> images in [0, 1].
        known: Encoded degraded images -> where they are clean already, bool, of their
            shape; None if that cannot be told.
        max_sigma: The only lambda that the process can have; None if it is free.
        prediction: What the network's output is, one of `PREDICTIONS`: the noise, as
            in the paper, or the velocity v of `sde.v_to_noise`.
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
    """Degraded images as a process takes them: each pixel by itself from here on.

    Attributes:
        state: The encoded images, shape [batch, H, W, C].
        mean: mu of the kernels, shape of `state`; None for the clean images.
        known: Where they are clean already, bool, shape of `state`; None: nowhere.
    """

    state: Array
    mean: Array | None
    known: Array | None


def allows(process: Process, solver: str | Solver) -> bool:
    """Whether a process can be run with a solver: some solvers need a known mean."""
    chosen = samplers.find_solver(solver)
    return process.mean is not None or not samplers.needs_mean(chosen)


def draws_noise(process: Process, solver: str | Solver) -> bool:
    """Whether two restorations of one image differ with a solver that is allowed."""
    chosen = samplers.find_solver(solver)
    return chosen.is_stochastic or not process.starts_at_input


def prepare(process: Process, degraded: Array, hole: Array | None = None) -> Given:
    """What a process takes from degraded images.

    Args:
        process: The process, see `make_process`.
        degraded: The degraded images in [0, 1], shape [batch, H, W, C].
        hole: Where they are to be filled, bool [batch, H, W], for a process that fills
            holes. What the images show there is not looked at, and white pixels
            elsewhere are known. None stands for the holes that `holes.find` finds.

    Raises:
        ValueError: If there are holes and the process fills none.
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
    elif hole is None:
        known = process.known(state)
    else:
        known = holes.outside(hole, state)
    mean = None if process.mean is None else process.mean(state, known)
    return Given(state, mean, known)
