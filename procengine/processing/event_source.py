"""Where does a trigger's next event come from?

From the write-ahead log, from the clock, or, for a request trigger, from nowhere: its callers bring theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from procengine.model.byte_size import format_bytes
from procengine.model.counted import counted
from procengine.model.run import Cause, CauseKind
from procengine.model.trigger_spec import ScheduleSpec
from procengine.processing.event import Event, new_schedule_event
from procengine.processing.schedules import Schedule, Schedules
from procengine.processing.trigger_statistics import Lag
from procengine.processing.watchers import Watcher, Watchers

LATE_SECONDS: Final = 10.0
"""From when on rows that wait are a warning."""

MANY_TICKS: Final = 5
"""From how many on ticks that wait are a warning."""


class EventSource:
    """Brings a trigger its events, one after the other, in their order; this one brings none.

    A source wakes its trigger when there is an event. `take` and `done` are called by whoever holds the
    trigger's turn, everything else by any thread.
    """

    def attach(self) -> None:
        """Let events come from now on; nothing from before."""

    def detach(self) -> None:
        """Let no more events come, and forget those that wait."""

    def take(self) -> Event | None:
        """Return the next event, or None when none waits.

        Raises: LookupError when it is lost.
        """
        return None

    def done(self) -> None:
        """Count the event taken last as handled."""

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return 0

    @property
    def next_fire_ns(self) -> int | None:
        """The next scheduled time, or None where nothing is scheduled."""
        return None

    @property
    def lag(self) -> Lag:
        """How far behind the write-ahead log it is."""
        return Lag()

    @property
    def position(self) -> int | None:
        """The first sequence number of the log that is not handled; None when there is nothing to do."""
        return None

    @property
    def pressure(self) -> str | None:
        """What the trigger cannot keep up with, in words; None while it can."""
        return None


class WriteSource(EventSource):
    """Events of a write trigger, from the write-ahead log."""

    def __init__(
        self,
        watchers: Watchers,
        watcher: Watcher,
        *,
        log_end: Callable[[], int],
        follow: Callable[[], None],
        leave: Callable[[], None],
    ) -> None:
        """``log_end`` tells the last flush; ``follow`` begins to keep the cursor's place, ``leave`` leaves it."""
        self._watchers = watchers
        self._watcher = watcher
        self._cursor = watcher.cursor
        self._log_end = log_end
        self._follow = follow
        self._leave = leave

    def attach(self) -> None:
        """Begin behind what the log holds now."""
        self._cursor.begin(self._log_end())
        self._follow()
        self._watchers.add(self._watcher)

    def detach(self) -> None:
        """End, and forget the contents that wait."""
        self._watchers.remove(self._watcher)
        self._leave()
        self._cursor.clear()

    def take(self) -> Event | None:
        """Return the next contents' wanted rows; the same again until `done`.

        Raises: LookupError when the log does not hold them any more.
        """
        return self._cursor.take()

    def done(self) -> None:
        """Go on behind the contents taken last."""
        self._cursor.done()

    @property
    def waiting(self) -> int:
        """How many contents wait."""
        return self._cursor.pending

    @property
    def lag(self) -> Lag:
        """How far the trigger is behind the log."""
        return self._watchers.lag(self._watcher)

    @property
    def position(self) -> int | None:
        """The first sequence number that is not handled."""
        return self._cursor.position

    @property
    def pressure(self) -> str | None:
        """Rows that wait behind the ones being handled, when they do so for long or for much of the log."""
        lag = self.lag
        is_late = lag.seconds >= LATE_SECONDS or lag.held_bytes > self._watchers.lag_limit_bytes // 2
        if lag.contents < 2 or not is_late:
            return None
        return (
            f"it is behind: {counted(lag.rows, 'row')} of {lag.contents:,} flushes wait, the oldest for "
            f"{lag.seconds:,.0f} s, and {format_bytes(lag.held_bytes)} of the log are kept for it"
        )


class TickSource(EventSource):
    """Events of a schedule trigger, from the clock.

    ``on_end`` is called when no tick is left to come: on the clock's thread, or by `attach`.
    """

    def __init__(
        self,
        schedules: Schedules,
        spec: ScheduleSpec,
        *,
        now_ns: Callable[[], int],
        wake: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._schedules = schedules
        self._now_ns = now_ns
        self._schedule = Schedule(spec, wake, on_end)

    def attach(self) -> None:
        """Tick from now on."""
        self._schedules.add(self._schedule)

    def detach(self) -> None:
        """Tick no more, and forget the ticks that wait."""
        self._schedules.remove(self._schedule)
        self._schedule.clear()

    def take(self) -> Event | None:
        """Return the tick that waits longest, and let it wait no more."""
        instant_ns = self._schedule.take()
        if instant_ns is None:
            return None
        waited_ns = max(0, self._now_ns() - instant_ns)
        return new_schedule_event(
            instant_ns=instant_ns,
            cause=_cause(instant_ns),
            offered_ns=time.perf_counter_ns() - waited_ns,
        )

    @property
    def waiting(self) -> int:
        """How many ticks wait."""
        return self._schedule.waiting

    @property
    def pressure(self) -> str | None:
        """Ticks that wait, when they are many."""
        waiting, since_ns = self._schedule.backlog
        if waiting < MANY_TICKS or since_ns is None:
            return None
        seconds = max(0, self._now_ns() - since_ns) / 1e9
        return f"it cannot keep up: {waiting:,} ticks wait, the first for {seconds:,.0f} s"

    @property
    def next_fire_ns(self) -> int | None:
        """The next tick to come."""
        return self._schedule.next_ns


@lru_cache(maxsize=16)  # many triggers tick at one instant, and the records of their runs are kept
def _cause(instant_ns: int) -> Cause:
    return Cause(kind=CauseKind.TICK, instant_ns=instant_ns)


class RequestSource(EventSource):
    """A request trigger's place among the routes; its events come with their callers."""

    def __init__(self, claim: Callable[[], None], release: Callable[[], None]) -> None:
        self._claim = claim
        self._release = release

    def attach(self) -> None:
        """Take the path.

        Raises: AlreadyExistsError: another trigger has it.
        """
        self._claim()

    def detach(self) -> None:
        """Give the path back."""
        self._release()
