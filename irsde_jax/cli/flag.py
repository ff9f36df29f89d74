"""The definition of a command-line flag: its name, type, modes and help."""

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
        modes: The modes that use the flag. In other modes, the flag is an error.
        help: The help text in whole sentences, of which the overview shows the first.
        value: The placeholder for the value on the help pages, such as "DIR".
        low: The smallest number allowed, or None for no limit.
        high: The largest number allowed, or None for no limit.
        again: The advice to a user who gives the flag twice. If it is empty, a second
            value of the kind `Kind.PATHS` is joined to the first by a comma.
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
