"""How does a trigger run one event at a time without a thread of its own?

A strand is a turn that one thread holds at a time. Work that waits inside (log contents, ticks) is done by a
worker, which holds the turn while there is more to do; a caller that runs an event on its own thread (a request,
a fired event) waits for the turn in line. The worker lets callers in between two of its steps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from procengine.errors import RequestQueueFullError, StoppedError
from procengine.processing.progress import Progress
from procengine.processing.waiting_caller import WaitingCaller
from procengine.processing.worker_pool import TaskPool


class Strand:
    """A turn for one thread at a time, and the worker's task that uses it.

    ``step`` does one piece of work on a worker, with the turn held, and tells whether there may be more.
    It must not raise. A strand is itself the task that it hands to a worker.
    """

    __slots__ = ("_awake", "_callers", "_closed", "_held", "_lock", "_pool", "_progress", "_step")

    def __init__(self, pool: TaskPool, progress: Progress, step: Callable[[], bool]) -> None:
        self._pool = pool
        self._progress = progress
        self._step = step
        # Guards the fields below; the turn itself is `_held`, never this lock.
        self._lock = threading.Lock()
        self._held = False
        self._awake = False
        self._closed = False
        self._callers: dict[WaitingCaller, None] = {}

    @property
    def waiting_callers(self) -> int:
        """How many callers stand in line."""
        return len(self._callers)

    def wake(self) -> None:
        """Say that there is work: a worker will do it when the turn is free. Never waits; any thread."""
        with self._lock:
            self._awake = True
            if self._held or self._closed:
                return
            self._held = True
        self._hand_to_worker()

    def turn(self, *, most_waiting: int | None = None) -> AbstractContextManager[None]:
        """Return what holds the turn inside a ``with`` block; callers get it in the order in which they asked.

        Waiting for it can be interrupted by KeyboardInterrupt. Entering the block raises:
            StoppedError: the strand is closed, before or while waiting.
            RequestQueueFullError: ``most_waiting`` callers stand in line already.
        """
        return _Turn(self, most_waiting)

    def try_turn(self) -> bool:
        """Take the turn if it is free, to be given to `pass_on`; tell whether. For 1 us less than `turn`."""
        with self._lock:
            if self._held or self._closed:
                return False
            self._held = True
        self._progress.begin()
        return True

    def close(self) -> None:
        """Let nobody begin any more: work is left undone, callers in line get StoppedError."""
        with self._lock:
            self._closed = True
            callers, self._callers = self._callers, {}
        for caller in callers:
            caller.call()

    def take_turn(self, most_waiting: int | None) -> None:
        """Wait for the turn and take it, to be given to `pass_on`; for `turn`."""
        caller = WaitingCaller()
        try:
            with self._lock:
                if self._closed:
                    raise _closed()
                if not self._held:
                    self._held = True
                    self._progress.begin()
                    caller.granted = True
                    return
                if most_waiting is not None and len(self._callers) >= most_waiting:
                    raise RequestQueueFullError(most_waiting)
                self._callers[caller] = None
            caller.wait()
        except BaseException:
            self._withdraw(caller)
            raise
        if not caller.granted:
            raise _closed()

    def _withdraw(self, caller: WaitingCaller) -> None:
        with self._lock:
            if not caller.granted:
                self._callers.pop(caller, None)
                return
        self.pass_on()

    def pass_on(self) -> None:
        """Give the turn to the first caller, else to a worker if there is work, else free it."""
        with self._lock:
            if self._callers:
                self._grant()
                return
            self._held = more = self._awake and not self._closed
        if more:
            self._hand_to_worker()
        self._progress.end()

    def _hand_to_worker(self) -> None:
        self._progress.begin()
        try:
            self._pool.submit(self)
        except StoppedError:
            self._held = False
            self._progress.end()

    def __call__(self) -> None:
        """Do the work that waits. On a worker, with the turn held."""
        while True:
            self._awake = False
            more = self._step()
            with self._lock:
                self._awake = (self._awake or more) and not self._closed
                if self._callers:
                    self._grant()
                    return
                self._held = self._awake
                if self._held:
                    continue
            self._progress.end()
            return

    def _grant(self) -> None:
        """Give the turn to the caller who asked first; the lock is held."""
        caller = next(iter(self._callers))
        del self._callers[caller]
        caller.grant()


class _Turn:
    """A block that holds a strand's turn."""

    __slots__ = ("_most_waiting", "_strand")

    def __init__(self, strand: Strand, most_waiting: int | None) -> None:
        self._strand = strand
        self._most_waiting = most_waiting

    def __enter__(self) -> None:
        self._strand.take_turn(self._most_waiting)

    def __exit__(self, *_: object) -> None:
        self._strand.pass_on()


def _closed() -> StoppedError:
    return StoppedError("the trigger was stopped before its turn came")
