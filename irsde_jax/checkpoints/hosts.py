"""Several processes that train one network: who writes, and what all of them agree on.

Each process has devices of its own and reads its own share of the data; the first one
writes logs, pictures and checkpoints. With one process every function here is trivial.
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
    """Joins the other processes; before anything else of JAX is used.

    Without arguments they are those of the cluster's environment (a TPU pod slice,
    Slurm, Open MPI), as `jax.distributed.initialize` finds them.

    Args:
        coordinator: address of process 0, "host:port".
        num_processes: how many there are.
        process_id: of this one, 0..num_processes - 1.

    Raises:
        ValueError: if the environment names no cluster, or the processes do not meet.
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
    """Whether this is the process that writes."""
    return jax.process_index() == 0


def from_first(tree: Any) -> Any:
    """What the first process has, in all of them, as host arrays.

    Args:
        tree: of arrays; the others need its structure, shapes and types alone.
    """
    if jax.process_count() == 1:
        return tree
    return jax.tree.map(np.asarray, multihost_utils.broadcast_one_to_all(tree))


def mine(examples: Any) -> Any:
    """Of global leaves [batch, ...] those of this process: h, h + n, ... of host h."""
    start, stride = jax.process_index(), jax.process_count()
    return jax.tree.map(lambda leaf: leaf[start::stride], examples)


def stop_signal() -> Callable[[int], bool] | None:
    """What makes several processes stop at the same step; None for one process."""
    return _asked_to_stop if jax.process_count() > 1 else None


def _asked_to_stop(step: int) -> bool:
    """Whether one of several processes got SIGTERM; all learn it at the same step."""
    with contextlib.suppress(RuntimeError):  # the service is off
        return multihost_utils.reached_preemption_sync_point(step)
    return False


def step_from_first(step: int | None) -> int | None:
    """The step that the first process found, in all of them."""
    found = int(from_first(np.int32(-1 if step is None else step)))
    return None if found < 0 else found
