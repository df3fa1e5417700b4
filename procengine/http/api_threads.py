"""Which threads do the waiting for the server's loop?

Writing waits for a flush, a query for its rows, a request trigger for its plugin. The loop hands such calls to a
pool of threads and is told of their results; it never waits itself. The pool has as many threads as there may be
connections, so a plugin that calls its own server never waits for a thread that waits for the plugin.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from procengine.errors import StoppedError
from procengine.processing.worker_pool import WorkerPool

T = TypeVar("T")


class ApiThreads:
    """Makes blocking calls for one event loop. For that loop's thread, but where a method says otherwise."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, limit: int) -> None:
        self._loop = loop
        self._pool = WorkerPool(limit=limit, name="procengine-http")
        # Filled by the threads, emptied by the loop; both ends are atomic.
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._is_waking = False

    def call(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Return a future of what a call on another thread returns or raises.

        Cancelling the future drops the result; the call goes on to its end.

        Raises: StoppedError after `stop`.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._pool.submit(lambda: self._run(function, future))
        return future

    def stop(self, timeout_seconds: float) -> tuple[str, ...]:
        """Let each thread finish its call, and wait for them; return the names of those that did not. Any thread."""
        return self._pool.stop(timeout_seconds)

    def _run(self, function: Callable[[], T], future: asyncio.Future[T]) -> None:
        try:
            self._done.append((future, function(), None))
        except BaseException as error:  # noqa: BLE001 - raised again where the future is awaited
            self._done.append((future, None, error))
        # One wake-up serves all results that come before the loop looks; the flag is lowered before it does.
        if not self._is_waking:
            self._is_waking = True
            try:
                self._loop.call_soon_threadsafe(self._settle)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _settle(self) -> None:
        self._is_waking = False
        while self._done:
            future, result, error = self._done.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(_raisable(error))


def _raisable(error: BaseException) -> Exception:
    """Return what may reach the loop: no interruption, which was meant for the call, and not StopIteration."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return StoppedError(f"the request was interrupted: {error!r}")
