"""A reader for files of `torch.save` that needs no PyTorch and runs no code.

It reads the format of PyTorch 1.6 and later (`zip_file`) and the format before that
(`legacy_file`). In both, a pickle describes the saved object; `pickled` reads it
safely. No more memory is allocated than the file has bytes.
"""

import contextlib
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from irsde_jax.checkpoints import state_dicts
from irsde_jax.checkpoints.candidates import State, TensorLike
from irsde_jax.checkpoints.legacy_file import MAGIC, LegacyFile
from irsde_jax.checkpoints.placeholders import NumpyArray
from irsde_jax.checkpoints.state_dicts import Wanted
from irsde_jax.checkpoints.zip_file import ZipFile

# The first bytes of files that are often mistaken for weights -> what they are.
_OTHERS = {
    b"PK\x03\x04": "it is a zip file whose end is missing: download it again",
    b"version https://git-lfs": "it is a pointer of Git LFS: fetch the file itself",
    b"<": "it is a web page: download the file itself",
}


class SavedFile:
    """The contents of an open file.

    Attributes:
        saved: The saved object, made of dictionaries, lists, numbers, strings and
            placeholders.
        name: The name of the file.
    """

    def __init__(self, file: ZipFile | LegacyFile, name: str) -> None:
        self.saved: Any = file.saved
        self.name = name
        self._file = file
        self._flat: dict[str, np.ndarray] = {}

    def array(self, tensor: TensorLike) -> np.ndarray:
        """Reads a tensor as a read-only array of the type in the file.

        Raises:
            ValueError: If the numbers of the tensor are missing in the file.
        """
        if isinstance(tensor, NumpyArray):
            return tensor.array()
        key = tensor.storage.key
        if key not in self._flat:
            self._flat[key] = self._file.flat(tensor.storage)
        return tensor.view(self._flat[key])

    def state_dict(self, wanted: Wanted) -> State:
        """Returns the state dict that `state_dicts.choose` selects."""
        return state_dicts.choose(self.saved, wanted, self.array, self.name)


@contextlib.contextmanager
def opened(path: str | os.PathLike) -> Iterator[SavedFile]:
    """Opens a file of `torch.save`; errors inside the context mention `path`.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file has another format, is damaged, or would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    with path.open("rb") as file:
        try:
            yield SavedFile(_format(file, path.stat().st_size), path.name)
        except Exception as error:  # A damaged pickle can raise any error.
            raise ValueError(
                f"{str(path)!r} cannot be read as PyTorch weights: {error}"
            ) from error


def read_state_dict(
    path: str | os.PathLike, names: Sequence[str], what: str = "the weights wanted"
) -> dict[str, np.ndarray]:
    """Reads the tensors of these names from a file of `torch.save`.

    Args:
        path: The file.
        names: The names in the state dict. The state dict may be wrapped in
            dictionaries, and its names may have a prefix (`candidates`).
        what: The description of the weights for error messages.

    Returns:
        Read-only arrays of the types in the file (bfloat16 as `ml_dtypes.bfloat16`).

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file cannot be read or lacks some of the tensors.
    """

    def problems(state: State) -> tuple[int, str]:
        missing = [name for name in names if name not in state]
        return len(missing), f"it lacks {state_dicts.abbreviated(missing)}."

    with opened(path) as file:
        chosen = file.state_dict(Wanted(what, names[:1], problems))
        return {name: file.array(chosen[name]) for name in names}


def _format(file: BinaryIO, num_bytes: int) -> ZipFile | LegacyFile:
    """Opens the file in the format that its first bytes indicate."""
    start = file.read(64)
    if start.startswith(MAGIC):
        return LegacyFile(file, num_bytes)
    if zipfile.is_zipfile(file):
        return ZipFile(zipfile.ZipFile(file), num_bytes)
    known = (what for head, what in _OTHERS.items() if start.startswith(head))
    what = next(known, "it begins like neither")
    raise ValueError(
        "it is not a zip file, as torch.save writes since PyTorch 1.6, nor of the "
        f"format before that; {what}."
    )
