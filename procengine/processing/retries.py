"""Which failed events wait to be run again?

No thread waits with them: the clock calls when a pause is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from procengine.clock import Alarm, Clock
from procengine.processing.event import Event
from procengine.processing.progress import Progress


class Retry:
    """A failed event, the number of the attempt to come, and whether its pause is over."""

    __slots__ = ("alarm", "attempt", "due", "event")

    def __init__(self, event: Event, attempt: int) -> None:
        self.event = event
        self.attempt = attempt
        self.due = False
        self.alarm: Alarm | None = None


class Retries:
    """The failed events of one trigger; each counts as under way while it stands here.

    ``resume`` is called when a pause is over, on the clock's thread or by `hurry`; it must return at once.
    ``standing`` has the events in the order in which they failed; others may look whether it has any.
    """

    __slots__ = ("_clock", "_closed", "_lock", "_progress", "_resume", "standing")

    def __init__(self, clock: Clock, progress: Progress, resume: Callable[[], None]) -> None:
        self._clock = clock
        self._progress = progress
        self._resume = resume
        # Guards the two fields below.
        self._lock = threading.Lock()
        self.standing: dict[Retry, None] = {}
        self._closed = False

    @property
    def first(self) -> Retry | None:
        """The event that failed first, or None."""
        with self._lock:
            return next(iter(self.standing), None)

    @property
    def first_due(self) -> Retry | None:
        """The event that failed first of those whose pause is over, or None."""
        if not self.standing:
            return None
        with self._lock:
            return next((retry for retry in self.standing if retry.due), None)

    @property
    def attempt(self) -> int:
        """The highest number of an attempt whose pause has begun; 0 when there is none."""
        with self._lock:
            begun = [retry.attempt for retry in self.standing if retry.alarm is not None]
        return max(begun, default=0)

    def add(self, event: Event, *, attempt: int, pause_ns: int) -> None:
        """Have an event run again after a pause; after `close`, drop it."""
        retry = Retry(event, attempt)
        with self._lock:
            if self._closed:
                return
            self.standing[retry] = None
        self._progress.begin()
        retry.alarm = self._clock.call_at(
            self._clock.now_ns() + pause_ns, lambda: self._end_pause(retry)
        )

    def strike(self, retry: Retry) -> bool:
        """Strike an event off, because it runs or is dropped; tell whether it still stood here."""
        with self._lock:
            if retry not in self.standing:
                return False
            del self.standing[retry]
        if retry.alarm is not None:
            retry.alarm.cancel()
        self._progress.end()
        return True

    def hurry(self) -> None:
        """End all pauses now."""
        with self._lock:
            standing = tuple(self.standing)
        for retry in standing:
            self._end_pause(retry)

    def close(self) -> None:
        """Drop all events, and those to come."""
        with self._lock:
            self._closed = True
            standing = tuple(self.standing)
        for retry in standing:
            self.strike(retry)

    def _end_pause(self, retry: Retry) -> None:
        retry.due = True
        self._resume()
