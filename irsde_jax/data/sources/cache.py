"""Decoded images kept in memory, up to a limit: decoding costs more than cutting."""

import threading

from irsde_jax.data.sources.pairs import Record, Source


class Cached:
    """A source that remembers the records it gave, the first ones that fit.

    Records are shared, not copied: whoever gets one must not write to it.

    Args:
        source: where records come from.
        limit_bytes: of pixels kept; 0 keeps none.
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
        """What a worker process gets: the source, and a memory of its own."""
        state = dict(self.__dict__, _records={}, _num_bytes=0)
        del state["_lock"]
        return state

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state, _lock=threading.Lock())
