"""The processes: one SDE, with another mean and another start for each of them."""

from irsde_jax.processes.base import (
    PREDICTIONS,
    PROCESSES,
    Given,
    Process,
    allows,
    draws_noise,
    make_noise_fn,
    make_process,
    prepare,
    restore,
    training_loss,
)

__all__ = [
    "PREDICTIONS",
    "PROCESSES",
    "Given",
    "Process",
    "allows",
    "draws_noise",
    "make_noise_fn",
    "make_process",
    "prepare",
    "restore",
    "training_loss",
]
