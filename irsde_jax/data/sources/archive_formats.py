"""Archives as lists of files: zip, and tar with or without gzip compression.

An untrusted archive may name files outside the folder in which it is unpacked, or links
to such files. Such an archive is rejected as a whole.
"""

import gzip
import io
import posixpath
import re
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

ARCHIVE_SUFFIXES = (".zip", ".tar.gz", ".tgz", ".tar", ".gz")
"""The file name endings that are read as archives, in lower case."""

_MAX_MEMBER_BYTES = 2**30  # A member could fill the memory.
_MAX_STREAMS = 8
_GZIP_MAGIC = b"\x1f\x8b"
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError)
# `zipfile` raises the last two for passwords and for unknown compression methods.
UNREADABLE = (*_DAMAGE, RuntimeError, NotImplementedError)
"""The exceptions that are raised when a member cannot be read."""


class Members(Protocol):
    """The files of a folder or archive, by their paths within it."""

    names: list[str]

    def read(self, name: str) -> bytes:
        """Returns the content of a file."""
        ...

    def close(self) -> None:
        """Closes the archive."""
        ...


def is_archive(name: str) -> bool:
    """Returns whether a file name has the ending of an archive."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def stem(name: str) -> str:
    """Returns the name without the ending of an archive."""
    ending = next(end for end in ARCHIVE_SUFFIXES if name.lower().endswith(end))
    return name[: -len(ending)]


def open_archive(path: Path) -> Members:
    """Opens an archive.

    Raises:
        ValueError: If the file is not an archive, is damaged, or has a member outside
            itself.
    """
    if not is_archive(path.name):
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
    """The files of a tar archive, with or without gzip compression.

    A file compressed with gzip can only be read forwards, and going back means starting
    again. Therefore each folder has its own stream. The two images of a pair are read
    alternately from two folders, and if the archive is in order, each stream passes
    through the file only once.
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
            # `tarfile` takes a damaged header for the end, so the end is checked here.
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
        """Returns the stream of a folder; the one opened first may be closed for it."""
        if folder not in self._streams:
            if len(self._streams) == _MAX_STREAMS:
                self._streams.pop(next(iter(self._streams))).close()
            self._streams[folder] = (
                gzip.GzipFile(self._path) if self._compressed else self._path.open("rb")
            )
        return self._streams[folder]


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
