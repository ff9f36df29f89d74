"""SIGTERM and SIGINT: a run that is asked to stop finishes its step and saves.

Preemptible machines send SIGTERM some seconds before they vanish; a person presses
Ctrl-C. A second SIGINT interrupts at once. Nothing is lost either way: what was not
saved is computed again, to the same bits.
"""

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

EXIT_CODE = 75
"""Of a run that stopped because it was asked to: EX_TEMPFAIL, "try again later"."""

logger = logging.getLogger(__name__)


class Interrupted(Exception):
    """A run was asked to stop, and has saved its state; it can go on."""


class Watch:
    """Notices the signals while it is entered; a context manager.

    Outside the main thread, where Python allows no handlers, it notices nothing.

    Args:
        agreed: of several processes: whether one was asked to stop, learnt by all of
            them at the same step. They are never signalled at the same one.
    """

    def __init__(self, agreed: Callable[[int], bool] | None = None) -> None:
        self._agreed = agreed
        self._received: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def name(self) -> str:
        """Of the signal that was received, for people."""
        if self._received is None:
            return "SIGTERM, of another process"
        return signal.Signals(self._received).name

    def requested(self, step: int) -> bool:
        """Whether to stop after `step`, which is called for every step in order."""
        if self._agreed is not None:
            return self._agreed(step)
        return self._received is not None

    def __enter__(self) -> "Watch":
        if threading.current_thread() is threading.main_thread():
            # Whoever makes the processes agree notices the signals, too.
            mine = self._agreed is None
            for number in (signal.SIGTERM, signal.SIGINT) if mine else ():
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # None stands for a handler that was not installed from Python.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before = {}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._received == signal.SIGINT:
            signal.default_int_handler(number, frame)
        self._received = number
        again = "; once more interrupts at once" if number == signal.SIGINT else ""
        logger.info(
            "%s: saving after this step, then stopping%s.",
            signal.Signals(number).name,
            again,
        )
