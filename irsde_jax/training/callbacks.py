"""User functions that the training loop calls."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple


class Callbacks(NamedTuple):
    """User functions that the training loop calls; None disables a callback.

    With several hosts, every host calls its own callbacks. An exception in a callback
    ends the training.

    Attributes:
        on_log: The function that is called as `on_log(step, metrics)` after the metrics
            of `train.log_every` steps were logged.
        on_validate: The function that is called as `on_validate(step, scores)` after
            the validation images were scored. Only the first host validates.
        on_checkpoint: The function that is called as `on_checkpoint(step, folder)` when
            the checkpoint of that step is handed to the writer. The writer works in the
            background, so the folder does not exist until the checkpoint is complete.
    """

    on_log: Callable[[int, Mapping[str, float]], object] | None = None
    on_validate: Callable[[int, Mapping[str, float]], object] | None = None
    on_checkpoint: Callable[[int, Path], object] | None = None
