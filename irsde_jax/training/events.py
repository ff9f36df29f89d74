"""Scalars and images for TensorBoard, written with tensorboardX.

The SummaryWriter of tensorboardX writes from a thread of its own. If that thread fails,
for example because the disk is full, the next call to the writer blocks forever. This
module therefore writes in the calling thread, so that errors reach the caller.
"""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_FLUSH_EVERY_S = 30.0  # the most that a killed run loses of its curves, in seconds


class EventWriter:
    """A new event file in `logdir`, beside those of earlier starts of the run.

    Raises:
        ImportError: If tensorboardX is not installed.
        OSError: If the file cannot be written. Every method raises this error.
    """

    def __init__(self, logdir: Path):
        # The import is here because the rest of the package does not need tensorboardX.
        from tensorboardX import summary
        from tensorboardX.proto import event_pb2
        from tensorboardX.record_writer import RecordWriter

        self._summary, self._event = summary, event_pb2.Event
        name = f"{int(time.time())}.{socket.gethostname()}.{os.getpid()}"
        self._file = RecordWriter(str(logdir / f"events.out.tfevents.{name}"))
        self._flushed_at = time.monotonic()
        self._add(file_version="brain.Event:2")

    def add_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Adds the scalars of a training step as one event."""
        values = [
            self._summary.scalar(name, value).value[0]
            for name, value in scalars.items()
        ]
        self._add(step=step, summary={"value": values})
        if time.monotonic() - self._flushed_at > _FLUSH_EVERY_S:
            self.flush()

    def add_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Adds images of shape [H, W, C], where C is 1 or 3, with values in [0, 1]."""
        for name, image in images.items():
            pixels = np.clip(np.asarray(image, np.float32), 0.0, 1.0)
            shown = self._summary.image(name, pixels, dataformats="HWC")
            self._add(step=step, summary=shown)
        self.flush()

    def flush(self) -> None:
        """Writes all pending events to the disk."""
        self._file.flush()
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        self._file.close()

    def _add(self, **event: Any) -> None:
        content = self._event(wall_time=time.time(), **event)
        self._file.write(content.SerializeToString())
