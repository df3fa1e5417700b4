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


class Flights:
    """The runs in flight. Any thread."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._numbers = itertools.count()
        # Guards the fields below: after `close` nobody takes off.
        self._lock = threading.Lock()
        self._threads: dict[int, threading.Thread] = {}
        self._began_ns: dict[int, int] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._threads)

    def take_off(self) -> int:
        """Count a run on the calling thread as in flight; return the number to give to `land`.

        Raises: StoppedError after `close`.
        """
        number = next(self._numbers)
        with self._lock:
            if self._closed:
                raise StoppedError("the trigger was stopped")
            self._threads[number] = threading.current_thread()
            self._began_ns[number] = time.monotonic_ns()
        return number

    def land(self, number: int) -> None:
        """Count a run as ended."""
        with self._lock:
            del self._threads[number], self._began_ns[number]
        self._progress.changed()

    def stuck(self, number: int, trigger: Trigger) -> StuckRun | None:
        """Return where a run stands that is in flight, or None when it has ended."""
        with self._lock:
            thread, began_ns = self._threads.get(number), self._began_ns.get(number)
        if thread is None or began_ns is None:
            return None
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
        with self._lock:
            self._closed = True

    @property
    def includes_this_thread(self) -> bool:
        """Whether the calling thread is inside a run."""
        return threading.current_thread() in tuple(self._threads.values())

    def wait_landed(self, timeout_seconds: float, trigger: Trigger) -> tuple[StuckRun, ...]:
        """Wait until no run is in flight but the calling thread's own; return those that still are."""
        here = threading.current_thread()

        def others() -> list[int]:
            return [number for number, thread in tuple(self._threads.items()) if thread is not here]

        self._progress.wait_until(lambda: not others(), timeout_seconds)
        return tuple(run for number in others() if (run := self.stuck(number, trigger)) is not None)
