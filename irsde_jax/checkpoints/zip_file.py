"""The file format of PyTorch since 1.6: a zip archive whose records are not compressed.

`ROOT/data.pkl` is a pickle that describes the saved object, `ROOT/data/KEY` are the
storages as raw bytes, and `ROOT/byteorder` is "little" or "big". Older files have no
`byteorder` and are little-endian.
"""

import re
import zipfile
from typing import Literal

import numpy as np

from irsde_jax.checkpoints import pickled
from irsde_jax.checkpoints.placeholders import Storage


class ZipFile:
    """An open file of this format, whose sizes are checked before anything is read.

    Args:
        archive: The open archive.
        num_bytes: The size of the file in bytes.

    Raises:
        ValueError: If the file has another format or is damaged.
    """

    def __init__(self, archive: zipfile.ZipFile, num_bytes: int) -> None:
        self._archive = archive
        self._records = {info.filename: info for info in archive.infolist()}
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
        record = self._records[names[0]]
        if record.file_size > pickled.MAX_BYTES:
            raise ValueError(
                f"data.pkl has {record.file_size} bytes; at most {pickled.MAX_BYTES} "
                "are read."
            )
        self.saved, _ = pickled.load(archive.read(record))

    def flat(self, storage: Storage) -> np.ndarray:
        """Returns all elements of a storage, shape [total].

        Raises:
            ValueError: If the storage is missing or too short.
        """
        key, dtype = storage.key, storage.dtype
        record = self._records.get(f"{self._root}data/{key}")
        if record is None:
            raise ValueError(f"the storage {key!r} is missing.")
        if not 0 <= storage.total * dtype.itemsize <= record.file_size:
            raise ValueError(
                f"the storage {key!r} should have {storage.total} elements of {dtype}, "
                f"but has {record.file_size} bytes."
            )
        # The bytes are read as integers, because bfloat16 has no other byte orders.
        stored = np.dtype(f"u{dtype.itemsize}").newbyteorder(self._byteorder)
        found = np.frombuffer(self._archive.read(record), stored, storage.total)
        return found.astype(stored.newbyteorder("="), copy=False).view(dtype)

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
