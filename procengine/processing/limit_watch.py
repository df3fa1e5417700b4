"""Who sees that a run takes more than it may?

One thread, ``procengine-limits``, for all runs that have limits; it starts with the first of them and sleeps until
one of those in flight can have reached a limit. Time is the monotonic clock's, so that a wall clock that jumps ends
no run.

CPU time is that of the run's own thread, as the system counts it. Memory is sampled every 10 ms: steady growth is
caught some megabytes late, one huge allocation only after it was made.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from procengine.model.byte_size import format_bytes
from procengine.model.duration import MILLISECOND, SECOND, format_duration
from procengine.model.run_limits import RunLimits
from procengine.processing.cancellation import CancelToken
from procengine.processing.memory_growth import MemoryGrowth

SAMPLE_NS: Final = 10 * MILLISECOND
"""How often memory is looked at."""

SHORTEST_LOOK_NS: Final = MILLISECOND
"""How long a thread near its limit of CPU time is left alone; it may get less of a core than it could."""

STUCK_NS: Final = SECOND
"""How long a run may take to end after it was cancelled before it is named."""


class WatchedRun:
    """A run with limits, from now on, on the calling thread. The watching thread's, but for its making."""

    def __init__(self, limits: RunLimits, cancel: CancelToken, name_stuck: Callable[[], None]) -> None:
        self.limits = limits
        self.growth = MemoryGrowth() if limits.memory_bytes is not None else None
        self._cancel = cancel
        self._name_stuck = name_stuck
        self._began_ns = time.monotonic_ns()
        self._cpu_clock = cpu_clock() if limits.cpu_ns is not None else None
        self._cpu_began_ns = time.clock_gettime_ns(self._cpu_clock) if self._cpu_clock is not None else 0
        self._stuck_at_ns: int | None = None

    def look(self) -> int | None:
        """End the run if it is past a limit; return after how many nanoseconds to look again, None for never."""
        if self._stuck_at_ns is not None:
            return self._look_at_end(self._stuck_at_ns)
        waits: list[int] = []
        for look in (self._look_at_wall, self._look_at_cpu, self._look_at_memory):
            text, wait_ns = look()
            if text is not None:
                self._cancel.exceed(text)
                self._stuck_at_ns = time.monotonic_ns() + STUCK_NS
                return STUCK_NS
            waits.append(wait_ns)
        return min(waits)

    def _look_at_end(self, stuck_at_ns: int) -> int | None:
        left_ns = stuck_at_ns - time.monotonic_ns()
        if left_ns > 0:
            return left_ns
        self._name_stuck()
        return None

    def _look_at_wall(self) -> tuple[str | None, int]:
        limit_ns = self.limits.wall_ns
        if limit_ns is None:
            return None, STUCK_NS
        taken_ns = time.monotonic_ns() - self._began_ns
        if taken_ns < limit_ns:
            return None, limit_ns - taken_ns
        taken = format_duration(_rounded(taken_ns))
        return f"wall time limit of {format_duration(limit_ns)} exceeded: the run went on for {taken}", 0

    def _look_at_cpu(self) -> tuple[str | None, int]:
        limit_ns = self.limits.cpu_ns
        if limit_ns is None or self._cpu_clock is None:
            return None, STUCK_NS
        try:
            used_ns = time.clock_gettime_ns(self._cpu_clock) - self._cpu_began_ns
        except OSError:  # the thread has ended, and the run with it
            return None, STUCK_NS
        if used_ns < limit_ns:
            return None, max(limit_ns - used_ns, SHORTEST_LOOK_NS)
        used = format_duration(_rounded(used_ns))
        return f"CPU time limit of {format_duration(limit_ns)} exceeded: the run's thread used {used}", 0

    def _look_at_memory(self) -> tuple[str | None, int]:
        limit = self.limits.memory_bytes
        if limit is None or self.growth is None:
            return None, STUCK_NS
        grown = self.growth.sample()
        if grown <= limit:
            return None, SAMPLE_NS
        return f"memory limit of {format_bytes(limit)} exceeded: memory grew by {format_bytes(grown)}", 0


class LimitWatch:
    """Watches the runs that have limits. Any thread."""

    def __init__(self) -> None:
        # Guards the fields below; runs are looked at outside it.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._runs: set[WatchedRun] = set()
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, run: WatchedRun) -> None:
        """Watch a run from now on."""
        with self._lock:
            self._runs.add(run)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._watch, name="procengine-limits", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def remove(self, run: WatchedRun) -> None:
        """Watch a run no more."""
        with self._lock:
            self._runs.discard(run)

    def close(self) -> None:
        """End the thread. Closing twice is allowed."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _watch(self) -> None:
        while True:
            with self._lock:
                runs = tuple(self._runs)
            waits = [wait_ns for run in runs if (wait_ns := run.look()) is not None]
            with self._lock:
                if self._closed:
                    return
                if self._runs <= set(runs):  # or else one came while these were looked at
                    self._changed.wait(min(waits) / SECOND if waits else None)


def cpu_clock() -> int | None:
    """Return the clock of the calling thread's CPU time, which any thread may read; None where there is none."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return None
    return time.pthread_getcpuclockid(threading.get_ident())


def _rounded(duration_ns: int) -> int:
    """Return a duration as a reader wants it, to the millisecond once it has some."""
    return duration_ns // MILLISECOND * MILLISECOND if duration_ns >= MILLISECOND else duration_ns
