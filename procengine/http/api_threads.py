"""Which threads do the waiting for the server's loop?

Writing waits for a flush, a query for its rows, a request trigger for its plugin. The loop hands such calls to a
pool of threads and is told of their results. The pool has as many threads as there may be connections, so a plugin
that calls its own server never waits for a thread that waits for the plugin.

Threads and loop share one interpreter, and each of the loop's reads and writes lets it go: two that are awake take
it from each other at every answer, for more than an empty plugin costs. So they work by turns where there is much to
do: what the network brought is handed over at once, and the answers to it come back together. Where a lane's calls
are mostly short the loop even stands still until then, which spares a request a quarter of its cost. A call that
waits for something all the same holds the loop up for a millisecond or two, and the lane's next hundred calls are not
stood still for.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Final, TypeVar

from procengine.errors import StoppedError
from procengine.processing.worker_pool import WorkerPool, is_thread_runnable

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
BREVITY_OF_WAITING: Final = -128
"""A lane's brevity rises by one with each short call, to so much at most, and falls with each other; from the first
figure on the loop stands still for the lane's next calls. One in nine may be long: a wall clock cannot tell a call
that computes from one whose thread had to wait for a processor. Where a call waits for something else, the lane's
brevity becomes the last figure."""

STILL_SECONDS: Final = 0.001
"""How long a loop that stands still waits for a result before it looks what its thread does."""

STAND_SECONDS: Final = 0.01
"""How long the loop stands still for the next result of a thread that computes."""

MOST_LANES: Final = 1_024
"""Of how many lanes the brevity is known."""

MOST_LOOKS: Final = 6
"""How often the loop looks at the network for more calls before it hands over those that it has, where each look
brings more than one: the fewer turns, the less is lost between them."""

LOOK_SECONDS: Final = 0.004
"""How often the loop looks whether a call that takes its time keeps results before it waiting."""


_Call = tuple[Callable[[], Any], Done]
"""What is to be called, and what takes its result."""


class _Lane:
    """Calls to be made one at a time; ``name`` is None for one that nothing else may follow.

    ``thread`` is the one that makes them, once it does; ``brevity`` tells how short they are.
    """

    __slots__ = ("brevity", "name", "thread", "waiting")

    def __init__(self, name: Hashable | None, first: _Call, brevity: int) -> None:
        self.name = name
        self.waiting = deque((first,))
        self.brevity = brevity
        self.thread: threading.Thread | None = None


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
        # Of lanes that nobody is in.
        self._brevity: dict[Hashable, int] = {}
        # Who takes what is in `_standing`, which is atomic, ends the loop's stand: a thread by releasing the lock.
        self._standing: deque[None] = deque(maxlen=1)
        self._stand = threading.Lock()
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
        call = (function, done)
        entered = None if lane is None else self._lanes.get(lane)
        if entered is not None:
            entered.waiting.append(call)
        else:
            entered = _Lane(lane, call, self._brevity.get(lane, 0))
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
        stands = all(lane.brevity >= BREVITY_TO_STAND for lane in lanes)
        if stands:
            self._standing.append(None)
        for lane in lanes:
            try:
                self._pool.submit(partial(self._drive, lane))
            except StoppedError as error:
                self._lanes.pop(lane.name, None)
                self._results.extend((done, None, error) for _, done in lane.waiting)
                self._wake()
        if stands:
            self._stand_still(lanes)
            self._settle()

    def _stand_still(self, lanes: Sequence[_Lane]) -> None:
        """Keep the loop where it is until a thread wakes it, or a call takes its time."""
        while not self._stand.acquire(timeout=STILL_SECONDS):
            still = perf_counter() - self._last
            if still < STILL_SECONDS or (still < STAND_SECONDS and any(map(_computes, lanes))):
                continue
            for lane in lanes:
                lane.brevity = BREVITY_OF_WAITING
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
        waiting, results = lane.waiting, self._results
        lane.thread = threading.current_thread()
        ended = perf_counter()
        while True:
            began = ended
            function, done = waiting.popleft()
            try:
                results.append((done, function(), None))
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                results.append((done, None, _raisable(error)))
            del function, done  # what they refer to must not live until the next ones
            self._last = ended = perf_counter()
            is_due = ended - self._since >= GATHER_SECONDS
            if ended - began < SHORT_SECONDS:
                lane.brevity += lane.brevity < MOST_BREVITY
            else:
                lane.brevity += BREVITY_OF_LONG
                is_due = is_due or lane.brevity < BREVITY_TO_STAND
            if not waiting:
                break
            if is_due:
                self._wake()
        if lane.name is not None:
            results.append((lane, None, None))
        if is_due or not self._pool.line_length:
            self._wake()

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
            return
        del self._lanes[lane.name]
        if len(self._brevity) >= MOST_LANES:
            self._brevity.clear()
        self._brevity[lane.name] = max(lane.brevity, BREVITY_OF_WAITING)

    def _look(self) -> None:
        """Take results that gathered while a call behind them takes its time."""
        self._is_looking = False
        if perf_counter() - self._last >= SHORT_SECONDS:
            self._settle()
        if self._under_way > 1:
            self._is_looking = True
            self._loop.call_later(LOOK_SECONDS, self._look)


def _computes(lane: _Lane) -> bool:
    """Tell whether the thread in a lane computes, or has yet to come to it, rather than wait for something."""
    return lane.thread is None or is_thread_runnable(lane.thread)


def _raisable(error: BaseException) -> Exception:
    """Return what may reach the loop: no interruption, which was meant for the call, and not StopIteration."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return StoppedError(f"the request was interrupted: {error!r}")
