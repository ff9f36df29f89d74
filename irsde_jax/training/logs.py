"""Log files with the metrics of a training run.

`metrics.jsonl` has one JSON object per line, with "step", "time" and the metrics.
TensorBoard events hold the same numbers and images. Neither needs TensorFlow.
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
    """A context manager that appends scalars to `metrics.jsonl` and TensorBoard events.

    If tensorboardX is not installed, a warning is logged once and only `metrics.jsonl`
    is written.

    Args:
        logdir: The folder of the logs, which is created if it is missing. An existing
            `metrics.jsonl` is continued, after an unfinished last line is removed.
        tensorboard: Whether TensorBoard events are written, too.
        enabled: Whether anything is written. Only one of several processes writes.
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
        """Writes the scalars of a step; values that are not finite become null."""
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
            self._file.flush()  # A run that is killed later keeps this line.
            if self._events is not None:
                self._events.add_scalars(step, values)

    def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Writes images as NAME_STEP.png and as TensorBoard events.

        Args:
            step: The training step.
            images: The images by name, each [H, W, C] in [0, 1], where C is 1 or 3.
        """
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
        """Writes all pending data to the disk."""
        with self._clear_errors():
            self._file.flush()
            if self._events is not None:
                self._events.flush()

    def close(self) -> None:
        """Closes the files; a second call does nothing."""
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
            if error is None:  # Otherwise the earlier `error` is the one to report.
                raise

    @contextlib.contextmanager
    def _clear_errors(self) -> Iterator[None]:
        """Re-raises write errors with the name of the file and with advice."""
        try:
            yield
        except OSError as error:
            raise OSError(
                f"{self._file.name} cannot be written: {error}. Make room, or the "
                "folder writable, and start the same command again: checkpoints that "
                "were finished are intact."
            ) from error


def read_metrics(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Returns the entries of a `metrics.jsonl`, sorted by step.

    A resumed run repeats the steps after its checkpoint. Of several entries with the
    same step and the same names, the last one is used. An unfinished last line is
    ignored.

    Args:
        path: The file, or the folder that holds it.

    Returns:
        One dictionary per entry, with "step", "time" and the scalars. A null becomes
        NaN.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If a complete line is not a valid entry.
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
    """Returns the last value of each scalar in the log, by name.

    Args:
        path: The file, or the folder that holds it, as in `read_metrics`.
    """
    values: dict[str, float] = {}
    for entry in read_metrics(path):
        values |= entry
    return {name: x for name, x in values.items() if name not in ("step", "time")}


def _cut_unfinished_line(path: Path) -> None:
    """Removes everything after the last line break of a file."""
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
