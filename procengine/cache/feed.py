"""In which order do a table's history and the rows of flushes reach a new cache?

History first, then each flush after it, each once. The flush thread never waits for the history: what it brings
meanwhile is kept, and applied by whoever reads the history. At a start the replay comes first, and is then part of
the history: so a row that is in files and again in the log is one, as it is to a query.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import pyarrow as pa

from procengine.cache.history import Flush, History
from procengine.model.cache_definition import CacheDefinition


class Cache(Protocol):
    """What both kinds of caches do."""

    @property
    def definition(self) -> CacheDefinition:
        """What the cache is of."""
        ...

    def apply(self, batch: pa.RecordBatch, inserted_ns: int) -> None:
        """Let the rows of one write have come at an instant."""
        ...

    def fill(self, history: History, flushes: Sequence[Flush] | None = None) -> None:
        """Take the rows that the table had before the cache.

        ``flushes`` are those that brought the rows which are in no file, None where that is not known.
        """
        ...

    def evict(self) -> int:
        """Let go of what is too old; return how much."""
        ...


C = TypeVar("C", bound=Cache)


class Feed(Generic[C]):
    """Brings rows to one cache."""

    def __init__(self, cache: C) -> None:
        self.cache = cache
        # Guards the list: the flush thread appends to it, the thread that fills takes it away. None when filled.
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, pa.RecordBatch, int]] | None = []

    def apply(self, sequence_number: int, batch: pa.RecordBatch, inserted_ns: int) -> None:
        """Bring the rows of a flush. The flush thread's, or the replay's; flushes come in their order."""
        with self._lock:
            if self._waiting is not None:
                self._waiting.append((sequence_number, batch, inserted_ns))
                return
        self.cache.apply(batch, inserted_ns)

    def fill(self, read: Callable[[], History] | None, *, replayed: bool = False) -> None:
        """Bring the history, if any, and what came meanwhile. Called once.

        ``read`` is called when every flush that was not brought here is in the history that it returns. ``replayed``
        says that every flush whose rows are in no file was brought. Whatever it or the cache raises, the cache gets
        what came meanwhile, and all that is to come.
        """
        last_in_history = 0
        try:
            if read is not None:
                history = read()
                flushes = self._flushes(history.sequence_number) if replayed else None
                self.cache.fill(history, flushes)
                last_in_history = history.sequence_number
        finally:
            while waiting := self._take_waiting():
                for sequence_number, batch, inserted_ns in waiting:
                    if sequence_number > last_in_history:
                        self.cache.apply(batch, inserted_ns)

    def _flushes(self, last: int) -> Sequence[Flush]:
        """Return what waits, up to a flush; it waits on."""
        with self._lock:
            waiting = [*(self._waiting or ())]
        return [
            Flush(batch=batch, inserted_ns=inserted_ns)
            for sequence_number, batch, inserted_ns in waiting
            if sequence_number <= last
        ]

    def _take_waiting(self) -> list[tuple[int, pa.RecordBatch, int]]:
        """Return what waits; when that is nothing, the flush thread applies its rows itself from now on."""
        with self._lock:
            waiting = self._waiting or []
            self._waiting = [] if waiting else None
            return waiting
