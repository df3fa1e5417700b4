"""Which threads do the waiting for the server's loop?

Writing waits for a flush, a query for its rows, a request trigger for its plugin. The loop hands such calls to a
pool of threads and is told of their results; it never waits itself. The pool has as many threads as there may be
connections, so a plugin that calls its own server never waits for a thread that waits for the plugin.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

from procengine.errors import StoppedError
from procengine.processing.worker_pool import WorkerPool

T = TypeVar("T")

Done = Callable[[Any, Exception | None], None]
"""Takes what a call returned, or raised. On the loop."""

GATHERED_RESULTS = 16
"""How many results wake the loop although more calls wait."""

LOOK_SECONDS = 0.002
"""How long a result waits for others at most."""


class _Call(NamedTuple):
    function: Callable[[], Any]
    done: Done


class ApiThreads:
    """Makes blocking calls for one event loop. For that loop's thread, but where a method says otherwise.

    A result wakes the loop at once when it is the last in sight. While more calls wait, results gather for a moment:
    each wake-up costs the threads the interpreter, which would else go to and fro between them and the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, limit: int) -> None:
        self._loop = loop
        self._pool = WorkerPool(limit=limit, name="procengine-http")
        # Filled by the threads, emptied by the loop; both ends are atomic.
        self._results: deque[tuple[Done, Any, Exception | None]] = deque()
        self._is_waking = False
        self._is_looking = False
        self._under_way = 0
        self._idle = asyncio.Event()
        # Guards the lanes, which the loop fills and threads empty; held for container operations.
        self._lanes_lock = threading.Lock()
        self._lanes: dict[Hashable, deque[_Call]] = {}

    def submit(self, function: Callable[[], Any], done: Done, *, lane: Hashable | None = None) -> None:
        """Make a call on another thread; then call ``done`` on the loop with what it returned, or raised.

        Calls of one ``lane`` are made one at a time, in their order: what would wait for its turn inside waits
        here, without a thread.

        Raises: StoppedError after `stop`.
        """
        call = _Call(function, done)
        if lane is None:
            self._pool.submit(lambda: self._make(call, more=False))
        else:
            self._enter_lane(lane, call)
        self._under_way += 1
        if self._under_way > 1 and not self._is_looking:
            self._is_looking = True
            self._loop.call_later(LOOK_SECONDS, self._look)

    def call(self, function: Callable[[], T], *, lane: Hashable | None = None) -> asyncio.Future[T]:
        """Return a future of what a call on another thread returns or raises; see `submit`.

        Cancelling the future drops the result; the call goes on to its end.

        Raises: StoppedError after `stop`.
        """
        future: asyncio.Future[T] = self._loop.create_future()

        def done(result: T, error: Exception | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.submit(function, done, lane=lane)
        return future

    async def wait_idle(self) -> None:
        """Wait until no call is under way."""
        while self._under_way:
            self._idle.clear()
            await self._idle.wait()

    def stop(self, timeout_seconds: float) -> tuple[str, ...]:
        """Let each thread finish its call, and wait for them; return the names of those that did not. Any thread."""
        return self._pool.stop(timeout_seconds)

    def _enter_lane(self, lane: Hashable, call: _Call) -> None:
        with self._lanes_lock:
            waiting = self._lanes.get(lane)
            if waiting is not None:
                waiting.append(call)
                return
            self._lanes[lane] = deque([call])
        try:
            self._pool.submit(lambda: self._drive(lane))
        except StoppedError:
            del self._lanes[lane]
            raise

    def _drive(self, lane: Hashable) -> None:
        """Make the calls of a lane until there are none. On a thread of the pool."""
        waiting = self._lanes[lane]
        more = True
        while more:
            self._make(waiting[0], more=len(waiting) > 1)
            with self._lanes_lock:
                waiting.popleft()
                more = bool(waiting)
                if not more:
                    del self._lanes[lane]

    def _make(self, call: _Call, *, more: bool) -> None:
        """Make a call and tell the loop; ``more`` says that another follows at once. On a thread of the pool."""
        try:
            self._results.append((call.done, call.function(), None))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            self._results.append((call.done, None, _raisable(error)))
        if (more or self._pool.line_length) and len(self._results) < GATHERED_RESULTS:
            return
        # One wake-up serves all results that come before the loop looks; the flag is lowered before it does.
        if not self._is_waking:
            self._is_waking = True
            try:
                self._loop.call_soon_threadsafe(self._settle)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _settle(self) -> None:
        self._is_waking = False
        while self._results:
            done, result, error = self._results.popleft()
            self._under_way -= 1
            done(result, error)
        if not self._under_way:
            self._idle.set()

    def _look(self) -> None:
        """Take results that gathered while a call behind them takes its time."""
        self._is_looking = False
        self._settle()
        if self._under_way > 1:
            self._is_looking = True
            self._loop.call_later(LOOK_SECONDS, self._look)


def _raisable(error: BaseException) -> Exception:
    """Return what may reach the loop: no interruption, which was meant for the call, and not StopIteration."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return StoppedError(f"the request was interrupted: {error!r}")
