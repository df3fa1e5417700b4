"""How does a plugin wait, so that it can be stopped?

A thread that waits inside the interpreter cannot be interrupted from another one until the wait returns. So the waits
of the standard library that plugins meet are made in slices of 50 ms, between which a cancelled run ends:

- what stands on ``threading.Condition``: events, semaphores, barriers, queues, futures; and ``Thread.join``,
- selectors, and with them asyncio,
- receiving from and accepting on a socket, TLS included,
- ``subprocess.Popen.wait``.

Only on the run's own thread, and only while plugin code is on top there: everywhere else each does what it did. A
bare ``Lock.acquire``, a ``SimpleQueue``, sending, connecting, and waits inside other extensions stay as they are.
"""

from __future__ import annotations

import functools
import math
import select
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from procengine.processing.active_run import current_run
from procengine.processing.cancellation import PluginThread

SLICE_SECONDS: Final = 0.05

Wrapper = Callable[[Callable[..., Any]], Callable[..., Any]]


def sliced_condition_wait(wait: Callable[..., bool]) -> Callable[..., bool]:
    """Return ``Condition.wait`` in slices; the waiter stays in line meanwhile, so that no call to it is lost."""

    @functools.wraps(wait)
    def sliced(self: Any, timeout: float | None = None) -> bool:
        thread = _interruptible()
        if thread is None:
            return wait(self, timeout)
        if not self._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")
        waiter = threading.Lock()
        waiter.acquire()
        self._waiters.append(waiter)
        saved = self._release_save()
        called = False
        try:
            called = _until(thread, timeout, lambda seconds: waiter.acquire(timeout=seconds))
            return called
        finally:
            self._acquire_restore(saved)
            if not called and waiter in self._waiters:
                self._waiters.remove(waiter)

    return sliced


def sliced_join(join: Callable[..., None]) -> Callable[..., None]:
    """Return ``Thread.join`` in slices."""

    @functools.wraps(join)
    def sliced(self: threading.Thread, timeout: float | None = None) -> None:
        thread = _interruptible()
        if thread is None:
            join(self, timeout)
            return

        def ended(seconds: float) -> bool:
            join(self, seconds)
            return not self.is_alive()

        _until(thread, timeout, ended)

    return sliced


def sliced_select(select_: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Return a selector's ``select`` in slices."""

    @functools.wraps(select_)
    def sliced(self: Any, timeout: float | None = None) -> list[Any]:
        thread = _interruptible()
        if thread is None or (timeout is not None and timeout <= SLICE_SECONDS):
            return select_(self, timeout)
        ready: list[Any] = []

        def found(seconds: float) -> bool:
            ready.extend(select_(self, seconds))
            return bool(ready)

        _until(thread, timeout, found)
        return ready

    return sliced


def sliced_receive(receive: Callable[..., Any]) -> Callable[..., Any]:
    """Return a socket's method that waits for the other side, with the wait before it in slices."""

    @functools.wraps(receive)
    def sliced(self: Any, *args: Any, **options: Any) -> Any:
        thread = _interruptible()
        if thread is not None and self.gettimeout() != 0 and not _has_data(self):
            _wait_readable(self, thread)
        return receive(self, *args, **options)

    return sliced


def sliced_process_wait(wait: Callable[..., int]) -> Callable[..., int]:
    """Return ``Popen.wait`` as it waits with a timeout: by ``time.sleep``, which ends with the run."""

    @functools.wraps(wait)
    def sliced(self: Any, timeout: float | None = None) -> int:
        if timeout is None and _interruptible() is not None:
            timeout = threading.TIMEOUT_MAX
        return wait(self, timeout)

    return sliced


def _interruptible() -> PluginThread | None:
    """Return the calling thread if it is a run's own and plugin code is on top."""
    run = current_run.get()
    if run is None or run.thread is None or not run.thread.is_interruptible_here:
        return None
    return run.thread


def _until(thread: PluginThread, timeout: float | None, done: Callable[[float], bool]) -> bool:
    """Call ``done`` with slices of time until it is; tell whether it was within the timeout.

    Raises:
        KeyboardInterrupt: the run is cancelled.
    """
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    while True:
        left = max(0.0, deadline - time.monotonic())
        if done(min(left, SLICE_SECONDS)):
            return True
        if left <= SLICE_SECONDS:
            return False
        thread.check()


def _has_data(socket: Any) -> bool:
    """Tell whether a TLS socket has decrypted data, which its descriptor does not show."""
    pending = getattr(socket, "pending", None)
    return pending is not None and pending() > 0


def _wait_readable(socket: Any, thread: PluginThread) -> None:
    """Wait until a socket can be read, as long as its own timeout is.

    Raises: TimeoutError, as the socket does.
    """

    def readable(seconds: float) -> bool:
        if not hasattr(select, "poll"):  # pragma: no cover
            return bool(select.select([socket], [], [], seconds)[0])
        poll = select.poll()
        poll.register(socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    if not _until(thread, socket.gettimeout(), readable):
        raise TimeoutError("timed out")
