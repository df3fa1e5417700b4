"""How is a query told to stop?

By a `QueryCancellation` that the caller passes and any thread may cancel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class QueryCancellation:
    """Cancels the queries that it was passed to, those that run and those to come.

    ``check`` is called about every 50 ms on the thread that waits for a query; what it raises ends the query.
    """

    def __init__(self, check: Callable[[], None] | None = None) -> None:
        self.check = check
        # Guards both; never held while a listener is called.
        self._lock = threading.Lock()
        self._cancelled = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Stop the queries: their callers get `QueryCancelledError` at once. From any thread; twice is once."""
        with self._lock:
            self._cancelled = True
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def on_cancel(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` when cancelled, at once if that has been; return what takes it back."""
        with self._lock:
            if not self._cancelled:
                self._listeners.append(listener)
                return lambda: self._remove(listener)
        listener()
        return lambda: None

    def _remove(self, listener: Callable[[], None]) -> None:
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
