"""What time is it, and when is something due?

Everything that depends on time asks a `Clock`: schedules, time-to-live, default timestamps.
`SystemClock` follows the machine's wall clock; `VirtualClock` stands still until it is stepped, and
fires what fell due in order, each at its own instant, on the thread that steps it.

Instants are ``int`` nanoseconds since the Unix epoch, UTC. Durations are measured with
``time.perf_counter_ns``, which no clock replaces.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)

NANOSECONDS_PER_SECOND = 1_000_000_000

LONGEST_SLEEP_SECONDS = 1.0
"""How long a system clock sleeps at most, so that a wall clock that was set is noticed."""

SMALLEST_SWEEP = 1_000
"""From how many alarms on a clock looks for cancelled ones, so that they cannot pile up."""


def _nothing() -> None:
    """Stand in for the call of an alarm that was cancelled."""


class Alarm:
    """One call that a clock owes; `cancel` takes it back, from any thread."""

    __slots__ = ("callback", "cancelled", "due_ns")

    def __init__(self, due_ns: int, callback: Callable[[], None]) -> None:
        self.due_ns = due_ns
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Drop the call, if it has not begun, and what it holds on to, now and not when it falls due."""
        self.cancelled = True
        self.callback = _nothing

    def ring(self) -> None:
        """Make the call, unless it was cancelled; an error is logged, not raised."""
        if self.cancelled:
            return
        try:
            self.callback()
        except Exception:
            logger.exception("alarm failed")


class Clock(Protocol):
    """Tells the time and calls back when an instant has come."""

    def now_ns(self) -> int:
        """Return the present instant."""
        ...

    def call_at(self, due_ns: int, callback: Callable[[], None]) -> Alarm:
        """Call ``callback`` once when the instant has come, soon if it has passed.

        Calls are made in the order of their instants, ties in the order of asking, one at a time,
        on the clock's thread; a callback must neither wait nor raise.
        """
        ...

    def close(self) -> None:
        """End the clock's thread; owed calls are dropped. Closing twice is allowed."""
        ...


class _Heap:
    """Alarms by due time, ties by order of arrival. Not locked: its owner does that."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, Alarm]] = []
        self._arrivals = itertools.count()
        self._sweep_at = SMALLEST_SWEEP

    def push(self, alarm: Alarm) -> bool:
        """Add an alarm; tell whether it is now the first."""
        if len(self._entries) >= self._sweep_at:
            self._sweep()
        entry = (alarm.due_ns, next(self._arrivals), alarm)
        heapq.heappush(self._entries, entry)
        return self._entries[0] is entry

    def pop_due(self, now_ns: int) -> Alarm | None:
        """Remove and return the first alarm if it is due."""
        if self._entries and self._entries[0][0] <= now_ns:
            return heapq.heappop(self._entries)[2]
        return None

    @property
    def first_due_ns(self) -> int | None:
        """The due time of the first alarm that was not cancelled, or None when there is none."""
        while self._entries and self._entries[0][2].cancelled:
            heapq.heappop(self._entries)
        return self._entries[0][0] if self._entries else None

    def _sweep(self) -> None:
        """Drop what was cancelled, each time that the heap has doubled: a constant cost a push."""
        self._entries = [entry for entry in self._entries if not entry[2].cancelled]
        heapq.heapify(self._entries)
        self._sweep_at = max(SMALLEST_SWEEP, 2 * len(self._entries))

    def clear(self) -> None:
        """Forget all alarms."""
        self._entries.clear()


class SystemClock:
    """The machine's wall clock. Its thread, ``procengine-clock``, starts with the first alarm."""

    def __init__(self) -> None:
        self._heap = _Heap()
        # Guards the heap and the thread's start; the clock's thread waits on it.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def now_ns(self) -> int:
        """Return the wall clock's time."""
        return time.time_ns()

    def call_at(self, due_ns: int, callback: Callable[[], None]) -> Alarm:
        """Call ``callback`` on the clock's thread at an instant; see `Clock.call_at`."""
        alarm = Alarm(due_ns, callback)
        with self._changed:
            if self._closed:
                return alarm
            is_first = self._heap.push(alarm)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="procengine-clock", daemon=True)
                self._thread.start()
            elif is_first and threading.current_thread() is not self._thread:
                self._changed.notify()
        return alarm

    def close(self) -> None:
        """End the clock's thread and wait for it, unless called on it."""
        with self._changed:
            self._closed = True
            self._heap.clear()
            thread = self._thread
            self._changed.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while True:
            alarm = self._next_alarm()
            if alarm is None:
                return
            alarm.ring()

    def _next_alarm(self) -> Alarm | None:
        """Wait for the next due alarm; None when the clock was closed."""
        with self._changed:
            while not self._closed:
                now_ns = time.time_ns()
                alarm = self._heap.pop_due(now_ns)
                if alarm is not None:
                    return alarm
                self._changed.wait(self._sleep_seconds(now_ns))
            return None

    def _sleep_seconds(self, now_ns: int) -> float | None:
        due_ns = self._heap.first_due_ns
        if due_ns is None:
            return None
        return min((due_ns - now_ns) / NANOSECONDS_PER_SECOND, LONGEST_SLEEP_SECONDS)


class VirtualClock:
    """A clock that moves only when `advance` or `advance_to` is called."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns
        self._heap = _Heap()
        # Guards the heap and the time; never held while an alarm rings.
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """Return the instant to which the clock was last moved."""
        return self._now_ns

    def call_at(self, due_ns: int, callback: Callable[[], None]) -> Alarm:
        """Call ``callback`` when the clock is moved to or past an instant; see `Clock.call_at`."""
        alarm = Alarm(due_ns, callback)
        with self._lock:
            self._heap.push(alarm)
        return alarm

    @property
    def next_due_ns(self) -> int | None:
        """The instant of the next call owed, or None when none is."""
        with self._lock:
            return self._heap.first_due_ns

    def advance(self, seconds: float) -> None:
        """Move the clock forward and ring what falls due on the way, on the calling thread."""
        self.advance_to(self._now_ns + round(seconds * NANOSECONDS_PER_SECOND))

    def advance_to(self, instant_ns: int) -> None:
        """Move the clock to an instant; it never moves back.

        While an alarm rings, `now_ns` is the alarm's own instant; alarms that it asks for up to the
        target ring as well.
        """
        while (alarm := self._pop_due(instant_ns)) is not None:
            alarm.ring()
        with self._lock:
            self._now_ns = max(self._now_ns, instant_ns)

    def close(self) -> None:
        """Drop all owed calls."""
        with self._lock:
            self._heap.clear()

    def _pop_due(self, instant_ns: int) -> Alarm | None:
        with self._lock:
            alarm = self._heap.pop_due(instant_ns)
            if alarm is not None:
                self._now_ns = max(self._now_ns, alarm.due_ns)
            return alarm
