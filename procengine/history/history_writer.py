"""When do the rows of histories reach the disk?

One thread, ``procengine-history``, writes what came together to each `Journal`. As with the write-ahead log, what
comes first after a quiet time is written at once, and what comes within the interval after a write shares the next
one. When rows come by the thousand the interval is longer: each write has a cost of its own. Nobody waits for it, and
nobody hears of its errors but the log of Python and `JournalStatistics`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

INTERVAL_SECONDS = 0.05
MANY_ROWS = 1_000
BUSY_INTERVAL_SECONDS = 0.5
"""How long rows may come together after a write of `MANY_ROWS` or more."""

RETRY_SECONDS = 1.0
"""How long it lets a disk alone that refused rows."""


class Written(IntEnum):
    """What came of an attempt to write."""

    NOTHING = 0
    """There was nothing to write."""
    DONE = 1
    """Rows were written."""
    REFUSED = 2
    """The disk refused them; they wait."""


class Writable(Protocol):
    """Something with rows to write."""

    @property
    def waiting(self) -> int:
        """How many rows wait."""
        ...

    def write_waiting(self) -> Written:
        """Write what waits. On the writer's thread alone; must not raise."""
        ...


class _Mood(IntEnum):
    """How soon the thread will look."""

    QUIET = 0
    """When it is called."""
    SOON = 1
    """Within the interval."""
    AWAKE = 2
    """Now, or at the end of the interval that a write began."""


class HistoryWriter:
    """The thread that writes histories."""

    def __init__(
        self, *, interval_seconds: float = INTERVAL_SECONDS, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._interval_seconds = interval_seconds
        self._retry_seconds = retry_seconds
        # Its calls: whether to write at once; None ends the thread. What is put here costs a thread's wake, so
        # callers look at the mood first: set to QUIET before the thread looks for rows a last time, and to
        # something else by callers after they have added theirs, so that no row is left behind.
        self._calls: queue.SimpleQueue[bool | None] = queue.SimpleQueue()
        self._mood = _Mood.QUIET
        self._journals: Sequence[Writable] = ()
        self._thread: threading.Thread | None = None

    def start(self, journals: Sequence[Writable]) -> None:
        """Write what comes to these journals from now on, and what has come already."""
        self._journals = journals
        self._mood = _Mood.AWAKE
        self._calls.put(True)
        self._thread = threading.Thread(target=self._run, name="procengine-history", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits and end the thread. Stopping twice is allowed."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._calls.put(None)
            thread.join()

    def call(self) -> None:
        """Say that a row was added, to be written at once if it is the first after a quiet time."""
        if self._mood is not _Mood.AWAKE:
            self._mood = _Mood.AWAKE
            self._calls.put(True)

    def call_soon(self) -> None:
        """Say that a row was added that may wait for others as long as the interval is."""
        if self._mood is _Mood.QUIET:
            self._mood = _Mood.SOON
            self._calls.put(False)

    def _run(self) -> None:
        closing = False
        while not closing:
            call = self._calls.get()
            closing = call is None or (call is False and self._pause(self._interval_seconds))
            while (seconds := self._write()) is not None and not closing:
                closing = self._pause(seconds)

    def _pause(self, seconds: float) -> bool:
        """Let rows come together, unless called; tell whether the thread is to end."""
        try:
            return self._calls.get(timeout=seconds) is None
        except queue.Empty:
            return False

    def _write(self) -> float | None:
        """Write what waits; return the seconds after which to look again, None for not until called."""
        self._mood = _Mood.AWAKE
        is_busy = sum(journal.waiting for journal in self._journals) >= MANY_ROWS
        results = [journal.write_waiting() for journal in self._journals]
        if Written.REFUSED in results:
            return self._retry_seconds
        if Written.DONE in results:
            return max(self._interval_seconds, BUSY_INTERVAL_SECONDS if is_busy else 0.0)
        self._mood = _Mood.QUIET
        if any(journal.waiting for journal in self._journals):  # added while the thread seemed awake
            return 0.0
        return None
