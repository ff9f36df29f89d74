"""Folders and archives as lists of files, which are read without unpacking them.

An untrusted archive may name files outside the folder in which it is unpacked, or links
to such files. It is rejected as a whole, although no file is written here, so that the
user is warned before unpacking it.
"""

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from irsde_jax.data.sources import archive_formats
from irsde_jax.data.sources.archive_formats import Members

logger = logging.getLogger(__name__)

_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")


class Tree:
    """One list of the files in a folder, in an archive, or in a folder with archives.

    An archive `a/b.zip` counts as the folder `a/b`. If that folder exists, it is used
    instead. Hidden files and the junk files of operating systems are left out. A tree
    is a context manager for use in one thread.

    Args:
        root: The path of the folder or archive.

    Attributes:
        root: The path of the folder or archive.
        names: The sorted paths of the files in it.

    Raises:
        FileNotFoundError: If `root` does not exist.
        ValueError: If an archive is damaged, or has a member outside itself.
    """

    def __init__(self, root: str | os.PathLike):
        self.root = Path(root)
        self._opened: list[Members] = []
        self._places: dict[str, tuple[Members, str, str]] = {}
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        self.names = sorted(self._places)

    def read(self, name: str) -> bytes:
        """Returns the content of a file.

        Raises:
            ValueError: If the file cannot be read. The message says where the file is.
        """
        members, inner, _ = self._places[name]
        try:
            return members.read(inner)
        except PermissionError:
            raise
        except archive_formats.UNREADABLE as error:
            raise ValueError(
                f"{self.locate(name)} cannot be read: {error}. Fetch it again."
            ) from error

    def locate(self, name: str) -> str:
        """Returns the place of a file for messages: its path, or archive and member."""
        return self._places[name][2]

    def close(self) -> None:
        """Closes all archives. A second call does nothing."""
        while self._opened:
            self._opened.pop().close()

    def __enter__(self) -> "Tree":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _open(self) -> None:
        if not self.root.exists():
            raise FileNotFoundError(f"There is no {self.root}. Check the path.")
        if not self.root.is_dir():
            self._add(archive_formats.open_archive(self.root), "", f"{self.root}: ")
            return
        folder = _Folder(self.root)
        archives = [name for name in folder.names if archive_formats.is_archive(name)]
        folder.names = [
            name for name in folder.names if not archive_formats.is_archive(name)
        ]
        self._add(folder, "", f"{self.root}{os.sep}")
        for name in archives:
            stem = archive_formats.stem(name)
            if (self.root / stem).is_dir():
                logger.info("%s is there unpacked: %s is not read", stem, name)
                continue
            path = self.root / name
            self._add(archive_formats.open_archive(path), f"{stem}/", f"{path}: ")

    def _add(self, members: Members, prefix: str, place: str) -> None:
        self._opened.append(members)
        for name in members.names:
            if not _is_hidden(name):
                self._places[prefix + name] = members, name, place + name


def fingerprint(root: str | os.PathLike) -> str:
    """Returns a hash of the names and sizes of files; archives are not opened.

    Args:
        root: The path of a folder or of a single file.
    """
    root = Path(root)
    names = _Folder(root).names if root.is_dir() else [""]
    files = [f"{name} {(root / name).stat().st_size}\n" for name in names]
    return hashlib.sha256("".join(files).encode("utf-8", "surrogateescape")).hexdigest()


class _Folder:
    """The files of a folder and of its subfolders, including linked ones."""

    def __init__(self, path: Path):
        self._path = path
        self.names = sorted(
            file.relative_to(path).as_posix() for file in _walk(path, set())
        )

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def close(self) -> None:
        pass


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    """Yields the visible files below a folder and follows links to folders once."""
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    for path in folder.iterdir():
        if _is_hidden(path.name):
            continue
        if path.is_dir():
            yield from _walk(path, seen)
        elif path.is_file():
            yield path


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return any(part.startswith(".") or part in _JUNK for part in parts)
