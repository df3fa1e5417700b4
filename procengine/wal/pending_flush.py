"""How does a writer learn what became of its rows?"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from procengine.errors import StoppedError, WriteFailedError
from procengine.model.table_rows import TableRows

_LONGEST_WAIT_SECONDS = 0.25
"""How long one wait on the lock lasts at most: where a signal does not end it, the next check does."""


class PendingFlush:
    """Rows on their way to the disk. The flush thread answers once; any thread may wait."""

    __slots__ = ("_answered", "_failure", "_sequence_number", "encoded", "rows", "size_bytes")

    def __init__(self, rows: Sequence[TableRows], encoded: bytes, size_bytes: int) -> None:
        self.rows = tuple(rows)
        self.encoded = encoded
        self.size_bytes = size_bytes
        self._sequence_number = 0
        self._failure: Exception | None = None
        # Held until the answer is there: releasing a lock costs less than setting an event.
        self._answered = threading.Lock()
        self._answered.acquire()

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the rows are durable and applied; return their flush's sequence number.

        ``timeout`` is in seconds. KeyboardInterrupt ends the wait, not the write.

        Raises:
            WriteFailedError: the rows are not durable, nor will they come back.
            StoppedError: the log was closed before it took them.
            TimeoutError: the time is over; the write goes on.
        """
        self._wait(timeout)
        failure = self._failure
        if isinstance(failure, StoppedError):
            raise StoppedError(str(failure))
        if failure is not None:
            raise WriteFailedError(f"the write was not acknowledged: {failure}") from failure
        return self._sequence_number

    def succeed(self, sequence_number: int) -> None:
        """Answer that the rows are durable. The flush thread's."""
        self._sequence_number = sequence_number
        self._answered.release()

    def fail(self, failure: Exception) -> None:
        """Answer that the rows are not durable. The flush thread's."""
        self._failure = failure
        self._answered.release()

    def _wait(self, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            longest = _LONGEST_WAIT_SECONDS
            if deadline is not None:
                longest = max(0.0, min(longest, deadline - time.monotonic()))
            if self._answered.acquire(timeout=longest):
                self._answered.release()
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"the write was not flushed within {timeout} s")
