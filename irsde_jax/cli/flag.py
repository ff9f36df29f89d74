"""One flag of the command line: its name, its type, its modes and its help."""

import enum
from typing import NamedTuple


class Kind(enum.Enum):
    """The type of a flag's value."""

    TEXT = "text"
    INTEGER = "an integer"
    DECIMAL = "a number"
    SWITCH = "true or false"
    PATH = "a path"
    PATHS = "paths, joined by commas"


class Flag(NamedTuple):
    """A flag of the command line.

    Attributes:
        name: The name, without dashes.
        kind: The type of the value.
        modes: The modes that use the flag. In other modes it is an error.
        help: Whole sentences; the overview shows the first one.
        value: The placeholder for the value on the help pages, such as "DIR".
        low: The smallest number allowed. None is no limit.
        high: The largest number allowed. None is no limit.
        again: What to do instead of giving the flag twice. `Kind.PATHS` without it
            joins the values by commas.
        may_be_empty: Whether the flag accepts an empty value.
    """

    name: str
    kind: Kind
    modes: tuple[str, ...]
    help: str
    value: str = ""
    low: float | None = None
    high: float | None = None
    again: str = ""
    may_be_empty: bool = False
