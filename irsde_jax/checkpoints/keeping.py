"""The checkpoints of a run that are kept: the latest, and the best by a metric."""

from collections.abc import Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp

METRIC = "validation_psnr"


def options(
    keep: int | None, keep_best: int, read_only: bool, on_written: Any
) -> ocp.CheckpointManagerOptions:
    """Returns the options of Orbax's checkpoint manager, with its own policies.

    Args:
        keep: The number of latest checkpoints to keep; None keeps all.
        keep_best: The number of checkpoints with the best `METRIC` to keep besides.
        read_only: Whether the manager only reads.
        on_written: The function that is called when all items of a step are written.
    """
    # Only one process works with Orbax. The others get what it has read.
    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(primary_host=me, active_processes={me})
    if read_only:
        return ocp.CheckpointManagerOptions(
            read_only=True,
            create=False,
            save_interval_steps=0,
            multiprocessing_options=alone,
        )
    policies = ocp.checkpoint_managers
    latest = policies.LatestN(keep)
    best = policies.BestN(
        get_metric_fn=_score, n=keep_best, keep_checkpoints_without_metrics=False
    )
    return ocp.CheckpointManagerOptions(
        create=False,  # Orbax cannot create the folder for only some processes.
        cleanup_tmp_directories=True,  # Saves that were killed leave such folders.
        best_fn=_score,
        preservation_policy=policies.AnyPreservationPolicy([latest, best]),
        async_options=ocp.AsyncOptions(post_finalization_callback=on_written),
        multiprocessing_options=alone,
    )


def _score(metrics: Mapping[str, float]) -> float:
    return metrics[METRIC]
