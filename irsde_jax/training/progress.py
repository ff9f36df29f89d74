"""A progress display for long tasks."""

import collections
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO


class Progress:
    """A context manager that shows progress: a bar on a terminal, or else plain lines.

    It shows the number of steps done, the recent speed in images per second and the
    time left. The first step is not part of the speed, because it compiles.

    Args:
        total: The number of steps of the whole task.
        initial: The number of steps that are already done.
        unit: The name of a step.
        images_per_step: The number of images per step, such as the batch size.
        every: The number of seconds between plain lines.
        stream: The stream to write to, by default standard error.
        clock: The function that returns the time in seconds.
    """

    # The speed is measured over this many marks, which are at least a second apart.
    _WINDOW = 30

    def __init__(
        self,
        total: int,
        initial: int = 0,
        *,
        unit: str = "step",
        images_per_step: int = 1,
        every: float = 30.0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._total, self._step, self._unit = total, initial, unit
        self._images_per_step, self._every, self._clock = images_per_step, every, clock
        self._stream = sys.stderr if stream is None else stream
        self._values: dict[str, float] = {}
        self._marks: collections.deque = collections.deque(maxlen=self._WINDOW)
        self._printed_at, self._printed_step = clock(), initial
        self._bar = self._make_bar() if self._stream.isatty() else None

    def update(self, num_steps: int = 1, **values: float) -> None:
        """Counts finished steps, and shows `values`, such as the loss."""
        self._step += num_steps
        self._values.update(values)
        now = self._clock()
        if not self._marks or now - self._marks[-1][0] >= 1.0:
            self._marks.append((now, self._step))
        if self._bar is not None:
            self._bar.set_postfix_str(", ".join(self._details()), refresh=False)
            self._bar.update(num_steps)
        elif now - self._printed_at >= self._every:
            self._print_line(now)

    def message(self, text: str) -> None:
        """Prints a line of text without damaging the bar."""
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Shows the final progress."""
        if self._bar is not None:
            self._bar.close()
        elif self._step != self._printed_step:
            self._print_line(self._clock())

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make_bar(self) -> Any:
        from tqdm import tqdm  # Plain lines need no tqdm.

        layout = (
            f"{{percentage:3.0f}}%|{{bar}}| {self._unit} {{n}}/{{total}}{{postfix}}"
        )
        return tqdm(
            total=self._total,
            initial=self._step,
            file=self._stream,
            bar_format=layout,
            dynamic_ncols=True,
        )

    def _print_line(self, now: float) -> None:
        head = f"{self._unit} {self._step}/{self._total}"
        print(", ".join([head, *self._details()]), file=self._stream, flush=True)
        self._printed_at, self._printed_step = now, self._step

    def _details(self) -> Iterator[str]:
        for name, value in self._values.items():
            yield f"{name} {value:.4g}"
        if len(self._marks) < 2:
            return
        (start, first), (end, last) = self._marks[0], self._marks[-1]
        if last == first:  # No step has finished, so there is no speed.
            return
        steps_per_second = (last - first) / (end - start)
        yield f"{steps_per_second * self._images_per_step:.3g} images/s"
        if self._step < self._total:
            left = round((self._total - self._step) / steps_per_second)
            yield f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
