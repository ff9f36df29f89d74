"""An image to restore: its file and the file of its result."""

from pathlib import Path
from typing import NamedTuple


class Job(NamedTuple):
    """An image to restore.

    Attributes:
        name: The path of the file relative to the input, with "/" as the separator. The
            sampling noise depends on it and on the seed.
        source: The path of the file.
        target: The path of its result.
        problem: The reason why it cannot be restored, as far as the names of the files
            tell. It is "" if there is none.
    """

    name: str
    source: Path
    target: Path
    problem: str = ""

    @property
    def spread(self) -> Path:
        """The path of the map of uncertainty, which is written beside the result."""
        return self.target.with_name(f"{self.target.name}.uncertainty.png")
