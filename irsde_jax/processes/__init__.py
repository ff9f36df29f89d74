"""The processes: uses of the same SDE with different means and starts.

The module `table` lists the processes of this package; `process` defines what a process
is.
"""

from irsde_jax.processes.noise_fn import make_noise_fn
from irsde_jax.processes.process import (
    PREDICTIONS,
    Given,
    Process,
    allows,
    draws_noise,
    prepare,
    see_degraded,
    see_mean,
)
from irsde_jax.processes.restoring import restore
from irsde_jax.processes.table import PROCESSES, make_process
from irsde_jax.processes.training import ExampleLosses, training_loss

__all__ = [
    "PREDICTIONS",
    "PROCESSES",
    "ExampleLosses",
    "Given",
    "Process",
    "allows",
    "draws_noise",
    "make_noise_fn",
    "make_process",
    "prepare",
    "restore",
    "see_degraded",
    "see_mean",
    "training_loss",
]
