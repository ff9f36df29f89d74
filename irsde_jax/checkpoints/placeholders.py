"""What stands for the objects of a PyTorch file until, and unless, they are read.

A placeholder describes an object and holds none of its numbers. Its sizes have been
checked: reading one allocates no more than the file holds.
"""

import math
import reprlib
from typing import Any, NamedTuple

import numpy as np

_MAX_DIMENSIONS = 32


class Storage(NamedTuple):
    """Numbers of one type in the file, which tensors are views of.

    Attributes:
        key: The name of the storage in the file.
        dtype: The type of the numbers.
        total: The number of elements in the file.
        start: The first element of this storage, not 0 for a part of another storage.
        size: The number of elements from `start` on.
    """

    key: str
    dtype: np.dtype
    total: int
    start: int
    size: int


class Tensor(NamedTuple):
    """A tensor that lies within its storage; offset and strides are in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype:
        """The type of the numbers."""
        return self.storage.dtype

    def view(self, flat: np.ndarray) -> np.ndarray:
        """The read-only tensor in `flat`, all elements of its storage."""
        if not math.prod(self.shape):
            return np.empty(self.shape, self.dtype)
        return np.lib.stride_tricks.as_strided(
            flat[self.storage.start + self.offset :],
            self.shape,
            [step * flat.itemsize for step in self.stride],
            writeable=False,
        )


class NumpyType:
    """The type of a NumPy array; `dtype` is None unless numbers are of that type."""

    __slots__ = ("dtype",)

    _NUMBERS = ("b1", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)))
    _NUMBERS += ("f2", "f4", "f8")

    def __init__(self, text: Any) -> None:
        is_known = isinstance(text, str) and text in self._NUMBERS
        self.dtype = np.dtype(text) if is_known else None

    def __setstate__(self, state: Any) -> None:
        """Takes the byte order, as a pickle gives it."""
        if self.dtype is not None and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class NumpyArray:
    """A NumPy array; `shape` is None unless it holds numbers."""

    __slots__ = ("_data", "_order", "dtype", "shape")

    def __init__(self) -> None:
        self.shape: tuple[int, ...] | None = None

    def __setstate__(self, state: Any) -> None:
        """Takes the contents, as a pickle gives them."""
        _, shape, dtype, is_fortran, data = state
        data = data.encode("latin1") if isinstance(data, str) else data
        self.fill(data, dtype, shape, "F" if is_fortran else "C")

    def fill(self, data: Any, dtype: Any, shape: Any, order: Any) -> None:
        """Takes the contents, unless they are no numbers."""
        if not isinstance(dtype, NumpyType) or dtype.dtype is None:
            return
        if order not in ("C", "F") or not isinstance(data, bytes | bytearray):
            raise ValueError("a NumPy array of its pickle is malformed.")
        require_counts("a NumPy array", size=shape)
        if math.prod(shape) * dtype.dtype.itemsize != len(data):
            raise ValueError(
                f"a NumPy array of size {shape} and type {dtype.dtype} has "
                f"{len(data)} bytes."
            )
        self.shape, self.dtype = shape, dtype.dtype
        self._data, self._order = bytes(data), order

    def array(self) -> np.ndarray:
        """The read-only array, in the byte order of this machine."""
        flat = np.frombuffer(self._data, self.dtype)
        native = flat.astype(self.dtype.newbyteorder("="), copy=False)
        native.flags.writeable = False
        assert self.shape is not None
        return native.reshape(self.shape, order=self._order)


class Foreign:
    """Stands for an object that is never rebuilt: it accepts all and does nothing."""

    __slots__ = ()
    kind = ""
    """The name of its class."""

    def __new__(cls, *unused: Any, **unused_too: Any) -> "Foreign":
        """Ignores what the class would be called with."""
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Ignores the state."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Ignores the item."""

    def extend(self, items: Any) -> None:
        """Ignores the items."""

    append = add = extend


def tensor(
    storage: Any, offset: Any, size: Any, stride: Any, *unused: Any
) -> Tensor | Foreign:
    """The tensor of that size in a storage; a `Foreign` storage is returned as it is.

    Raises:
        ValueError: If the tensor does not lie within the storage.
    """
    if isinstance(storage, Foreign):
        return storage
    if not isinstance(storage, Storage):
        raise ValueError("a tensor has no storage.")
    require_counts("a tensor", size=size, stride=stride, offset=(offset,))
    if len(size) != len(stride):
        raise ValueError(f"a tensor has size {size} and stride {stride}.")
    num_elements = math.prod(size)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride))
    if num_elements and (last >= storage.size or num_elements > storage.size):
        raise ValueError(
            f"a tensor of size {size}, stride {stride}, offset {offset} does not fit "
            f"its storage of {storage.size} elements."
        )
    return Tensor(storage, offset, size, stride)


def require_counts(what: str, **found: Any) -> None:
    """Raises ValueError unless all are short tuples of counts."""
    for numbers in found.values():
        is_short = isinstance(numbers, tuple) and len(numbers) <= _MAX_DIMENSIONS
        # A number from a file can have as many digits as the file has bytes.
        if not is_short or not all(
            isinstance(number, int) and 0 <= number < 2**63 for number in numbers
        ):
            shown = ", ".join(f"{k} {reprlib.repr(v)}" for k, v in found.items())
            raise ValueError(f"{what} has {shown}.")
