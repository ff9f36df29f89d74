"""Writing a file whole or not at all, and finding out beforehand whether it can be.

The package writes configurations, digests, summaries, weights and images by `write`. It
lies beside the configuration because everything above writes files.
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
    """Makes the folder of a file and raises at once what writing the file would raise.

    A regular file that has the name is left to `write`.

    Args:
        path: The name that the file will have.
        overwrite: Whether the file may take the place of a link to nothing.

    Raises:
        OSError: if the folder cannot be made or written to, the name is too long, or
            something other than a regular file has the name.
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
    """Raises FileExistsError if anything has that name, be it a link to nothing."""
    if os.path.lexists(path):
        raise FileExistsError(
            f"{path} exists already. Choose another output or allow overwriting."
        )


def write(path: Path, data: bytes, overwrite: bool = False) -> None:
    """Writes a file: the whole file or none of it, whatever happens meanwhile.

    Args:
        path: The name of the file, in an existing folder.
        data: The content.
        overwrite: Whether an existing file is replaced.

    Raises:
        FileExistsError: if the file exists and `overwrite` is False, also if another
            process wrote it a moment ago.
        OSError: if the file cannot be written; the error has the name of the file.
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
    """Raises unless the name is free, or that of a regular file."""
    try:
        path.lstat()  # raises if the name is too long
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
    """A new hidden file, which `list_images` never meets.

    Its name is short, so that it fits wherever the name of an image does.
    """
    while True:
        path = folder / f".{secrets.token_hex(4)}.tmp"
        with contextlib.suppress(FileExistsError):
            return path, path.open("xb")


def _can_link(partial: Path, path: Path) -> bool:
    """Gives a file its name unless another has it; False where links are not known.

    Raises:
        FileExistsError: if another has it.
    """
    try:
        os.link(partial, path)
    except FileExistsError:
        refuse_existing(path)
        raise
    except OSError:  # FAT, and some file systems of networks
        refuse_existing(path)
        return False
    return True


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors name the file that was to be written, not the partial one, and advise."""
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
