"""Which write triggers want the rows of a flush?

The index is replaced, never changed, so the flush thread reads it without a lock; what it costs depends on the
tables written and on the triggers that want them, not on how many triggers there are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from procengine.model.table_rows import WalContents
from procengine.processing.trigger_statistics import Lag
from procengine.processing.write_cursor import WriteCursor

_Key = tuple[int, str | None]

LOOKS_A_LIMIT = 16
"""How often all triggers are looked at while the log grows by the limit: it is kept to a sixteenth."""


@dataclass(frozen=True, slots=True, eq=False)
class Watcher:
    """A write trigger as the flush thread sees it.

    ``wake`` says that its cursor has something to do, ``overrun`` that more of the log is kept for it than may be;
    both return at once.
    """

    cursor: WriteCursor
    wake: Callable[[], None]
    overrun: Callable[[], None]


class Watchers:
    """The running write triggers, by database and table."""

    def __init__(self, lag_limit_bytes: int) -> None:
        self.lag_limit_bytes = lag_limit_bytes
        # The flush thread's: the bytes of all contents offered, and from where on all cursors are looked at again.
        self._log_bytes = 0
        self._look_at_bytes = lag_limit_bytes
        # Taken by those who add and remove; the flush thread reads the mapping as it is.
        self._lock = threading.Lock()
        self._index: Mapping[_Key, tuple[Watcher, ...]] = MappingProxyType({})

    def add(self, watcher: Watcher) -> None:
        """Let a trigger have what is offered from now on."""
        key = _key(watcher)
        with self._lock:
            self._index = MappingProxyType({**self._index, key: (*self._index.get(key, ()), watcher)})

    def remove(self, watcher: Watcher) -> None:
        """Offer a trigger nothing more; one that is not there is left alone."""
        key = _key(watcher)
        with self._lock:
            others = tuple(one for one in self._index.get(key, ()) if one is not watcher)
            index = {**self._index, key: others}
            if not others:
                del index[key]
            self._index = MappingProxyType(index)

    def offer(self, contents: WalContents) -> None:
        """Note contents with each trigger that wants rows of them, and wake it. On the flush thread; never waits."""
        index = self._index
        before = self._log_bytes
        self._log_bytes += contents.size_bytes
        if not index:
            return
        wanted: dict[Watcher, int] = {}
        for rows in contents.rows:
            for key in ((rows.database_id, rows.table), (rows.database_id, None)):
                for watcher in index.get(key, ()):
                    wanted[watcher] = wanted.get(watcher, 0) + rows.row_count
        for watcher, row_count in wanted.items():
            watcher.cursor.note(contents, row_count, before)
            if self._is_too_far(watcher):
                watcher.overrun()
            else:
                watcher.wake()
        for watcher in wanted:
            watcher.cursor.noted()
        if self._log_bytes >= self._look_at_bytes:
            self._look_at_all(index)

    def lag(self, watcher: Watcher) -> Lag:
        """Return how far a trigger is behind."""
        return watcher.cursor.lag(self._log_bytes)

    def _look_at_all(self, index: Mapping[_Key, tuple[Watcher, ...]]) -> None:
        """Find the triggers for which the log is kept though nothing that they want is written any more."""
        self._look_at_bytes = self._log_bytes + self.lag_limit_bytes // LOOKS_A_LIMIT
        for watchers in index.values():
            for watcher in watchers:
                if self._is_too_far(watcher):
                    watcher.overrun()

    def _is_too_far(self, watcher: Watcher) -> bool:
        return watcher.cursor.held_bytes(self._log_bytes) > self.lag_limit_bytes


def _key(watcher: Watcher) -> _Key:
    watch = watcher.cursor.watch
    return watch.database_id, watch.table
