"""Functions for several processes (hosts) that train one network together.

Each process has its own devices and reads its own part of the data. Only the first
process writes logs, images and checkpoints. With one process, every function here is
trivial.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils


def initialize(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> None:
    """Joins the other processes; call it before any other function of JAX.

    If arguments are None, `jax.distributed.initialize` takes them from the environment
    of the cluster (a TPU pod slice, Slurm, Open MPI).

    Args:
        coordinator: The address of process 0, "host:port".
        num_processes: The number of processes.
        process_id: The number of this process, in 0..num_processes - 1.

    Raises:
        ValueError: If the environment describes no cluster, or if the processes cannot
            connect.
    """
    try:
        jax.distributed.initialize(coordinator, num_processes, process_id)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            "the processes of this training do not meet: "
            f"{str(error).splitlines()[0]} Give each --coordinator=HOST:PORT of "
            "process 0, --num_processes and its own --process_id; --distributed alone "
            "takes them from the environment of a cluster."
        ) from error


def is_first() -> bool:
    """Returns whether this is the first process, which writes all files."""
    return jax.process_index() == 0


def from_first(tree: Any) -> Any:
    """Returns the arrays of the first process, in all processes, as host arrays.

    Args:
        tree: The arrays. In the other processes, only the structure, the shapes and the
            types are used.
    """
    if jax.process_count() == 1:
        return tree
    return jax.tree.map(np.asarray, multihost_utils.broadcast_one_to_all(tree))


def mine(examples: Any) -> Any:
    """Returns this process's part of global leaves [batch, ...].

    Process h of n gets the examples h, h + n, h + 2 n and so on.
    """
    start, stride = jax.process_index(), jax.process_count()
    return jax.tree.map(lambda leaf: leaf[start::stride], examples)


def stop_signal() -> Callable[[int], bool] | None:
    """Returns the function with which processes agree on the step at which they stop.

    The function takes the number of a step and returns whether to stop after it. It is
    None if there is only one process.
    """
    return _asked_to_stop if jax.process_count() > 1 else None


def _asked_to_stop(step: int) -> bool:
    """Returns whether a process got SIGTERM, with the same result in all of them."""
    with contextlib.suppress(RuntimeError):  # The preemption service may be off.
        return multihost_utils.reached_preemption_sync_point(step)
    return False


def step_from_first(step: int | None) -> int | None:
    """Returns the step that the first process found, in all processes."""
    found = int(from_first(np.int32(-1 if step is None else step)))
    return None if found < 0 else found
