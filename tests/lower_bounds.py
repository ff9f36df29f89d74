"""Prints the oldest supported versions, as pip's constraints, from `setup.cfg`.

    python3.11 tests/lower_bounds.py > oldest.txt
    python -m pip install -c oldest.txt -e . pytest flatbuffers

The packages are those of `install_requires` and, after them, those of the extras that
are named: all of them if none is. A constraint installs nothing by itself, so those
that are not needed do no harm. The standard library suffices to run this script.
"""

import configparser
import re
import sys
from collections.abc import Sequence
from pathlib import Path

SETUP = Path(__file__).resolve().parents[1] / "setup.cfg"

# A name, extras in brackets, the lower bound, and possibly further conditions.
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,]+\])?>=([\d.]+)(?:[,;].*)?")


def constraints(setup: str, extras: Sequence[str] | None = None) -> list[str]:
    """The lines `name==lower bound` for the requirements of a `setup.cfg`.

    Args:
        setup: The text of the file.
        extras: The extras whose requirements are wanted. None asks for all of them.

    Raises:
        ValueError: if an extra is unknown, a requirement has no lower bound, or a
            package has two of them.
    """
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(setup)
    known = dict(parser["options.extras_require"])
    if unknown := sorted(set(extras or ()) - set(known)):
        raise ValueError(
            f"setup.cfg has no extras {unknown}. Choose from {sorted(known)}."
        )
    groups = [parser["options"]["install_requires"]]
    groups += [known[name] for name in (known if extras is None else extras)]
    bounds: dict[str, str] = {}
    for requirement in "\n".join(groups).split("\n"):
        if not requirement.strip():
            continue
        match = _REQUIREMENT.fullmatch(requirement.strip())
        if not match:
            raise ValueError(
                f"setup.cfg: {requirement!r} has no lower bound. Write name>=version."
            )
        name, bound = match.groups()
        if bounds.setdefault(name, bound) != bound:
            raise ValueError(
                f"setup.cfg: {name} has the lower bounds {bounds[name]} and {bound}. "
                "Write the same in every group."
            )
    return [f"{name}=={bound}" for name, bound in bounds.items()]


def versions(extras: Sequence[str] | None = None) -> dict[str, str]:
    """Package -> lower bound, in the `setup.cfg` of this repository."""
    lines = constraints(SETUP.read_text(encoding="utf-8"), extras)
    return dict(line.split("==") for line in lines)


def is_same(version: str, other: str) -> bool:
    """Whether two versions are the same for pip: 0.10 is 0.10.0."""
    return re.sub(r"(\.0)*$", "", version) == re.sub(r"(\.0)*$", "", other)


if __name__ == "__main__":
    for name, bound in versions(sys.argv[1:] or None).items():
        print(f"{name}=={bound}")
