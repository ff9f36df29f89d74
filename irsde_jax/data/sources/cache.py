"""A cache of decoded images in memory, because decoding costs more than cropping."""

import threading

from irsde_jax.data.sources.pairs import Record, Source


class Cached:
    """A source that stores the first records it reads, up to a limit of memory.

    Records are shared and not copied, so they must not be written to.

    Args:
        source: The source of the records.
        limit_bytes: The largest number of bytes of pixels to store; 0 stores nothing.
    """

    def __init__(self, source: Source, limit_bytes: int):
        self._source = source
        self._limit_bytes = limit_bytes
        self._records: dict[int, Record] = {}
        self._num_bytes = 0
        self._lock = threading.Lock()
        self.names = source.names

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Record:
        record = self._records.get(index)
        if record is not None:
            return record
        record = self._source[index]
        size = sum(array.nbytes for array in record.values())
        with self._lock:
            if index not in self._records and (
                self._num_bytes + size <= self._limit_bytes
            ):
                self._records[index] = record
                self._num_bytes += size
        return record

    def __getstate__(self) -> dict:
        """Returns the state for a worker process: the source and an empty cache."""
        state = dict(self.__dict__, _records={}, _num_bytes=0)
        del state["_lock"]
        return state

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state, _lock=threading.Lock())
