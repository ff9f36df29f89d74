"""One image that is to be restored: its file, and that of its result."""

from pathlib import Path
from typing import NamedTuple


class Job(NamedTuple):
    """One image.

    Attributes:
        name: path relative to the input, with "/": with the seed it decides the noise.
        source: the file.
        target: its result.
        problem: Why it cannot be restored, as far as its names tell. "" if it can.
    """

    name: str
    source: Path
    target: Path
    problem: str = ""

    @property
    def spread(self) -> Path:
        """Where several samples differ: the map beside the result."""
        return self.target.with_name(f"{self.target.name}.uncertainty.png")
