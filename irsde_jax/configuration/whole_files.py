"""Atomic writing of files, and checks beforehand whether a file can be written.

The package writes configurations, digests, summaries, weights and images with `write`.
This module is part of the lowest layer because all layers above write files.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_ADVICE = {
    errno.ENOSPC: "make room on the disk, or choose another folder",
    errno.EDQUOT: "make room in your quota, or choose another folder",
    errno.EROFS: "choose a folder that can be written to",
    errno.EACCES: "make the folder writable, or choose another one",
    errno.EPERM: "make the folder writable, or choose another one",
}


def prepare(path: Path, overwrite: bool = False) -> None:
    """Creates the folder of a file, and checks that the file can be written there.

    An existing regular file of that name is not checked here but in `write`.

    Args:
        path: The name that the file will have.
        overwrite: Whether the file may replace a broken link.

    Raises:
        OSError: If the folder cannot be created or written to, if the name is too long,
            or if something other than a regular file has the name.
    """
    with _naming(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(
                errno.ENOTDIR, "a folder is needed, and this is none", str(path.parent)
            ) from None
        _require_name(path, overwrite)
        probe, file = _open_partial(path.parent)
        file.close()
        probe.unlink()


def refuse_existing(path: Path) -> None:
    """Raises FileExistsError if a file, a folder or even a broken link has the name."""
    if os.path.lexists(path):
        raise FileExistsError(
            f"{path} exists already. Choose another output or allow overwriting."
        )


def write(path: Path, data: bytes, overwrite: bool = False) -> None:
    """Writes a file atomically: an interruption never leaves a part of the file.

    Args:
        path: The name of the file, in an existing folder.
        data: The contents.
        overwrite: Whether an existing file may be replaced.

    Raises:
        FileExistsError: If the file exists and `overwrite` is False, even if another
            process has only just written it.
        OSError: If the file cannot be written. The error has the name of the file.
    """
    with _naming(path):
        partial, file = _open_partial(path.parent)
        try:
            with file:
                file.write(data)
            if overwrite or not _can_link(partial, path):
                os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def _require_name(path: Path, overwrite: bool) -> None:
    """Raises OSError unless the name is unused or that of a regular file."""
    try:
        path.lstat()  # This raises an error if the name is too long.
    except FileNotFoundError:
        return
    if path.is_file():
        return
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR, "a folder has the name of the result; rename it", str(path)
        )
    if not path.is_symlink():
        raise OSError(errno.EINVAL, "not a regular file; remove it", str(path))
    if not overwrite:
        raise OSError(errno.EINVAL, "a link to nothing; remove it", str(path))


def _open_partial(folder: Path) -> tuple[Path, BinaryIO]:
    """Opens a new hidden file, which `list_images` ignores.

    Its name is short, so that it fits wherever the name of an image fits.
    """
    while True:
        path = folder / f".{secrets.token_hex(4)}.tmp"
        with contextlib.suppress(FileExistsError):
            return path, path.open("xb")


def _can_link(partial: Path, path: Path) -> bool:
    """Links a file to its final name; returns False if links are not supported.

    Raises:
        FileExistsError: If another file has the name.
    """
    try:
        os.link(partial, path)
    except FileExistsError:
        refuse_existing(path)
        raise
    except OSError:  # FAT and some network file systems do not support links.
        refuse_existing(path)
        return False
    return True


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Re-raises errors with the name of the final file and with advice."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        named = error.filename
        is_partial = isinstance(named, str) and named.endswith(".tmp")
        advice = _ADVICE.get(error.errno)
        if error.errno == errno.ENAMETOOLONG:
            advice = (
                f"{len(os.fsencode(path.name))} bytes; choose a shorter name or suffix"
            )
        text = f"{error.strerror} ({advice})" if advice else error.strerror
        raise OSError(
            error.errno, text, str(path) if named is None or is_partial else named
        ) from error
