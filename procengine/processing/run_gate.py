"""Who may run beside whom?

Any runs go on together, but for one whose memory is limited: what the process grows by can be told from nothing
else's only while it runs alone. It waits for those in flight to end, and the next wait for it.

A wait is bounded: a plugin may itself wait for another trigger's run, by a request to it. After ``patience_seconds``
a run begins all the same; a limit on memory is soft.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from procengine.processing.cancellation import CancelToken

SLICE_SECONDS: Final = 0.05
"""How long a wait lasts before it looks whether the trigger was stopped."""


class RunGate:
    """Lets runs in, many at a time or one alone. Any thread."""

    def __init__(self, patience_seconds: float = 10.0) -> None:
        self._patience_seconds = patience_seconds
        # Guards the two counts below; those who wait sleep on its condition.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        # As long as many are inside. A list grows and shrinks in one step, so that runs beside others, which are
        # almost all, need no lock: they are on it before they look at the counts, and those who want to be alone look
        # at it after they have counted themselves.
        self._inside: list[None] = []
        self._alone = 0
        self._waiting = 0

    def enter(self, cancel: CancelToken) -> None:
        """Go in beside others; wait while one is alone, or is waiting to be.

        A run that is cancelled goes in at once, to end there.
        """
        self._inside.append(None)
        if self._alone or self._waiting:
            self.leave()
            with self._lock:
                self._wait(lambda: not (self._alone or self._waiting), cancel)
                self._inside.append(None)

    def leave(self) -> None:
        """Go out."""
        self._inside.pop()
        if self._waiting:
            with self._lock:
                self._changed.notify_all()

    def enter_alone(self, cancel: CancelToken) -> bool:
        """Go in when nobody is inside; tell whether that came within the patience."""
        with self._lock:
            self._waiting += 1
            try:
                alone = self._wait(lambda: not (self._inside or self._alone), cancel)
                self._alone += 1  # while it still counts as waiting: nobody must slip in between
            finally:
                self._waiting -= 1
                self._changed.notify_all()
            return alone

    def leave_alone(self) -> None:
        """Go out after `enter_alone`."""
        with self._lock:
            self._alone -= 1
            self._changed.notify_all()

    def _wait(self, is_free: Callable[[], bool], cancel: CancelToken) -> bool:
        """Wait until the way is free; tell whether it is. The lock is held."""
        deadline = time.monotonic() + self._patience_seconds
        while not is_free():
            left = deadline - time.monotonic()
            if left <= 0 or cancel.cancelled:
                return False
            self._changed.wait(min(left, SLICE_SECONDS))
        return True
