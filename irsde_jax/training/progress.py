"""A line of progress for whoever watches a long piece of work."""

import collections
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO


class Progress:
    """A line of progress: a bar on a terminal, elsewhere a plain line now and then.

    It shows how far the work is, its speed in images per second (recent, and without
    the first step, which compiles) and the time left. A context manager.

    Args:
        total: number of steps of the whole work.
        initial: how many of them are done already.
        unit: what a step is called.
        images_per_step: to turn steps into images; the batch size.
        every: seconds between plain lines.
        stream: where to; standard error by default.
        clock: gives the time in seconds.
    """

    _WINDOW = 30  # marks, a second or more apart, over which the speed is measured

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
        """Counts steps that are done; `values`, such as the loss, are shown."""
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
        """A line of its own that leaves the bar intact."""
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Shows where the work ended."""
        if self._bar is not None:
            self._bar.close()
        elif self._step != self._printed_step:
            self._print_line(self._clock())

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make_bar(self) -> Any:
        from tqdm import tqdm  # restoring, which may import this module, needs none

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
        if last == first:  # values alone were shown since: no step to judge by
            return
        steps_per_second = (last - first) / (end - start)
        yield f"{steps_per_second * self._images_per_step:.3g} images/s"
        if self._step < self._total:
            left = round((self._total - self._step) / steps_per_second)
            yield f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
