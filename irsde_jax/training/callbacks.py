"""Functions of a user's own that a training calls."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple


class Callbacks(NamedTuple):
    """Functions of a user's own that a training calls; None calls nothing.

    Of several hosts, each calls its own; a callback that raises ends the training.

    Attributes:
        on_log: `(step, metrics)`, after the metrics of `train.log_every` steps were
            logged.
        on_validate: `(step, scores)`, after the validation images were scored.
        on_checkpoint: `(step, folder)`, when the checkpoint of that step is handed to
            the writer, which works in the background: the folder exists once all of
            the checkpoint is written.
    """

    on_log: Callable[[int, Mapping[str, float]], object] | None = None
    on_validate: Callable[[int, Mapping[str, float]], object] | None = None
    on_checkpoint: Callable[[int, Path], object] | None = None
