"""Who looks again every second, while no cell runs?

The kernel's own event loop, on the main thread: it stands still while a cell runs, and so does a ticker. Where there
is no such loop (a terminal) nothing ticks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SECONDS = 1.0


class Ticker:
    """Calls back once a second between `start` and `stop`. For the kernel's main thread."""

    def __init__(self, loop: Any, callback: Callable[[], None], seconds: float = SECONDS) -> None:
        self._loop = loop
        self._callback = callback
        self._seconds = seconds
        self._next: Any = None

    @property
    def is_running(self) -> bool:
        """Whether it will call back."""
        return self._next is not None

    def start(self) -> None:
        """Call back from now on; starting twice is allowed."""
        if self._next is None and self._loop is not None:
            self._next = self._loop.call_later(self._seconds, self._tick)

    def stop(self) -> None:
        """Call back no more; stopping twice is allowed."""
        if self._next is not None:
            self._loop.remove_timeout(self._next)
            self._next = None

    def _tick(self) -> None:
        self._next = None
        self.start()
        self._callback()
