"""Which runs of a trigger are going on, and in which threads?"""

from __future__ import annotations

import itertools
import threading
import time

from procengine.errors import StoppedError
from procengine.model.trigger import Trigger
from procengine.processing.progress import Progress
from procengine.processing.standing import standing
from procengine.processing.stuck_run import StuckRun

_numbers = itertools.count()


class Flights:
    """The runs in flight. Any thread."""

    __slots__ = ("_closed", "_in_flight", "_progress")

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        # Not locked, which would cost each run 0.3 us: one item of a dictionary comes and goes in one step.
        self._in_flight: dict[int, tuple[threading.Thread, int]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._in_flight)

    def take_off(self) -> int:
        """Count a run on the calling thread as in flight; return the number to give to `land`.

        Raises: StoppedError after `close`.
        """
        number = next(_numbers)
        self._in_flight[number] = (threading.current_thread(), time.monotonic_ns())
        if self._closed:  # asked last: either this sees the end, or who waits for the runs sees this one
            self.land(number)
            raise StoppedError("the trigger was stopped")
        return number

    def land(self, number: int) -> None:
        """Count a run as ended."""
        del self._in_flight[number]
        self._progress.changed()

    def stuck(self, number: int, trigger: Trigger) -> StuckRun | None:
        """Return where a run stands that is in flight, or None when it has ended."""
        flight = self._in_flight.get(number)
        if flight is None:
            return None
        thread, began_ns = flight
        return StuckRun(
            database=trigger.database,
            trigger=trigger.name,
            plugin_filename=trigger.plugin_filename,
            thread=thread.name,
            running_ns=time.monotonic_ns() - began_ns,
            place=standing(thread),
        )

    def close(self) -> None:
        """Let no run take off any more."""
        self._closed = True

    @property
    def includes_this_thread(self) -> bool:
        """Whether the calling thread is inside a run."""
        here = threading.current_thread()
        return any(thread is here for thread, _ in tuple(self._in_flight.values()))

    def wait_landed(self, timeout_seconds: float, trigger: Trigger) -> tuple[StuckRun, ...]:
        """Wait until no run is in flight but the calling thread's own; return those that still are."""
        here = threading.current_thread()

        def others() -> list[int]:
            return [
                number for number, (thread, _) in tuple(self._in_flight.items()) if thread is not here
            ]

        self._progress.wait_until(lambda: not others(), timeout_seconds)
        return tuple(run for number in others() if (run := self.stuck(number, trigger)) is not None)
