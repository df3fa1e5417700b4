"""When does which schedule trigger tick?

All schedules share the clock's one thread. Those that tick at the same instant share one alarm, so ten thousand
``every:1s`` cost the clock one entry. A schedule knows its next tick and how many ticks wait to be run, never a
list of them: the times of those that wait follow from the first.

Source: influxdb3_processing_engine/src/plugins.rs, ScheduleTriggerRunner, run_schedule_plugin.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from procengine.clock import Alarm, Clock
from procengine.model.trigger_spec import ScheduleSpec


class Schedule:
    """One trigger's ticks: the next to come, and those that came and wait.

    ``on_tick`` is called on the clock's thread when a tick came, ``on_end`` after the last one; both must return
    at once. ``next_ns`` is the next tick to come, None before `start_after` and when there is none; ``waiting`` is
    how many came and were not taken.
    """

    __slots__ = (
        "_first_waiting_ns",
        "_lock",
        "_spec",
        "next_ns",
        "on_end",
        "on_tick",
        "removed",
        "waiting",
    )

    def __init__(
        self, spec: ScheduleSpec, on_tick: Callable[[], None], on_end: Callable[[], None]
    ) -> None:
        self.on_tick = on_tick
        self.on_end = on_end
        self.removed = False
        self._spec = spec
        # Guards the fields below, which anybody reads.
        self._lock = threading.Lock()
        self.next_ns: int | None = None
        self._first_waiting_ns: int | None = None
        self.waiting = 0

    @property
    def backlog(self) -> tuple[int, int | None]:
        """How many ticks wait, and the time of the first; both at one moment."""
        with self._lock:
            return self.waiting, self._first_waiting_ns

    def start_after(self, instant_ns: int) -> int | None:
        """Begin behind an instant; return the first tick, or None when there is none."""
        self.next_ns = self._spec.next_after(instant_ns)
        return self.next_ns

    def come(self) -> int | None:
        """Let the next tick have come; return the one after it, or None when it was the last."""
        with self._lock:
            came_ns = self.next_ns
            assert came_ns is not None  # the clock rings for a tick that was announced
            if not self.waiting:
                self._first_waiting_ns = came_ns
            self.waiting += 1
            self.next_ns = self._spec.next_after(came_ns)
            return self.next_ns

    def take(self) -> int | None:
        """Return the scheduled time of the first tick that waits, and let it wait no more; None without one."""
        with self._lock:
            if not self.waiting:
                return None
            taken_ns = self._first_waiting_ns
            assert taken_ns is not None
            self.waiting -= 1
            self._first_waiting_ns = self._spec.next_after(taken_ns) if self.waiting else None
            return taken_ns

    def clear(self) -> None:
        """Forget the ticks that wait."""
        with self._lock:
            self.waiting = 0
            self._first_waiting_ns = None


class Schedules:
    """The schedules that run, by the instant of their next tick."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Guards the instants; the schedules and the clock are called outside it.
        self._lock = threading.Lock()
        self._instants: dict[int, _Instant] = {}

    @property
    def instant_count(self) -> int:
        """How many alarms the clock holds for schedules."""
        return len(self._instants)

    def add(self, schedule: Schedule) -> None:
        """Let a schedule tick, first at the first instant strictly after now."""
        first_ns = schedule.start_after(self._clock.now_ns())
        if first_ns is None:
            schedule.on_end()
        else:
            self._expect(first_ns, [schedule])

    def remove(self, schedule: Schedule) -> None:
        """Let a schedule tick no more; one that does not is left alone."""
        with self._lock:
            schedule.removed = True
            due_ns = schedule.next_ns
            instant = self._instants.get(due_ns) if due_ns is not None else None
            if instant is None or due_ns is None:
                return
            instant.schedules.pop(schedule, None)
            if instant.schedules:
                return
            del self._instants[due_ns]
        if instant.alarm is not None:
            instant.alarm.cancel()

    def _expect(self, due_ns: int, schedules: list[Schedule]) -> None:
        """Have the clock ring for the schedules that tick next at an instant, those left out that were removed."""
        with self._lock:
            instant = self._instants.get(due_ns)
            is_new = instant is None
            if instant is None:
                instant = self._instants[due_ns] = _Instant()
            for schedule in schedules:
                if not schedule.removed:
                    instant.schedules[schedule] = None
        if is_new:
            instant.alarm = self._clock.call_at(due_ns, lambda: self._tick(due_ns))

    def _tick(self, due_ns: int) -> None:
        """Let the ticks of an instant come, and only then say so. On the clock's thread."""
        with self._lock:
            instant = self._instants.pop(due_ns, None)
        if instant is None:
            return
        following: dict[int | None, list[Schedule]] = {}
        for schedule in instant.schedules:
            following.setdefault(schedule.come(), []).append(schedule)
        ended = following.pop(None, [])
        for next_ns, schedules in following.items():
            if next_ns is not None:
                self._expect(next_ns, schedules)
        for schedule in ended:
            schedule.on_end()
        for schedule in instant.schedules:
            if not schedule.removed:
                schedule.on_tick()


class _Instant:
    """The schedules that tick at one instant, and the clock's promise to ring then."""

    __slots__ = ("alarm", "schedules")

    def __init__(self) -> None:
        self.schedules: dict[Schedule, None] = {}
        self.alarm: Alarm | None = None
