"""Which threads do the waiting for the server's loop?

Writing waits for a flush, a query for its rows, a request trigger for its plugin. The loop hands such calls to a
pool of threads and is told of their results; it never waits itself. The pool has as many threads as there may be
connections, so a plugin that calls its own server never waits for a thread that waits for the plugin.

Threads and loop share one interpreter, and each of the loop's reads and writes lets it go: two that are awake take
it from each other at every answer, for more than an empty plugin costs. So they work by turns where there is much to
do: what one look at the network brought is handed over at once, and the answers to it come back together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from threading import Lock
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeVar

from procengine.errors import StoppedError
from procengine.processing.worker_pool import WorkerPool

T = TypeVar("T")

Done = Callable[[Any, Exception | None], None]
"""Takes what a call returned, or raised. On the loop."""

SHORT_SECONDS: Final = 0.001
"""What takes longer is worth waking the loop for: its result does not wait for others."""

GATHER_SECONDS: Final = 0.01
"""How long results of short calls wait for others, at most."""

BREVITY_TO_STAND: Final = 32
MOST_BREVITY: Final = 128
BREVITY_OF_LONG: Final = -8
"""A lane's brevity rises by one with each short call, and falls with each other; from the first figure on the loop
stands still for the lane's next calls. A wall clock cannot tell a long call from one whose thread had to wait for a
processor: one in nine may be either."""

STAND_SECONDS: Final = 0.004
"""How long the loop stands still for the next result."""

MOST_LANES: Final = 1_024
"""Of how many lanes the brevity is known."""

MOST_LOOKS: Final = 6
"""How often the loop looks at the network for more calls before it hands over those that it has, where each look
brings more than one: the fewer turns, the less is lost between them."""

LOOK_SECONDS: Final = 0.004
"""How often the loop looks whether a call that takes its time keeps results before it waiting."""


class _Call(NamedTuple):
    function: Callable[[], Any]
    done: Done


class _Lane(NamedTuple):
    """Calls to be made one at a time; ``name`` is None for one that nothing else may follow."""

    name: Hashable | None
    waiting: deque[_Call]


class ApiThreads:
    """Makes blocking calls for one event loop. For that loop's thread, but where a method says otherwise."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, limit: int) -> None:
        self._loop = loop
        self._pool = WorkerPool(limit=limit, name="procengine-http")
        self._stopped = False
        # Filled by the threads, emptied by the loop; both ends are atomic. A lane instead of a call's ``done`` says
        # that its thread has left it.
        self._results: deque[tuple[Done | _Lane, Any, Exception | None]] = deque()
        self._is_waking = False
        self._is_looking = False
        self._under_way = 0
        self._idle = asyncio.Event()
        # The lanes that a thread is in, or will be; the loop's alone, as are those that wait to be handed over.
        self._lanes: dict[Hashable, _Lane] = {}
        self._new: list[_Lane] = []
        # By lane; each lane's thread notes its own, the loop reads.
        self._brevity: dict[Hashable, int] = {}
        # Who takes what is in `_standing`, which is atomic, ends the loop's stand: a thread by releasing the lock.
        self._standing: deque[None] = deque(maxlen=1)
        self._stand = Lock()
        self._stand.acquire()
        # How many calls have come since the loop last looked at the network, and how often it has for what is new.
        self._came = 0
        self._looks = 0
        # Since when results gather, which the loop notes, and when the last one came, which the threads do.
        self._since = 0.0
        self._last = 0.0

    def submit(self, function: Callable[[], Any], done: Done, *, lane: Hashable | None = None) -> None:
        """Make a call on another thread; then call ``done`` on the loop with what it returned, or raised.

        Calls of one ``lane`` are made one at a time, in their order: what would wait for its turn inside waits
        here, without a thread.

        Raises: StoppedError after `stop`.
        """
        if self._stopped:
            raise StoppedError("the worker pool has stopped")
        call = _Call(function, done)
        entered = None if lane is None else self._lanes.get(lane)
        if entered is not None:
            entered.waiting.append(call)
        else:
            entered = _Lane(lane, deque((call,)))
            if lane is not None:
                self._lanes[lane] = entered
            self._begin(entered)
        self._under_way += 1
        self._came += 1
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
        self._stopped = True
        return self._pool.stop(timeout_seconds)

    def _begin(self, lane: _Lane) -> None:
        """Have a thread make a lane's calls, once the loop has taken all that the network has brought."""
        self._new.append(lane)
        if len(self._new) == 1:
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        came, self._came = self._came, 0
        if came > 1 and self._looks < MOST_LOOKS:
            self._looks += 1
            self._loop.call_soon(self._hand_over)
            return
        self._looks = 0
        lanes, self._new = self._new, []
        self._since = self._last = perf_counter()
        stands = all(self._brevity.get(lane.name, 0) >= BREVITY_TO_STAND for lane in lanes)
        if stands:
            self._standing.append(None)
        for lane in lanes:
            try:
                self._pool.submit(partial(self._drive, lane))
            except StoppedError as error:
                self._lanes.pop(lane.name, None)
                self._results.extend((call.done, None, error) for call in lane.waiting)
                self._wake()
        if stands:
            self._stand_still()
            self._settle()

    def _stand_still(self) -> None:
        """Keep the loop where it is until a thread wakes it, or a call takes its time."""
        while not self._stand.acquire(timeout=STAND_SECONDS):
            if perf_counter() - self._last >= STAND_SECONDS:
                if not self._end_stand():  # a thread did, and is about to release the lock
                    self._stand.acquire()
                return

    def _end_stand(self) -> bool:
        """End the loop's stand; tell whether it was the caller who did."""
        try:
            self._standing.pop()
        except IndexError:
            return False
        return True

    def _drive(self, lane: _Lane) -> None:
        """Make the calls of a lane until there are none. On a thread of the pool."""
        waiting, results, brevity = lane.waiting, self._results, self._brevity.get(lane.name, 0)
        ended = perf_counter()
        while True:
            began = ended
            call = waiting.popleft()
            try:
                results.append((call.done, call.function(), None))
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                results.append((call.done, None, _raisable(error)))
            del call
            self._last = ended = perf_counter()
            if ended - began < SHORT_SECONDS:
                brevity += brevity < MOST_BREVITY
                is_due = ended - self._since >= GATHER_SECONDS
            else:
                brevity = max(0, brevity + BREVITY_OF_LONG)
                is_due = brevity < BREVITY_TO_STAND or ended - self._since >= GATHER_SECONDS
            if not waiting:
                break
            if is_due:
                self._wake()
        if lane.name is not None:
            self._note(lane.name, brevity)
            results.append((lane, None, None))
        if is_due or not self._pool.line_length:
            self._wake()

    def _note(self, lane: Hashable, brevity: int) -> None:
        """Note how brief a lane's calls are. On its thread."""
        if len(self._brevity) >= MOST_LANES:
            self._brevity.clear()
        self._brevity[lane] = brevity

    def _wake(self) -> None:
        # One wake-up serves all results that come before the loop looks; the flag is lowered before it does.
        if self._standing and self._end_stand():
            self._stand.release()
        elif not self._is_waking:
            self._is_waking = True
            try:
                self._loop.call_soon_threadsafe(self._settle)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _settle(self) -> None:
        self._is_waking = False
        while self._results:
            done, result, error = self._results.popleft()
            if isinstance(done, _Lane):
                self._leave(done)
                continue
            self._under_way -= 1
            done(result, error)
        self._since = perf_counter()
        if not self._under_way:
            self._idle.set()

    def _leave(self, lane: _Lane) -> None:
        """Note that a lane's thread has left it; what came since needs one again."""
        if lane.waiting:
            self._begin(lane)
        else:
            del self._lanes[lane.name]

    def _look(self) -> None:
        """Take results that gathered while a call behind them takes its time."""
        self._is_looking = False
        if perf_counter() - self._last >= SHORT_SECONDS:
            self._settle()
        if self._under_way > 1:
            self._is_looking = True
            self._loop.call_later(LOOK_SECONDS, self._look)


def _raisable(error: BaseException) -> Exception:
    """Return what may reach the loop: no interruption, which was meant for the call, and not StopIteration."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return StoppedError(f"the request was interrupted: {error!r}")
