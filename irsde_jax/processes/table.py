"""The processes of this package, which use the same SDE with other means and starts.

| process | mean mu | the network sees | the reverse process starts at |
|---|---|---|---|
| `irsde` | the degraded image | x - mu and mu | mu + lambda z, step T |
| `inpainting` | the same, its holes filled | x and the degraded image | as above |
| `denoising` | the unknown clean image | x alone | the noisy image, its step t* |
| `ddpm` (images in [-1, 1], lambda = 1) | 0 | x and the degraded image | z, step T |

`inpainting` is not in the paper. It differs from IR-SDE in two ways. First, the paper's
mean is white in the holes, which carries no information about the missing pixels; here
the holes of the mean are filled smoothly, so less is left to restore. Second, outside
the holes the clean image is known, so the known noise replaces the prediction of the
network there.
"""

import dataclasses

import jax
import jax.numpy as jnp

from irsde_jax import registry
from irsde_jax.array_types import Array
from irsde_jax.processes import holes
from irsde_jax.processes.process import PREDICTIONS, Process, see_degraded
from irsde_jax.sde import Schedule

# Configurations and weights of earlier versions store these names of `prediction`.
_OLD_PREDICTIONS = {"velocity": "v"}


def _degraded(state: Array, known: Array | None) -> Array:
    """Returns the mean of the paper, which is the degraded image."""
    del known
    return state


def _zeros(state: Array, known: Array | None) -> Array:
    del known
    return jnp.zeros_like(state)


def _filled(state: Array, known: Array | None) -> Array:
    """Returns the degraded images with their unknown pixels filled smoothly."""
    assert known is not None
    return jax.vmap(holes.fill_smoothly)(state, ~known[..., 0])


def _is_no_hole(degraded: Array) -> Array:
    return holes.outside(holes.find(degraded), degraded)


def _to_signed(x: Array) -> Array:
    return 2.0 * x - 1.0


def _to_unit(x: Array) -> Array:
    return (x + 1.0) / 2.0


_ALL = (
    Process(name="irsde", conditional=True, mean=_degraded),
    Process(name="denoising", conditional=False, mean=None, starts_at_input=True),
    Process(
        name="inpainting",
        conditional=True,
        mean=_filled,
        bind=see_degraded,
        known=_is_no_hole,
    ),
    # The variance-preserving diffusion, with the degraded image as in SR3.
    Process(
        name="ddpm",
        conditional=True,
        mean=_zeros,
        bind=see_degraded,
        encode=_to_signed,
        decode=_to_unit,
        max_sigma=1.0,
    ),
)
PROCESSES: dict[str, Process] = {process.name: process for process in _ALL}


def make_process(
    name: str, schedule: Schedule | None = None, prediction: str = "noise"
) -> Process:
    """Returns the process with the given name.

    Args:
        name: A key of `PROCESSES`, or "package.module:name" for a `Process` of your
            own (`registry.find`).
        schedule: The schedule that will be used. If it is given, its `max_sigma` is
            checked.
        prediction: The quantity that the network predicts: "noise", as in the paper, or
            "v", the velocity of `sde.v_to_noise`. "velocity", the name of "v" in
            earlier versions, is accepted too.

    Raises:
        ValueError: If there is no such process, or if it does not support the schedule
            or the prediction.
    """
    process = registry.find(name, PROCESSES, "process")
    if not isinstance(process, Process):
        raise ValueError(
            f"process={name!r} is {process!r}; it must be a processes.Process."
        )
    needed = process.max_sigma
    if needed is not None and schedule is not None and schedule.max_sigma != needed:
        raise ValueError(
            f"process={name!r} needs max_sigma={needed:g}, got "
            f"{float(schedule.max_sigma):.4g}. Set schedule.max_sigma={needed:g}."
        )
    prediction = _OLD_PREDICTIONS.get(prediction, prediction)
    if prediction not in PREDICTIONS:
        raise ValueError(
            f"prediction={prediction!r} is not one of {', '.join(PREDICTIONS)}."
        )
    if prediction == "v" and process.mean is None:
        raise ValueError(
            f"prediction='v' needs a mean, and that of process={name!r} is the unknown "
            "clean image. Use prediction='noise'."
        )
    return dataclasses.replace(process, prediction=prediction)
