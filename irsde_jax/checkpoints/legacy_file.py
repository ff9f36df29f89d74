"""The file format of PyTorch before 1.6.

Five pickles follow each other: a magic number, the version of the protocol, facts about
the machine, what was saved, and the list of the storages' keys. The storages come after
them in the order of that list, each as its number of elements (eight bytes) and its raw
bytes. All are little-endian, whatever the machine was.
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
    """An open file of this format, with all sizes checked.

    Args:
        file: The open file.
        num_bytes: The size of the file.

    Raises:
        ValueError: If it is damaged.
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
        """All elements of a storage."""
        self._file.seek(self._starts[storage.key])
        data = self._file.read(storage.total * storage.dtype.itemsize)
        # As integers first: bfloat16 itself knows no byte order but the machine's.
        stored = np.dtype(f"<u{storage.dtype.itemsize}")
        native = np.frombuffer(data, stored).astype(
            stored.newbyteorder("="), copy=False
        )
        return native.view(storage.dtype)

    def _check(self, storage: Storage, position: int, num_bytes: int) -> int:
        """Notes where a storage is; returns where it ends."""
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
    """The bytes up to the end of the pickle that begins here."""
    start = head.tell()
    pickled.scan(head)
    return head.getbuffer()[start : head.tell()].tobytes()
