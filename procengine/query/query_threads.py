"""On which thread does DataFusion work, while the caller can be interrupted?

DataFusion looks for signals once a second, and a plan that never yields keeps it from even that. So its blocking
calls are made on threads of our own, and the caller waits for them in a way that every interruption reaches: Ctrl-C
on the main thread, an exception set from outside on another, a cancellation. The caller then goes on at once; the
abandoned call is asked to stop, and its thread ends when DataFusion lets go of it.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from procengine.errors import QueryCancelledError, StoppedError
from procengine.query.cancellation import QueryCancellation
from procengine.thread_exceptions import raise_in_thread

logger = logging.getLogger(__name__)

T = TypeVar("T")

WAIT_SECONDS = 0.05
"""How long a caller waits at a stretch: an exception that another thread sets on it is raised in between."""


class _Abandoned(BaseException):
    """Set on a query thread whose caller has gone."""


class _Call(Generic[T]):
    """One blocking call and its outcome."""

    def __init__(self, function: Callable[[], T]) -> None:
        self.function = function
        self.result: T
        self.failure: BaseException | None = None
        self.ended = False
        # Locked until the outcome is there or the call is cancelled: the caller waits for it.
        self.settled = threading.Lock()
        self.settled.acquire()

    def run(self) -> None:
        """Make the call and tell the caller."""
        try:
            self.result = self.function()
        except BaseException as failure:  # noqa: BLE001 - raised again on the caller's thread
            self.failure = failure
        self.ended = True
        self.wake()

    def wake(self) -> None:
        """Let the caller go on. Waking twice is waking once."""
        try:
            self.settled.release()
        except RuntimeError:
            return


class _QueryThread:
    """One thread that makes calls, one at a time, until it is stopped or abandoned."""

    def __init__(self, number: int) -> None:
        self._calls: queue.SimpleQueue[_Call[object] | None] = queue.SimpleQueue()
        # Guards the current call, so that an exception is never set on a thread that is past it.
        self._lock = threading.Lock()
        self._current: _Call[object] | None = None
        self._abandoned = False
        self.thread = threading.Thread(target=self._run, name=f"procengine-query-{number}", daemon=True)
        self.thread.start()

    def offer(self, call: _Call[object]) -> None:
        """Make a call soon."""
        self._calls.put(call)

    def stop(self) -> None:
        """End the thread after its current call."""
        self._calls.put(None)

    def abandon(self, call: _Call[object]) -> None:
        """Ask DataFusion to drop a call, and the thread to end."""
        with self._lock:
            self._abandoned = True
            if self._current is call:
                raise_in_thread(self.thread.ident or 0, _Abandoned)
        self.stop()

    def _run(self) -> None:
        try:
            while (call := self._calls.get()) is not None:
                with self._lock:
                    if self._abandoned:
                        return
                    self._current = call
                call.run()
                del call
                with self._lock:
                    self._current = None
        except _Abandoned:
            return


class QueryThreads:
    """Makes blocking calls for callers that must stay interruptible. Any thread may call."""

    def __init__(self) -> None:
        # Guards the lists below.
        self._lock = threading.Lock()
        self._idle: list[_QueryThread] = []
        self._all: set[_QueryThread] = set()
        self._numbers = itertools.count(1)
        self._stopped = False

    def call(self, function: Callable[[], T], cancellation: QueryCancellation | None = None) -> T:
        """Return what a call of ``function`` on another thread returns, or raise what it raises.

        Raises:
            QueryCancelledError: the cancellation came first; the call is abandoned.
            StoppedError: `stop` was called.
            KeyboardInterrupt: on the main thread; the call is abandoned.
        """
        thread = self._take()
        call = _Call(function)
        thread.offer(call)  # type: ignore[arg-type]
        take_back = cancellation.on_cancel(call.wake) if cancellation is not None else None
        try:
            while not call.settled.acquire(timeout=WAIT_SECONDS):
                if cancellation is not None and cancellation.check is not None:
                    cancellation.check()
        finally:
            if take_back is not None:
                take_back()
            self._give_back(thread, call)  # type: ignore[arg-type]
        if not call.ended:
            raise QueryCancelledError("query was cancelled")
        if call.failure is not None:
            raise call.failure
        return call.result

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """End the threads: idle ones at once, abandoned ones when DataFusion lets go. Stopping twice is allowed."""
        with self._lock:
            self._stopped = True
            threads, self._all = self._all, set()
            self._idle.clear()
        for thread in threads:
            thread.stop()
        for thread in threads:
            if thread.thread is not threading.current_thread():
                thread.thread.join(timeout_seconds)

    def _take(self) -> _QueryThread:
        with self._lock:
            if self._stopped:
                raise StoppedError("the query executor is stopped")
            if self._idle:
                return self._idle.pop()
            thread = _QueryThread(next(self._numbers))
            self._all.add(thread)
            return thread

    def _give_back(self, thread: _QueryThread, call: _Call[object]) -> None:
        if not call.ended:
            thread.abandon(call)
        with self._lock:
            if call.ended:
                self._idle.append(thread)
            self._all = {one for one in self._all if one.thread.is_alive()}
