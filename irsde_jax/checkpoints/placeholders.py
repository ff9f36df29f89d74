"""Placeholders for the objects of a PyTorch file, which are read only when needed.

A placeholder describes an object without its numbers. Its sizes have been checked, so
reading it never allocates more memory than the size of the file.
"""

import math
import reprlib
from typing import Any, NamedTuple

import numpy as np

_MAX_DIMENSIONS = 32


class Storage(NamedTuple):
    """Numbers of one type in the file; tensors are views of them.

    Attributes:
        key: The name of the storage in the file.
        dtype: The type of the numbers.
        total: The number of elements in the file.
        start: The index of the first element. It is not 0 if this storage is a part of
            another one.
        size: The number of elements from `start` on.
    """

    key: str
    dtype: np.dtype
    total: int
    start: int
    size: int


class Tensor(NamedTuple):
    """A tensor that lies within its storage.

    Attributes:
        storage: The storage that holds the numbers.
        offset: The position of the first element in the storage, in elements.
        shape: The shape of the tensor.
        stride: The stride of each dimension, in elements.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype:
        """The type of the numbers."""
        return self.storage.dtype

    def view(self, flat: np.ndarray) -> np.ndarray:
        """Returns the tensor as a read-only view.

        Args:
            flat: The elements of the storage in the file, shape [total].
        """
        if not math.prod(self.shape):
            return np.empty(self.shape, self.dtype)
        return np.lib.stride_tricks.as_strided(
            flat[self.storage.start + self.offset :],
            self.shape,
            [step * flat.itemsize for step in self.stride],
            writeable=False,
        )


class NumpyType:
    """The type of a NumPy array; `dtype` is None if the type is not a number."""

    __slots__ = ("dtype",)

    _NUMBERS = ("b1", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)))
    _NUMBERS += ("f2", "f4", "f8")

    def __init__(self, text: Any) -> None:
        is_known = isinstance(text, str) and text in self._NUMBERS
        self.dtype = np.dtype(text) if is_known else None

    def __setstate__(self, state: Any) -> None:
        """Sets the byte order from the state in a pickle."""
        if self.dtype is not None and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class NumpyArray:
    """A NumPy array; `shape` is None if it does not hold numbers."""

    __slots__ = ("_data", "_order", "dtype", "shape")

    def __init__(self) -> None:
        self.shape: tuple[int, ...] | None = None

    def __setstate__(self, state: Any) -> None:
        """Sets the contents from the state in a pickle."""
        _, shape, dtype, is_fortran, data = state
        data = data.encode("latin1") if isinstance(data, str) else data
        self.fill(data, dtype, shape, "F" if is_fortran else "C")

    def fill(self, data: Any, dtype: Any, shape: Any, order: Any) -> None:
        """Sets the contents; contents that are not numbers are ignored.

        Raises:
            ValueError: If the contents do not match the shape and the type.
        """
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
        """Returns the read-only array, in the byte order of this machine."""
        flat = np.frombuffer(self._data, self.dtype)
        native = flat.astype(self.dtype.newbyteorder("="), copy=False)
        native.flags.writeable = False
        assert self.shape is not None
        return native.reshape(self.shape, order=self._order)


class Foreign:
    """A placeholder for an object that is never rebuilt; it ignores all its state."""

    __slots__ = ()
    kind = ""
    """The full name of the object's class."""

    def __new__(cls, *unused: Any, **unused_too: Any) -> "Foreign":
        """Ignores the arguments of the class."""
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
    """Returns the placeholder of a tensor, after its sizes are checked.

    Args:
        storage: The storage. A `Foreign` storage is returned unchanged.
        offset: The position of the first element in the storage, in elements.
        size: The shape of the tensor.
        stride: The stride of each dimension, in elements.
        *unused: Further values in the pickle, which are ignored.

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
    """Raises ValueError unless all values are short tuples of non-negative integers."""
    for numbers in found.values():
        is_short = isinstance(numbers, tuple) and len(numbers) <= _MAX_DIMENSIONS
        # A damaged file can contain an integer with millions of digits.
        if not is_short or not all(
            isinstance(number, int) and 0 <= number < 2**63 for number in numbers
        ):
            shown = ", ".join(f"{k} {reprlib.repr(v)}" for k, v in found.items())
            raise ValueError(f"{what} has {shown}.")
