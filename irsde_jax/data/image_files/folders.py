"""Finding images in folders, which may hold links, loops and other files."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from irsde_jax.data.image_files import formats

logger = logging.getLogger(__name__)

SUFFIXES = (*formats.FORMATS, ".npy")
"""The file name endings that can be read and written, in lower case."""


class Found(NamedTuple):
    """The content of a folder. Hidden files and folders are ignored.

    Attributes:
        images: The image files, sorted by path.
        others: The names of other files. A file that looks like an image is followed by
            the reason why it is not one.
        folders: The folders that were met, including those that were not searched.
        skipped_links: The links to folders that were already searched by another path,
            or that contain the folder itself.
        failures: The folders that could not be listed, each with the reason.
    """

    images: list[Path]
    others: list[str]
    folders: list[Path]
    skipped_links: list[Path]
    failures: dict[Path, str]


def find(folder: Path, recursive: bool = False) -> Found:
    """Finds the images of a folder.

    Links to folders are followed. Each folder is searched only once, so links may form
    loops. If an image is in a real folder that is also linked, its path is the one
    without links.

    Args:
        folder: The folder to search.
        recursive: Whether subfolders are searched as well.
    """
    found = Found([], [], [], [], {})
    root = os.path.realpath(folder)
    seen: set[str] = set()
    real: list[Path] = [folder]
    linked: list[Path] = []
    while real or linked:
        current = real.pop() if real else linked.pop(0)
        address = os.path.realpath(current)
        if address in seen or (address != root and _contains(address, root)):
            found.skipped_links.append(current)
            continue
        seen.add(address)
        try:
            names = sorted(os.listdir(current))
        except OSError as error:
            found.failures[current] = error.strerror or str(error)
            continue
        for name in names:
            if name.startswith("."):
                continue
            path = current / name
            if not os.path.isdir(path):
                _add_file(found, path)
                continue
            found.folders.append(path)
            if recursive:
                (linked if path.is_symlink() else real).append(path)
    found.images.sort()
    found.others.sort()
    return found


def list_images(folder: str | os.PathLike, recursive: bool = False) -> list[Path]:
    """Returns the image files of a folder, sorted by path.

    Hidden files are ignored silently. Other files, and folders that cannot be listed,
    are skipped with a warning.

    Args:
        folder: The path of an existing folder.
        recursive: Whether subfolders, including linked ones, are searched as well.

    Returns:
        A list of at least one path. Each path begins with `folder`.

    Raises:
        FileNotFoundError: If the folder does not exist.
        NotADirectoryError: If `folder` is a file.
        OSError: If the folder cannot be listed.
        ValueError: If the folder holds no images.
    """
    folder = Path(folder)
    found = open_folder(folder, recursive)
    for path, reason in found.failures.items():
        logger.warning("%s: skipped, the folder cannot be listed: %s", path, reason)
    if not found.images:
        raise ValueError(_no_images(folder, found))
    return found.images


def open_folder(folder: Path, recursive: bool = False) -> Found:
    """Runs `find` on an existing folder and warns of files that are not images.

    The arguments and most exceptions are those of `list_images`.
    """
    if not folder.exists():
        raise FileNotFoundError(f"There is no folder {folder}. Check the path.")
    if not folder.is_dir():
        raise NotADirectoryError(
            f"{folder} is a file where a folder of images is expected. Did you mean "
            f"the folder that holds it, {folder.parent}?"
        )
    found = find(folder, recursive)
    if folder in found.failures:
        raise PermissionError(
            f"{folder} cannot be listed: {found.failures[folder]}. Make the folder "
            "readable."
        )
    if found.images and found.others:
        logger.warning(
            "%s: skipped %d files that are not images: %s",
            folder,
            len(found.others),
            shown(found.others),
        )
    if found.skipped_links:
        logger.info(
            "%s: did not follow links to folders that were looked into by another path "
            "or that contain this one: %s",
            folder,
            shown([str(path.relative_to(folder)) for path in found.skipped_links]),
        )
    return found


def shown(names: Sequence[str], most: int = 10) -> str:
    """Returns the first names, separated by commas, for a message."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def why_not_regular(path: Path) -> str:
    """Returns why a path is not a readable file, or "" for a regular file."""
    if os.path.isfile(path):
        return ""
    if os.path.exists(path):
        return "not a regular file"
    return "a link to nothing" if os.path.islink(path) else "gone"


def _add_file(found: Found, path: Path) -> None:
    is_image = path.suffix.lower() in SUFFIXES
    reason = why_not_regular(path)
    if is_image and not reason:
        found.images.append(path)
    else:
        found.others.append(f"{path.name} ({reason})" if reason else path.name)


def _contains(folder: str, inner: str) -> bool:
    return Path(inner).is_relative_to(folder)


def _no_images(folder: Path, found: Found) -> str:
    text = f"{folder} holds no images: no file in it ends in {', '.join(SUFFIXES)}."
    if found.others:
        text += f" It holds {shown(found.others)}."
    if not found.folders:
        return text
    names = shown(sorted(path.name for path in found.folders))
    return f"{text} Did you mean a folder inside it ({names})?"
