"""How many runs of an asynchronous trigger may go on at a time?

Workers take a slot, or leave the event where it waits; callers, who bring theirs, wait for one in line.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from procengine.errors import RequestQueueFullError, StoppedError
from procengine.processing.waiting_caller import WaitingCaller


class RunSlots:
    """The slots of one trigger, ``limit`` of them. Any thread.

    ``on_free`` is called when a slot became free that no caller waits for; it must return at once.
    """

    __slots__ = ("_callers", "_closed", "_lock", "_on_free", "_taken", "limit")

    def __init__(self, on_free: Callable[[], None]) -> None:
        self.limit = 1
        self._on_free = on_free
        # Guards the fields below.
        self._lock = threading.Lock()
        self._taken = 0
        self._callers: dict[WaitingCaller, None] = {}
        self._closed = False

    @property
    def taken(self) -> int:
        """How many slots are taken."""
        return self._taken

    @property
    def waiting_callers(self) -> int:
        """How many callers stand in line."""
        return len(self._callers)

    def try_take(self) -> bool:
        """Take a slot if one is free; tell whether. What is taken is given back by `give_back`."""
        with self._lock:
            if self._taken >= self.limit or self._callers:
                return False
            self._taken += 1
            return True

    def give_back(self, *, unused: bool = False) -> None:
        """Give a slot to the first caller in line, or free it; one that was not used is freed without a word."""
        with self._lock:
            if self._callers and self._taken <= self.limit:
                caller = next(iter(self._callers))
                del self._callers[caller]
                caller.grant()
                return
            self._taken -= 1
        if not unused:
            self._on_free()

    @contextmanager
    def slot(self, most_waiting: int | None) -> Iterator[None]:
        """Hold a slot inside the block; callers get one in the order in which they asked.

        Raises:
            StoppedError: the slots are closed, before or while waiting.
            RequestQueueFullError: ``most_waiting`` callers stand in line already.
        """
        caller = WaitingCaller()
        try:
            self._ask(caller, most_waiting)
            caller.wait()
        except BaseException:
            self._withdraw(caller)
            raise
        if not caller.granted:
            raise _closed()
        try:
            yield
        finally:
            self.give_back()

    def close(self) -> None:
        """Let nobody take a slot any more; callers in line get StoppedError."""
        with self._lock:
            self._closed = True
            callers, self._callers = self._callers, {}
        for caller in callers:
            caller.call()

    def _ask(self, caller: WaitingCaller, most_waiting: int | None) -> None:
        with self._lock:
            if self._closed:
                raise _closed()
            if self._taken < self.limit:
                self._taken += 1
                caller.grant()
            elif most_waiting is not None and len(self._callers) >= most_waiting:
                raise RequestQueueFullError(most_waiting)
            else:
                self._callers[caller] = None

    def _withdraw(self, caller: WaitingCaller) -> None:
        with self._lock:
            if not caller.granted:
                self._callers.pop(caller, None)
                return
        self.give_back()


def _closed() -> StoppedError:
    return StoppedError("the trigger was stopped before its turn came")
