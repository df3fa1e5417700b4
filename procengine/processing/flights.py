"""Which runs of a trigger are going on, and in which threads?"""

from __future__ import annotations

import itertools
import threading

from procengine.errors import StoppedError
from procengine.processing.progress import Progress


class Flights:
    """The runs in flight. Any thread."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._numbers = itertools.count()
        # Guards the fields below: after `close` nobody takes off.
        self._lock = threading.Lock()
        self._threads: dict[int, threading.Thread] = {}
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
        return number

    def land(self, number: int) -> None:
        """Count a run as ended."""
        with self._lock:
            del self._threads[number]
        self._progress.changed()

    def thread(self, number: int) -> threading.Thread | None:
        """Return the thread of a run that is in flight."""
        return self._threads.get(number)

    def close(self) -> None:
        """Let no run take off any more."""
        with self._lock:
            self._closed = True

    @property
    def includes_this_thread(self) -> bool:
        """Whether the calling thread is inside a run."""
        return threading.current_thread() in tuple(self._threads.values())

    def wait_landed(self, timeout_seconds: float) -> tuple[str, ...]:
        """Wait until no run is in flight but the calling thread's own; return the names of those still inside one."""
        here = threading.current_thread()

        def others() -> list[threading.Thread]:
            return [thread for thread in tuple(self._threads.values()) if thread is not here]

        self._progress.wait_until(lambda: not others(), timeout_seconds)
        return tuple(thread.name for thread in others())
