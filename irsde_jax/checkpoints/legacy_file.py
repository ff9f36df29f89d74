"""The file format of PyTorch before 1.6.

The file starts with five pickles: a magic number, the version of the protocol, facts
about the machine, the saved object, and the list of the storages' keys. The storages
follow in the order of that list. Each has its number of elements (eight bytes) and its
raw bytes. All numbers are little-endian on every machine.
"""

import io
import struct
from typing import BinaryIO

import numpy as np

from irsde_jax.checkpoints import pickled
from irsde_jax.checkpoints.placeholders import Storage

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_PROTOCOL = 1001


class LegacyFile:
    """An open file of this format, whose sizes have all been checked.

    Args:
        file: The open file.
        num_bytes: The size of the file in bytes.

    Raises:
        ValueError: If the file is damaged.
    """

    def __init__(self, file: BinaryIO, num_bytes: int) -> None:
        self._file = file
        file.seek(0)
        head = io.BytesIO(file.read(pickled.MAX_BYTES))
        pickles = [_next_pickle(head) for _ in range(5)]
        protocol, _ = pickled.load(pickles[1])
        if protocol != _PROTOCOL:
            raise ValueError(f"its protocol is {protocol!s:.20}, not {_PROTOCOL}.")
        self.saved, storages = pickled.load(pickles[3])
        keys, _ = pickled.load(pickles[4])
        if not isinstance(keys, list) or set(keys) != set(storages):
            raise ValueError("its list of storages is not that of its tensors.")
        self._starts: dict[str, int] = {}
        position = head.tell()
        for key in keys:
            position = self._check(storages[key], position, num_bytes)
        if position != num_bytes:
            raise ValueError(
                f"it has {num_bytes} bytes, and its contents end at {position}."
            )

    def flat(self, storage: Storage) -> np.ndarray:
        """Returns all elements of a storage, shape [total]."""
        self._file.seek(self._starts[storage.key])
        data = self._file.read(storage.total * storage.dtype.itemsize)
        # The bytes are read as integers, because bfloat16 has no other byte orders.
        stored = np.dtype(f"<u{storage.dtype.itemsize}")
        native = np.frombuffer(data, stored).astype(
            stored.newbyteorder("="), copy=False
        )
        return native.view(storage.dtype)

    def _check(self, storage: Storage, position: int, num_bytes: int) -> int:
        """Checks a storage and remembers its position; returns its end."""
        start = position + 8
        end = start + storage.total * storage.dtype.itemsize
        self._file.seek(position)
        count = self._file.read(8)
        if not start <= end <= num_bytes:
            raise ValueError(f"its storage {storage.key!r} is cut off.")
        if struct.unpack("<q", count)[0] != storage.total:
            raise ValueError(f"its storage {storage.key!r} has another size.")
        self._starts[storage.key] = start
        return end


def _next_pickle(head: io.BytesIO) -> bytes:
    """Returns the bytes up to the end of the pickle that begins here."""
    start = head.tell()
    pickled.scan(head)
    return head.getbuffer()[start : head.tell()].tobytes()
