"""Is anything under way, and who waits for that to change?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """Counts what is under way, and wakes whoever waits for a condition about it."""

    def __init__(self) -> None:
        # Guards the number of waiters, who sleep on it. A leaf, but for what waiters ask, which must not lock.
        self._changed = threading.Condition(threading.Lock())
        self._waiters = 0
        # As long as so much is under way. A list grows and shrinks in one step, so that nobody needs the lock for it,
        # which costs 0.15 us and is taken up to six times a run; who makes it shorter looks for waiters after that,
        # and these look at it after they have said that they wait.
        self._under_way: list[None] = []

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    def begin(self) -> None:
        """Count one more thing under way."""
        self._under_way.append(None)

    def end(self) -> None:
        """Count one thing less, and let waiters look."""
        self._under_way.pop()
        if self._waiters:
            self.changed()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count one thing as under way inside the block."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def changed(self) -> None:
        """Let waiters look again."""
        if self._waiters:
            with self._changed:
                self._changed.notify_all()

    def wait_until(self, condition: Callable[[], bool], timeout_seconds: float | None) -> bool:
        """Wait until a condition holds, at most so long (real time); tell whether it does.

        KeyboardInterrupt ends the wait. The condition is asked after each change; it must not lock.
        """
        with self._changed:
            self._waiters += 1
            try:
                return self._changed.wait_for(condition, timeout_seconds)
            finally:
                self._waiters -= 1
