"""How are rows flushed without a thread?

On the thread that writes them, one write a flush, in the order of the writes. For replays, whose every step must
come at the same place each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from procengine.clock import Clock
from procengine.model.table_rows import TableRows, WalContents, new_wal_contents
from procengine.wal.pending_flush import PendingFlush
from procengine.wal.recent_contents import held_bytes
from procengine.wal.wal import RETAINED_BYTES, Wal

VALUE_BYTES = 8


class _Flushed(PendingFlush):
    """The answer of a flush that was made at once: nobody waits for it."""

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number = number

    def wait(self, timeout: float | None = None) -> int:  # noqa: ARG002 - there is nothing to wait for
        """Return the flush's sequence number."""
        return self._number


class SteppedWal(Wal):
    """A write-ahead log in memory that makes each write a flush of its own, at once."""

    def __init__(self, *, clock: Clock, retained_bytes: int = RETAINED_BYTES) -> None:
        super().__init__(None, clock=clock, retained_bytes=retained_bytes)
        # Held from a write's number to its offer, so that flushes pass in their order: threads of plugins write, too.
        self._flushing = threading.Lock()

    def start(self, apply: Callable[[WalContents], None], offer: Callable[[WalContents], None]) -> None:
        """Take writes from now on: each calls ``apply``, then ``offer``, on its own thread."""
        self._apply, self._offer = apply, offer

    def append(self, rows: Sequence[TableRows]) -> PendingFlush:
        """Flush rows now; what is returned is answered already.

        Raises:
            StoppedError: the log is closed.
        """
        values = sum([one.batch.num_rows * one.batch.num_columns for one in rows])
        size = held_bytes(rows, values * VALUE_BYTES)
        with self._flushing:
            self._check_open()
            number = self._last_sequence_number + 1
            contents = new_wal_contents(
                sequence_number=number,
                persisted_ns=self._clock.now_ns(),
                rows=tuple(rows),
                size_bytes=size,
            )
            self._recent.add(contents, size)
            self._last_sequence_number = number
            self._pass_on(contents)
        return _Flushed(number)

    def flush(self) -> None:
        """Do nothing: every write is flushed."""
        self._check_open()

    def close(self) -> None:
        """Take no more writes. Closing twice is allowed."""
        with self._flushing:
            self._closed = True
