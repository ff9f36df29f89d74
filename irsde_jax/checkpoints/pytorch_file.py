"""A reader of `torch.save`d state dicts that needs no PyTorch and runs no code.

Such a file is a zip archive: `ROOT/data.pkl` is a pickle that describes the tensors,
`ROOT/data/KEY` are their storages as raw bytes, `ROOT/byteorder` is "little" or "big"
(absent in older files). A pickle can name any Python function to be called; the one
here knows dictionaries and tensors and refuses the rest. Nothing is allocated that the
file itself does not hold.
"""

import io
import math
import os
import pickle
import pickletools
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import ml_dtypes
import numpy as np

_STORAGE_DTYPES = {
    "DoubleStorage": np.dtype(np.float64),
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(np.bool_),
}
_WRAPPERS = ("state_dict", "params")
_LEGACY_MAGIC = b"\x80\x02\x8a\x0a"
_MAX_PICKLE_BYTES = 64 * 2**20  # 137 M parameters take 60 kB
_MAX_DIMENSIONS = 32


def read_state_dict(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a `torch.save`d state dict, by name.

    Args:
        path: a file written by `torch.save` of PyTorch 1.6 or later. The state dict may
            be wrapped, as in `{"state_dict": ...}` or `{"params": ...}`.

    Returns:
        Read-only arrays of the types in the file (bfloat16 as `ml_dtypes.bfloat16`).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not such a file, is damaged, or holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    with path.open("rb") as file:
        if file.read(len(_LEGACY_MAGIC)) == _LEGACY_MAGIC:
            raise ValueError(
                f"{str(path)!r} is in the format of PyTorch before 1.6, which is not "
                "read here. Convert it where PyTorch is installed: torch.save("
                "torch.load(path, map_location='cpu', weights_only=True), new_path)."
            )
    try:
        with zipfile.ZipFile(path) as archive:
            return _tensors(_Archive(archive, path.stat().st_size).load())
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(
            f"{str(path)!r} cannot be read as a PyTorch state dict: {error}"
        ) from error


class _Archive:
    """The records of the zip file, with sizes checked before anything is read."""

    def __init__(self, archive: zipfile.ZipFile, num_bytes: int) -> None:
        self._archive = archive
        self._records = {info.filename: info for info in archive.infolist()}
        self._storages: dict[str, bytes] = {}
        if len(self._records) != len(archive.infolist()):
            raise ValueError("two records of the zip file have the same name.")
        if any(info.compress_type for info in self._records.values()):
            raise ValueError("its records are compressed, which torch.save never does.")
        if sum(info.file_size for info in self._records.values()) > num_bytes:
            raise ValueError("its records claim more bytes than the file has.")
        pickles = re.compile(r"(.*/)?data\.pkl")
        names = [name for name in self._records if pickles.fullmatch(name)]
        if len(names) != 1:
            raise ValueError(f"it has {len(names)} records named data.pkl, not one.")
        self._root = names[0].removesuffix("data.pkl")
        self._byteorder = self._read_byteorder()

    def load(self) -> Any:
        """What was saved, with tensors as arrays."""
        record = self._records[f"{self._root}data.pkl"]
        if record.file_size > _MAX_PICKLE_BYTES:
            raise ValueError(f"data.pkl has {record.file_size} bytes, too many.")
        data = self._archive.read(record)
        for opcode, argument, _ in pickletools.genops(data):
            # The unpickler allocates a table up to the largest number it is told.
            if opcode.name.endswith("PUT") and int(argument or 0) > len(data):
                raise ValueError("its pickle is malformed.")
        return _TensorUnpickler(io.BytesIO(data), self.storage).load()

    def storage(self, key: str, dtype: np.dtype, size: int) -> np.ndarray:
        """The storage `key` as a flat array of `size` elements."""
        record = self._records.get(f"{self._root}data/{key}")
        if record is None:
            raise ValueError(f"the storage {key!r} is missing.")
        if not 0 <= size * dtype.itemsize <= record.file_size:
            raise ValueError(
                f"the storage {key!r} should have {size} elements of {dtype}, but has "
                f"{record.file_size} bytes."
            )
        if key not in self._storages:
            self._storages[key] = self._archive.read(record)
        # As integers first: bfloat16 itself knows no byte order but the machine's.
        stored = np.dtype(f"u{dtype.itemsize}").newbyteorder(self._byteorder)
        flat = np.frombuffer(self._storages[key], stored, size)
        return flat.astype(stored.newbyteorder("="), copy=False).view(dtype)

    def _read_byteorder(self) -> Literal["little", "big"]:
        record = self._records.get(f"{self._root}byteorder")
        if record is None:
            return "little"
        match self._archive.read(record):
            case b"little":
                return "little"
            case b"big":
                return "big"
            case other:
                raise ValueError(
                    f"its byte order is {other[:16]!r}, not little or big."
                )


class _Dict(dict):
    """Stands for OrderedDict; the metadata that PyTorch attaches is dropped."""

    def __setstate__(self, state: Any) -> None:
        del state


class _Builder:
    """A function that a pickle may call, and may not alter."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise ValueError("its pickle is malformed.")


class _TensorUnpickler(pickle.Unpickler):
    """Builds dictionaries, lists, numbers, strings and tensors; nothing else."""

    def __init__(self, file: io.BytesIO, storage: Callable[..., np.ndarray]) -> None:
        super().__init__(file)
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        """What the global `module.name` stands for here."""
        if (module, name) == ("collections", "OrderedDict"):
            return _Builder(_Dict)
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Builder(_strided_view)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _Builder(lambda tensor, *unused: tensor)
        if module == "torch" and name in _STORAGE_DTYPES:
            return name
        raise ValueError(
            f"it contains a {module}.{name}. Only state dicts of plain tensors are "
            "read, as saved by torch.save(model.state_dict(), path)."
        )

    def persistent_load(self, pid: Any) -> np.ndarray:
        """The storage that `("storage", type, key, location, size)` names."""
        match pid:
            case ("storage", str(kind), str(key), _, int(size)):
                return self._storage(key, _STORAGE_DTYPES[kind], size)
        raise ValueError(f"it refers to an unknown kind of storage, {pid!s:.60}.")


def _strided_view(
    storage: np.ndarray, offset: int, size: tuple, stride: tuple, *unused: Any
) -> np.ndarray:
    """The tensor of that size in a flat storage; offset and strides in elements."""
    numbers = (offset, *size, *stride)
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ValueError(f"a tensor has size {size}, stride {stride}, offset {offset}.")
    if len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
        raise ValueError(f"a tensor has size {size} and stride {stride}.")
    num_elements = math.prod(size)
    steps = zip(size, stride, strict=True)
    last = offset + sum((length - 1) * step for length, step in steps)
    if num_elements and (last >= storage.size or num_elements > storage.size):
        raise ValueError(
            f"a tensor of size {size}, stride {stride}, offset {offset} does not fit "
            f"its storage of {storage.size} elements."
        )
    if not num_elements:
        return np.empty(size, storage.dtype)
    return np.lib.stride_tricks.as_strided(
        storage[offset:],
        size,
        [step * storage.itemsize for step in stride],
        writeable=False,
    )


def _tensors(saved: Any) -> dict[str, np.ndarray]:
    """The state dict in `saved`, unwrapped and checked to hold tensors only."""
    if not isinstance(saved, Mapping):
        raise ValueError(f"it holds a {type(saved).__name__}, not a dictionary.")
    for wrapper in _WRAPPERS:
        if isinstance(saved.get(wrapper), Mapping):
            saved = saved[wrapper]
            break
    wrong = [
        f"{key!r} ({type(value).__name__})"
        for key, value in saved.items()
        if not (isinstance(key, str) and isinstance(value, np.ndarray))
    ]
    if wrong:
        raise ValueError(
            f"{len(wrong)} of its values are not tensors: {', '.join(wrong[:5])}"
            f"{', ...' if len(wrong) > 5 else '.'}"
        )
    return dict(saved)
