"""Folders and archives as lists of files, read where they are: nothing is unpacked.

An archive from a stranger may name files outside of the folder it is unpacked in, or
links to them. Such an archive is refused whole, although nothing here writes a file:
whoever unpacks it later should know.
"""

import gzip
import hashlib
import io
import logging
import os
import posixpath
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

logger = logging.getLogger(__name__)

ARCHIVE_SUFFIXES = (".zip", ".tar.gz", ".tgz", ".tar", ".gz")
"""File name endings of what is read as an archive, in lower case."""

_MAX_MEMBER_BYTES = 2**30  # a small archive can hold a member that fills the memory
_MAX_STREAMS = 8
_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")
_GZIP_MAGIC = b"\x1f\x8b"
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError)
# What `zipfile` says of a password and of a compression it does not know.
_UNREADABLE = (*_DAMAGE, RuntimeError, NotImplementedError)


class _Members(Protocol):
    """The files of one folder or archive, by their paths within it."""

    names: list[str]

    def read(self, name: str) -> bytes: ...

    def close(self) -> None: ...


class Tree:
    """A folder, an archive, or a folder with archives in it, as one list of files.

    An archive `a/b.zip` counts as the folder `a/b`; where there is such a folder, it is
    taken instead. Hidden files and the litter of operating systems are left out. A
    context manager, for one thread.

    Args:
        root: the folder or archive.

    Raises:
        FileNotFoundError: if there is no `root`.
        ValueError: if an archive is damaged, or has a member outside of itself.
    """

    def __init__(self, root: str | os.PathLike):
        self.root = Path(root)
        self._opened: list[_Members] = []
        self._places: dict[str, tuple[_Members, str, str]] = {}
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        self.names = sorted(self._places)

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            ValueError: if it cannot be read, with its place.
        """
        members, inner, _ = self._places[name]
        try:
            return members.read(inner)
        except PermissionError:
            raise
        except _UNREADABLE as error:
            raise ValueError(
                f"{self.locate(name)} cannot be read: {error}. Fetch it again."
            ) from error

    def locate(self, name: str) -> str:
        """Where a file is, for a message: its path, or archive and member."""
        return self._places[name][2]

    def close(self) -> None:
        """Closes all archives; a second call does nothing."""
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
            self._add(_open_archive(self.root), "", f"{self.root}: ")
            return
        folder = _Folder(self.root)
        archives = [name for name in folder.names if _is_archive(name)]
        folder.names = [name for name in folder.names if not _is_archive(name)]
        self._add(folder, "", f"{self.root}{os.sep}")
        for name in archives:
            stem = _stem(name)
            if (self.root / stem).is_dir():
                logger.info("%s is there unpacked: %s is not read", stem, name)
                continue
            path = self.root / name
            self._add(_open_archive(path), f"{stem}/", f"{path}: ")

    def _add(self, members: _Members, prefix: str, place: str) -> None:
        self._opened.append(members)
        for name in members.names:
            if not _is_hidden(name):
                self._places[prefix + name] = members, name, place + name


def fingerprint(root: str | os.PathLike) -> str:
    """A hash of the names and sizes of the files at `root`; archives are not opened."""
    root = Path(root)
    names = _Folder(root).names if root.is_dir() else [""]
    files = [f"{name} {(root / name).stat().st_size}\n" for name in names]
    return hashlib.sha256("".join(files).encode("utf-8", "surrogateescape")).hexdigest()


class _Folder:
    """The files of a folder and of its subfolders, links included."""

    def __init__(self, path: Path):
        self._path = path
        self.names = sorted(
            file.relative_to(path).as_posix() for file in _walk(path, set())
        )

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def close(self) -> None:
        pass


class _Zip:
    """The files of a zip archive."""

    def __init__(self, path: Path):
        self._file = zipfile.ZipFile(path)
        self._infos: dict[str, zipfile.ZipInfo] = {}
        try:
            for info in self._file.infolist():
                name = _checked_name(info.filename.replace("\\", "/"), path)
                if stat.S_ISLNK(info.external_attr >> 16):
                    raise ValueError(f"{path}: its member {name!r} is a link.")
                if not info.is_dir():
                    self._infos[name] = info
        except BaseException:
            self._file.close()
            raise
        self.names = list(self._infos)

    def read(self, name: str) -> bytes:
        info = self._infos[name]
        _check_size(info.file_size)
        return self._file.read(info)

    def close(self) -> None:
        self._file.close()


class _Tar:
    """The files of a tar archive, as it is or compressed with gzip.

    What gzip compressed can only be read forwards: to go back is to start again. So
    each folder has a stream of its own, and the partners of a pair, read in turns from
    two folders, are met in one pass each if the archive is in order.
    """

    def __init__(self, path: Path):
        self._path = path
        with path.open("rb") as file:
            compressed = file.read(2) == _GZIP_MAGIC
        self._compressed = compressed
        self._streams: dict[str, io.BufferedIOBase] = {}
        self._spans: dict[str, tuple[int, int]] = {}
        with tarfile.open(path, "r:gz" if compressed else "r:") as archive:
            for info in archive:
                name = _checked_name(info.name, path)
                if info.isreg() and not info.issparse():
                    self._spans[name] = info.offset_data, info.size
                elif not info.isdir():
                    raise ValueError(
                        f"{path}: its member {name!r} is a link, a device or another "
                        "special file."
                    )
            # `tarfile` takes a damaged header for the end: the end must be there.
            assert archive.fileobj is not None
            archive.fileobj.seek(archive.offset)
            tail = archive.fileobj.read(tarfile.BLOCKSIZE)
            if len(tail) < tarfile.BLOCKSIZE or tail.strip(b"\0"):
                raise tarfile.ReadError("it has no end, or a damaged header")
        self.names = list(self._spans)

    def read(self, name: str) -> bytes:
        offset, size = self._spans[name]
        _check_size(size)
        stream = self._stream(posixpath.dirname(name))
        stream.seek(offset)
        data = stream.read(size)
        if len(data) < size:
            raise EOFError("the archive ends before its member does")
        return data

    def close(self) -> None:
        while self._streams:
            self._streams.popitem()[1].close()

    def _stream(self, folder: str) -> io.BufferedIOBase:
        """The stream of a folder; the one that was opened first makes room."""
        if folder not in self._streams:
            if len(self._streams) == _MAX_STREAMS:
                self._streams.pop(next(iter(self._streams))).close()
            self._streams[folder] = (
                gzip.GzipFile(self._path) if self._compressed else self._path.open("rb")
            )
        return self._streams[folder]


def _open_archive(path: Path) -> _Members:
    if not _is_archive(path.name):
        raise ValueError(
            f"{path} is no archive that can be read: its name does not end in one of "
            f"{', '.join(ARCHIVE_SUFFIXES)}. Unpack it, or name the folder it is in."
        )
    try:
        return (_Zip if path.suffix.lower() == ".zip" else _Tar)(path)
    except PermissionError:
        raise
    except _DAMAGE as error:
        raise ValueError(
            f"{path} is damaged or incomplete: {error}. Fetch it again."
        ) from error


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    """The visible files below a folder; folders that are links are followed once."""
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


def _checked_name(name: str, archive: Path) -> str:
    if name.startswith("/") or ".." in name.split("/") or re.match("[A-Za-z]:", name):
        raise ValueError(
            f"{archive}: its member {name!r} points outside of the archive. Do not "
            "trust this file; fetch it from its project page."
        )
    return posixpath.normpath(name)


def _check_size(size: int) -> None:
    if size > _MAX_MEMBER_BYTES:
        raise OSError(f"it would take {size} bytes, the limit is {_MAX_MEMBER_BYTES}")


def _is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def _stem(name: str) -> str:
    """The name without the ending that makes it an archive."""
    ending = next(end for end in ARCHIVE_SUFFIXES if name.lower().endswith(end))
    return name[: -len(ending)]


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return any(part.startswith(".") or part in _JUNK for part in parts)
