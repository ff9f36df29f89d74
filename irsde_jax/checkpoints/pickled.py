"""An unpickler that runs no code: it reads dictionaries, numbers, strings and tensors.

A pickle can name any Python function and have it called. Three rules prevent this:

- Names that describe tensors and NumPy arrays build placeholders. Their sizes are
  checked at once. Numbers are read later, and only if they are needed.
- The name of any other class builds a `Foreign`, which stores only that name. Settings,
  schedules and optimizer states beside the weights are skipped this way, without any
  import.
- All other names are rejected: functions, and the standard library except for a few
  data classes. Ordinary checkpoints do not need them.
"""

import io
import pickle
import pickletools
import re
import reprlib
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from irsde_jax.checkpoints import placeholders
from irsde_jax.checkpoints.placeholders import Foreign, NumpyArray, NumpyType, Storage

STORAGE_DTYPES = {
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
MAX_BYTES = 64 * 2**20
"""The largest pickle that is read, in bytes. In PyTorch's format, the pickle of a
network with 137 M parameters has 60 kB, because the numbers are outside of it."""

_MAX_OPCODES = 5_000_000
_MAX_CLASSES = 1000
_CLASS = re.compile(r"_*[A-Z]\w*(\._*[A-Z]\w*)*")
# Data classes of the standard library, and data whose names do not look like classes.
_DATA = re.compile(
    r"(__builtin__|builtins)\.(bool|bytearray|bytes|complex|float|frozenset|int|list"
    r"|long|object|range|set|slice|str|tuple|unicode|xrange)"
    r"|argparse\.Namespace|functools\.partial|types\.SimpleNamespace|typing\.Any"
    r"|collections\.(ChainMap|Counter|UserDict|deque)|uuid\.(UUID|SafeUUID)"
    r"|datetime\.(date|datetime|time|timedelta|timezone)|decimal\.Decimal"
    r"|fractions\.Fraction|pathlib(\._local)?\.\w*Path"
    r"|numpy\.(bool_?|ndarray|(complex|float|u?int)\d+)"
    r"|numpy\.random\._pickle\.__\w+_ctor|torch\.device"
    r"|torch\.(bool|bfloat16|(complex|float|q?u?int)\d+\w*)"
    r"|torch\.(_utils|_tensor)\._rebuild_\w+"
)
_PYTHON_2 = {"__builtin__", "copy_reg"}
_MALFORMED = "its pickle is malformed."


def load(data: bytes) -> tuple[Any, dict[str, Storage]]:
    """Returns the object in a pickle, and the storages of its tensors by their keys.

    Args:
        data: The pickle.

    Raises:
        ValueError: If the pickle names a function, or if a tensor exceeds its storage.
            A damaged pickle can raise any other error, too.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(
            f"its pickle has {len(data)} bytes; at most {MAX_BYTES} are read."
        )
    scan(io.BytesIO(data))
    unpickler = _Unpickler(data)
    return unpickler.load(), unpickler.storages


def scan(file: BinaryIO) -> None:
    """Reads to the end of the pickle that begins in `file`.

    Raises:
        ValueError: If the pickle is damaged, very long, or would take more memory than
            its bytes justify.
    """
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        # The unpickler allocates a table up to the largest number in the pickle.
        is_far = opcode.name.endswith("PUT") and int(argument or 0) > count
        # Extension codes would bypass `find_class`.
        if is_far or opcode.name.startswith("EXT") or count > _MAX_OPCODES:
            raise ValueError(_MALFORMED)


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self.storages: dict[str, Storage] = {}
        self._classes: dict[str, type[Foreign]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Returns the placeholder for the global `module.name`."""
        dotted = f"{module}.{name}"
        if dotted in _BUILDERS:
            return _BUILDERS[dotted]
        standard = _PYTHON_2.union(sys.stdlib_module_names)
        is_class = _CLASS.fullmatch(name) and module.split(".")[0] not in standard
        if not is_class and not _DATA.fullmatch(dotted):
            raise ValueError(
                f"it contains a {dotted}, which is refused: a file may name tensors "
                "and classes of data, and nothing of it is run. Where you trust the "
                "file, save its weights alone: torch.save(model.state_dict(), path)."
            )
        if len(self._classes) > _MAX_CLASSES:
            raise ValueError(f"it names more than {_MAX_CLASSES} classes.")
        if dotted not in self._classes:
            members = {"__slots__": (), "kind": dotted}
            self._classes[dotted] = type("_Foreign", (Foreign,), members)
        return self._classes[dotted]

    def persistent_load(self, pid: Any) -> Storage | Foreign:
        """Returns the storage of `("storage", type, key, location, size[, part])`."""
        match pid:
            case ("storage", type() as kind, str(key), _, int(size), *rest) if (
                issubclass(kind, Foreign)
            ):
                return self._storage(kind, key, size, rest)
        raise ValueError(
            f"it refers to an unknown kind of storage, {reprlib.repr(pid)}."
        )

    def _storage(
        self, kind: type[Foreign], key: str, size: int, rest: list[Any]
    ) -> Storage | Foreign:
        dtype = STORAGE_DTYPES.get(kind.kind.removeprefix("torch."))
        if dtype is None:
            return kind()
        if size < 0:
            raise ValueError(f"the storage {key!r} should have {size} elements.")
        storage = Storage(key, dtype, size, 0, size)
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError(f"the storage {key!r} has two types or sizes.")
        match rest:
            case [] | [None]:
                return storage
            case [(_, int(start), int(part))] if 0 <= start <= start + part <= size:
                return storage._replace(start=start, size=part)
        raise ValueError(f"the storage {key!r} is described in an unknown way.")


class _Dict(dict):
    """A replacement for OrderedDict that ignores the metadata PyTorch attaches."""

    def __setstate__(self, state: Any) -> None:
        del state


class _Builder:
    """A function that a pickle may call but cannot modify."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise ValueError(_MALFORMED)


class _NumpyScalar(Foreign):
    __slots__ = ()
    kind = "numpy scalar"


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> NumpyArray:
    """Returns an array that was pickled with protocol 5."""
    found = NumpyArray()
    found.fill(data, dtype, shape, order)
    return found


def _encoded(text: Any, encoding: Any) -> bytes:
    """Returns bytes that were pickled with protocol 2."""
    if encoding != "latin1" or not isinstance(text, str):
        raise ValueError(_MALFORMED)
    return text.encode("latin1")


def _instance(kind: Any, *unused: Any) -> Any:
    """Returns an object that was pickled with protocol 2 or earlier."""
    return kind()


def _first(value: Any, *unused: Any) -> Any:
    return value


_BUILDERS = {
    "collections.OrderedDict": _Builder(_Dict),
    "collections.defaultdict": _Builder(lambda *unused: _Dict()),
    "builtins.dict": _Builder(_Dict),
    "__builtin__.dict": _Builder(_Dict),
    "copyreg._reconstructor": _Builder(_instance),
    "copy_reg._reconstructor": _Builder(_instance),
    "torch.Size": _Builder(tuple),
    "torch._utils._rebuild_tensor": _Builder(placeholders.tensor),
    "torch._utils._rebuild_tensor_v2": _Builder(placeholders.tensor),
    "torch._utils._rebuild_parameter": _Builder(_first),
    "torch._utils._rebuild_parameter_with_state": _Builder(_first),
    "_codecs.encode": _Builder(_encoded),
    "numpy.dtype": _Builder(lambda text, *unused: NumpyType(text)),
    "numpy.core.multiarray._reconstruct": _Builder(lambda *unused: NumpyArray()),
    "numpy._core.multiarray._reconstruct": _Builder(lambda *unused: NumpyArray()),
    "numpy.core.multiarray.scalar": _Builder(lambda *unused: _NumpyScalar()),
    "numpy._core.multiarray.scalar": _Builder(lambda *unused: _NumpyScalar()),
    "numpy.core.numeric._frombuffer": _Builder(_from_buffer),
    "numpy._core.numeric._frombuffer": _Builder(_from_buffer),
}
