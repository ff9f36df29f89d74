"""Digests of a checkpoint's files, because Orbax does not detect damaged files.

`write` stores the digests of a step after all its other files are written and before
Orbax gives the folder its final name. `problem` checks a folder, and `latest_intact`
chooses the step to read.
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
    """Stores the SHA-256 digest of each file of a step's items, atomically."""
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
    """Returns what is wrong with the folder of a step, or None if it is intact.

    Args:
        folder: The folder of the step.
        contents: Whether the contents of the files are checked, not only their sizes.
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
    """Returns the steps that have a folder in `folder`, the latest first."""
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir() if path.name.isdigit()]
    return sorted(map(int, names), reverse=True)


def latest_intact(folder: Path, set_aside: bool) -> int | None:
    """Returns the latest step whose files are intact, or None if there is none.

    Args:
        folder: The folder that holds the folders of the steps.
        set_aside: Whether damaged steps are moved to the subfolder `damaged`. Only the
            training run itself may do this, not another reader of its checkpoints.
    """
    latest = None
    for step in steps(folder):
        # Reading everything would take long: older steps are checked only by size.
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
    """Moves the folder of a step to `damaged` and returns its new path."""
    parent = folder.parent / DAMAGED
    parent.mkdir(exist_ok=True)
    names = (folder.name, *(f"{folder.name}.{number}" for number in range(1, 1000)))
    target = next(parent / name for name in names if not (parent / name).exists())
    return folder.rename(target)


def _files(folder: Path) -> list[str]:
    """Returns the files of the items; Orbax changes files beside them later."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.glob("*/**/*")
        if path.is_file()
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
