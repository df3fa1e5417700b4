"""How does a caller wait for its turn?"""

from __future__ import annotations

import threading

LONGEST_WAIT_SECONDS = 0.25
"""A wait without end cannot be interrupted on every system, so it is made of such pieces."""


class WaitingCaller:
    """One who waits for the turn; called once, when it has the turn or will never have it.

    It waits for a bare lock: the stop button can interrupt that anywhere, where an event's own lock would be left
    in a state that nobody can say.
    """

    __slots__ = ("_called", "granted")

    def __init__(self) -> None:
        self._called = threading.Lock()
        self._called.acquire()
        self.granted = False

    def call(self) -> None:
        """End the wait; to be done once."""
        self._called.release()

    def grant(self) -> None:
        """Give it the turn."""
        self.granted = True
        self.call()

    def wait(self) -> None:
        """Wait until called. KeyboardInterrupt ends the wait."""
        while not self._called.acquire(timeout=LONGEST_WAIT_SECONDS):
            pass
