"""Scalars and images as TensorBoard shows them, by tensorboardX.

Its SummaryWriter hands them to a thread; should that fail, on a full disk, whoever adds
more waits for ever. Here the caller writes, and is told.
"""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_FLUSH_EVERY_S = 30.0  # to the disk: a killed run loses so much of its curves


class EventWriter:
    """A file of events in `logdir`, of which there may be several.

    Raises:
        ImportError: without tensorboardX.
        OSError: from all methods, if the file cannot be written.
    """

    def __init__(self, logdir: Path):
        # Here, because most of this package goes without it.
        from tensorboardX import summary
        from tensorboardX.proto import event_pb2
        from tensorboardX.record_writer import RecordWriter

        self._summary, self._event = summary, event_pb2.Event
        name = f"{int(time.time())}.{socket.gethostname()}.{os.getpid()}"
        self._file = RecordWriter(str(logdir / f"events.out.tfevents.{name}"))
        self._flushed_at = time.monotonic()
        self._add(file_version="brain.Event:2")

    def add_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """One event for all of them."""
        values = [
            self._summary.scalar(name, value).value[0]
            for name, value in scalars.items()
        ]
        self._add(step=step, summary={"value": values})
        if time.monotonic() - self._flushed_at > _FLUSH_EVERY_S:
            self.flush()

    def add_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Images of shape [H, W, C], C being 1 or 3, in [0, 1]."""
        for name, image in images.items():
            pixels = np.clip(np.asarray(image, np.float32), 0.0, 1.0)
            shown = self._summary.image(name, pixels, dataformats="HWC")
            self._add(step=step, summary=shown)
        self.flush()

    def flush(self) -> None:
        """Puts everything on disk."""
        self._file.flush()
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        """Ends the file; a second call does nothing."""
        self._file.close()

    def _add(self, **event: Any) -> None:
        content = self._event(wall_time=time.time(), **event)
        self._file.write(content.SerializeToString())
