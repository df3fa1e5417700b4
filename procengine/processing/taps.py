"""Who listens to what reaches the triggers?

Listeners are called on the thread that brings an event, before the triggers: they must return at once, and not raise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from procengine.model.table_rows import WalContents
from procengine.processing.event import RequestEvent

OnContents = Callable[[WalContents], None]
OnRequest = Callable[[str, str, RequestEvent], None]
"""Is told a request: the database of its trigger, its path, and what was asked."""

L = TypeVar("L", OnContents, OnRequest)


class Taps:
    """The listeners of one engine. Any thread adds; who tells them reads a tuple that is replaced, never changed."""

    def __init__(self) -> None:
        # Guards the replacement of the tuples.
        self._lock = threading.Lock()
        self._contents: tuple[OnContents, ...] = ()
        self._requests: tuple[OnRequest, ...] = ()

    def on_contents(self, listener: OnContents) -> Callable[[], None]:
        """Tell a listener each flush from now on; return the call that ends this."""
        with self._lock:
            self._contents = (*self._contents, listener)

        def end() -> None:
            with self._lock:
                self._contents = _without(self._contents, listener)

        return end

    def on_request(self, listener: OnRequest) -> Callable[[], None]:
        """Tell a listener each request from now on; return the call that ends this."""
        with self._lock:
            self._requests = (*self._requests, listener)

        def end() -> None:
            with self._lock:
                self._requests = _without(self._requests, listener)

        return end

    def flushed(self, contents: WalContents) -> None:
        """Tell the listeners a flush. On the flush thread."""
        for listener in self._contents:
            listener(contents)

    def requested(self, database: str, path: str, event: RequestEvent) -> None:
        """Tell the listeners a request."""
        for listener in self._requests:
            listener(database, path, event)


def _without(listeners: tuple[L, ...], gone: L) -> tuple[L, ...]:
    return tuple(one for one in listeners if one != gone)
