"""Digests of a checkpoint's files: Orbax restores a flipped bit without a word.

`write` is the last thing that happens in the folder of a step before Orbax gives it its
name. `problem` says what is wrong with a folder, and nothing where all is as written;
`latest_intact` chooses the step to read.
"""

import hashlib
import json
import logging
from pathlib import Path

from irsde_jax.configuration import whole_files

FILE_NAME = "digests.json"
DAMAGED = "damaged"
FORMAT_VERSION = 1

logger = logging.getLogger(__name__)


def write(folder: Path) -> None:
    """Stores the SHA-256 of each file of a step's items, whole or not at all."""
    files = {
        name: {
            "sha256": _sha256(folder / name),
            "bytes": (folder / name).stat().st_size,
        }
        for name in _files(folder)
    }
    content = {"format_version": FORMAT_VERSION, "files": files}
    text = json.dumps(content, indent=1) + "\n"
    whole_files.write(folder / FILE_NAME, text.encode(), overwrite=True)


def problem(folder: Path, contents: bool = True) -> str | None:
    """What is wrong with the folder of a step; None if it is as it was written.

    Args:
        folder: of the step.
        contents: whether to read the files, not just look at their sizes.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return f"it has no {FILE_NAME}: its save, or its removal, was cut off"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        expected = {
            name: (int(entry["bytes"]), str(entry["sha256"]))
            for name, entry in stored["files"].items()
        }
        version = stored["format_version"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{FILE_NAME} cannot be read"
    if version != FORMAT_VERSION or not expected:
        return f"{FILE_NAME} is of another version, {version!r}"
    found = set(_files(folder))
    for name, (size, digest) in expected.items():
        if name not in found:
            return f"{name} is missing"
        if (folder / name).stat().st_size != size:
            return (
                f"{name} has {(folder / name).stat().st_size} bytes instead of {size}"
            )
        if contents and _sha256(folder / name) != digest:
            return f"{name} has other contents than were written"
    return None


def steps(folder: Path) -> list[int]:
    """The steps that have a folder in `folder`, the latest first."""
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir() if path.name.isdigit()]
    return sorted(map(int, names), reverse=True)


def latest_intact(folder: Path, set_aside: bool) -> int | None:
    """The latest step whose files are as they were written; None if there is none.

    Args:
        folder: of the steps.
        set_aside: whether to move those that are damaged to `damaged` in it: for the
            training itself, not for a reader beside it.
    """
    latest = None
    for step in steps(folder):
        # Reading all that is kept would take long: older steps are looked through.
        trouble = problem(folder / str(step), contents=latest is None)
        if trouble is None:
            latest = step if latest is None else latest
        elif set_aside:
            moved = _set_aside(folder / str(step))
            logger.warning(
                "checkpoint %d is damaged (%s): set aside as %s, the one before it is "
                "used.",
                step,
                trouble,
                moved,
            )
        elif latest is None:
            logger.warning("checkpoint %d is not used: %s.", step, trouble)
    return latest


def _set_aside(folder: Path) -> Path:
    """Moves the folder of a step to `damaged`; returns where to."""
    parent = folder.parent / DAMAGED
    parent.mkdir(exist_ok=True)
    names = (folder.name, *(f"{folder.name}.{number}" for number in range(1, 1000)))
    target = next(parent / name for name in names if not (parent / name).exists())
    return folder.rename(target)


def _files(folder: Path) -> list[str]:
    """The files of the items; those beside them change when Orbax ends the save."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.glob("*/**/*")
        if path.is_file()
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
