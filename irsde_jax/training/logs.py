"""The metrics of a long run, in files.

`metrics.jsonl` is the record, one JSON object a line with "step" and "time";
TensorBoard is shown the same numbers, and images. Neither needs TensorFlow.
"""

import contextlib
import json
import logging
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from irsde_jax.training.events import EventWriter

FILE_NAME = "metrics.jsonl"

logger = logging.getLogger(__name__)


class MetricWriter:
    """Appends scalars to `metrics.jsonl` and to TensorBoard events; a context manager.

    Without tensorboardX there is one warning, and `metrics.jsonl` alone.

    Args:
        logdir: folder of the logs, made if need be. A file that is there is continued;
            a line that a killed run left unfinished is removed from it.
        tensorboard: whether to write events as well.
        enabled: False writes nothing: of several processes one does.
    """

    def __init__(
        self,
        logdir: str | os.PathLike,
        tensorboard: bool = True,
        *,
        enabled: bool = True,
    ):
        path = Path(logdir) / FILE_NAME if enabled else Path(os.devnull)
        if enabled:
            path.parent.mkdir(parents=True, exist_ok=True)
            _cut_unfinished_line(path)
        self._folder = path.parent if enabled else None
        self._file = path.open("a", encoding="utf-8")
        self._events = _open_events(path.parent) if tensorboard and enabled else None

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Records scalars of a training step; JSON has null for what is not finite."""
        step, now = int(step), time.time()
        values = {name: float(value) for name, value in scalars.items()}
        if clash := {"step", "time"} & set(values):
            raise ValueError(f"{sorted(clash)} is written anyway; rename the scalar.")
        finite = {
            name: value if math.isfinite(value) else None
            for name, value in values.items()
        }
        line = json.dumps({"step": step, "time": now, **finite}) + "\n"
        with self._clear_errors():
            self._file.write(line)
            self._file.flush()  # at once: it is what is left of a killed run
            if self._events is not None:
                self._events.add_scalars(step, values)

    def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Keeps images, each [H, W, C] with C of 1 or 3, in [0, 1]: NAME_STEP.png."""
        if self._folder is None:
            return
        with self._clear_errors():
            for name, image in images.items():
                pixels = np.clip(np.asarray(image, np.float32), 0.0, 1.0)
                whole = np.round(255 * pixels).astype(np.uint8)
                rgb = whole.repeat(3 // whole.shape[-1], axis=-1)
                Image.fromarray(rgb).save(self._folder / f"{name}_{int(step):06}.png")
            if self._events is not None:
                self._events.add_images(int(step), images)

    def flush(self) -> None:
        """Puts everything on disk."""
        with self._clear_errors():
            self._file.flush()
            if self._events is not None:
                self._events.flush()

    def close(self) -> None:
        """Ends the files; a second call does nothing."""
        with self._clear_errors():
            try:
                self._file.close()
            finally:
                if self._events is not None:
                    self._events.close()

    def __enter__(self) -> "MetricWriter":
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        try:
            self.close()
        except OSError:
            if error is None:  # else what went wrong first is said by `error`
                raise

    @contextlib.contextmanager
    def _clear_errors(self) -> Iterator[None]:
        """Says which file could not be written, and what to do."""
        try:
            yield
        except OSError as error:
            raise OSError(
                f"{self._file.name} cannot be written: {error}. Make room, or the "
                "folder writable, and start the same command again: checkpoints that "
                "were finished are intact."
            ) from error


def read_metrics(path: str | os.PathLike) -> list[dict[str, Any]]:
    """The entries of a `metrics.jsonl`, in the order of their steps.

    A run that resumes repeats the steps since its checkpoint: of entries with the same
    step and the same names, the last one is kept. An unfinished last line is left out.

    Args:
        path: the file, or the folder that holds it.

    Returns:
        One dictionary an entry: "step", "time" and the scalars, NaN for null.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line before the last one is not an entry.
    """
    path = Path(path)
    path = path / FILE_NAME if path.is_dir() else path
    kept: dict[tuple[int, frozenset[str]], dict[str, Any]] = {}
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            break
        try:
            entry = json.loads(line)
            key = int(entry["step"]), frozenset(entry)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}:{number} is not an entry: {error!r}.") from error
        kept[key] = {name: math.nan if x is None else x for name, x in entry.items()}
    return sorted(kept.values(), key=lambda entry: entry["step"])


def last_values(path: str | os.PathLike) -> dict[str, float]:
    """The last value of each scalar in the log, by name; see `read_metrics`."""
    values: dict[str, float] = {}
    for entry in read_metrics(path):
        values |= entry
    return {name: x for name, x in values.items() if name not in ("step", "time")}


def _cut_unfinished_line(path: Path) -> None:
    """Removes what follows the last end of line."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)


def _open_events(logdir: Path) -> EventWriter | None:
    try:
        return EventWriter(logdir)
    except ImportError:
        logger.warning(
            "tensorboardX is not installed: no TensorBoard events in %s, %s alone. "
            "`pip install tensorboardX` for them.",
            logdir,
            FILE_NAME,
        )
        return None
