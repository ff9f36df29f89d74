"""Processes that tests start: each has a deadline, and none outlives its test.

A child leads a process group of its own, so that what it starts (data workers, say)
ends with it. `conftest.py` ends all of them after each test, also after one that
failed. Waits end by progress; the deadline is only for what hangs, and is long enough
for a machine that is ten times slower than ours.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

DEADLINE = 600.0
"""Seconds after which a wait is given up."""

_STARTED: list[subprocess.Popen] = []


def start(command: Sequence[Any], **options: Any) -> subprocess.Popen:
    """Starts a process; the test that started it need not end it.

    Args:
        command: The program and its arguments.
        **options: The options of `subprocess.Popen`.
    """
    process = subprocess.Popen(
        [str(part) for part in command], start_new_session=True, **options
    )
    _STARTED.append(process)
    return process


def end(process: subprocess.Popen) -> None:
    """Kills a process and everything in its group, and waits for it."""
    # Also after the process itself has ended: its children may be left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process in _STARTED:
        _STARTED.remove(process)


def end_all(but: Sequence[subprocess.Popen] = ()) -> None:
    """Ends all processes that were started, except those in `but`."""
    for process in [child for child in _STARTED if child not in but]:
        end(process)


# A run of the tests that is interrupted reaches no fixture's end.
atexit.register(end_all)


def running() -> list[subprocess.Popen]:
    """The processes that `start` has started and nothing has ended."""
    return list(_STARTED)


def exit_code(process: subprocess.Popen) -> int:
    """The exit code of a process that ends by itself; it is killed at the deadline."""
    try:
        return process.wait(timeout=DEADLINE)
    finally:
        end(process)


def wait_for(
    condition: Callable[[], Any],
    *processes: subprocess.Popen,
    seconds: float = DEADLINE,
) -> bool:
    """Waits until `condition` holds.

    Args:
        condition: What to wait for; it is called every few milliseconds.
        *processes: The processes that can bring it about.
        seconds: How long to wait at the most.

    Returns:
        Whether it holds: False if one of the processes ended, or time is up, before.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        ended = any(process.poll() is not None for process in processes)
        if ended or time.monotonic() > deadline:
            return bool(condition())
        time.sleep(0.002)
    return True
