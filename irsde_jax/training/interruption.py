"""SIGTERM and SIGINT: a run that receives one finishes its step, saves and stops.

Preemptible machines send SIGTERM some seconds before they shut down; Ctrl-C sends
SIGINT. A second SIGINT interrupts the run at once. In both cases the run can be
resumed: steps that were not saved are computed again and give the same bits.
"""

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

EXIT_CODE = 75
"""The exit code of a run that a signal stopped: EX_TEMPFAIL, "try again later"."""

logger = logging.getLogger(__name__)


class Interrupted(Exception):
    """The run was stopped by a signal after it saved its state; it can be resumed."""


class Watch:
    """A context manager that handles SIGTERM and SIGINT.

    Python allows signal handlers only in the main thread; elsewhere, signals are not
    handled.

    Args:
        agreed: The function with which several processes agree on the step at which all
            of them stop, because a signal reaches them at different steps. It is called
            with the number of the step. None is for a single process.
    """

    def __init__(self, agreed: Callable[[int], bool] | None = None) -> None:
        self._agreed = agreed
        self._received: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def name(self) -> str:
        """The name of the received signal, for messages."""
        if self._received is None:
            return "SIGTERM, of another process"
        return signal.Signals(self._received).name

    def requested(self, step: int) -> bool:
        """Returns whether to stop after `step`; call it for every step, in order."""
        if self._agreed is not None:
            return self._agreed(step)
        return self._received is not None

    def __enter__(self) -> "Watch":
        if threading.current_thread() is threading.main_thread():
            # With several processes, `agreed` uses JAX's own handler of SIGTERM.
            mine = self._agreed is None
            for number in (signal.SIGTERM, signal.SIGINT) if mine else ():
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # None means that the previous handler was not installed from Python.
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
