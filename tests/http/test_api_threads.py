"""Blocking calls for an event loop: results come back, in lanes in order, and none waits for long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from procengine.errors import StoppedError
from procengine.http import api_threads
from procengine.http.api_threads import ApiThreads


@contextmanager
def threads_of(loop: asyncio.AbstractEventLoop) -> Iterator[ApiThreads]:
    threads = ApiThreads(loop, limit=8)
    yield threads
    assert threads.stop(10) == ()


def run(test: Callable[[ApiThreads], object]) -> None:
    """Run a test on a loop of its own."""

    async def with_threads() -> None:
        with threads_of(asyncio.get_running_loop()) as threads:
            await asyncio.wait_for(test(threads), 30)  # type: ignore[arg-type]

    asyncio.run(with_threads())


def test_api_threads_return_and_raise() -> None:
    """A call's value or error comes back to the loop; an interruption does not reach it as such."""

    async def test(threads: ApiThreads) -> None:
        assert await threads.call(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await threads.call(lambda: 1 // 0)
        for interruption in (KeyboardInterrupt, StopIteration):

            def interrupt(error: type[BaseException] = interruption) -> None:
                raise error

            with pytest.raises(StoppedError, match="interrupted"):
                await threads.call(interrupt)

    run(test)


def test_api_threads_lanes_keep_their_order() -> None:
    """Calls of one lane are made one at a time in their order; those of others overtake them."""

    async def test(threads: ApiThreads) -> None:
        gate = threading.Event()
        made: list[int] = []
        first = threads.call(gate.wait, lane="a")
        rest = [
            threads.call(lambda number=number: made.append(number), lane="a") for number in range(50)
        ]
        assert await threads.call(lambda: "b", lane="b") == "b"
        assert await threads.call(lambda: "none") == "none"
        assert made == []
        gate.set()
        await asyncio.gather(first, *rest)
        assert made == list(range(50))

    run(test)


def test_api_threads_a_result_does_not_wait_for_a_long_call_behind_it() -> None:
    """Results that gather behind a call that takes its time are taken all the same."""

    async def test(threads: ApiThreads) -> None:
        gate = threading.Event()
        quick = [threads.call(lambda: 1, lane="a") for _ in range(14)]
        slow = threads.call(gate.wait, lane="a")
        assert await asyncio.gather(*quick) == [1] * len(quick)
        assert not slow.done()
        gate.set()
        await slow

    run(test)


def test_api_threads_short_calls_in_line_wake_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one look at the network brought is handed over together, and its results come back together."""
    for seconds in ("SHORT_SECONDS", "GATHER_SECONDS", "LOOK_SECONDS"):
        monkeypatch.setattr(api_threads, seconds, 60.0)

    async def test(threads: ApiThreads) -> None:
        loop = asyncio.get_running_loop()
        wakes: list[object] = []
        wake = loop.call_soon_threadsafe

        def counted(callback: Callable[[], object], *args: object) -> asyncio.Handle:
            wakes.append(callback)
            return wake(callback, *args)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        calls = [threads.call(lambda number=number: number, lane="a") for number in range(100)]
        assert await asyncio.gather(*calls) == list(range(100))
        assert len(wakes) == 1

    run(test)


async def make_brief(threads: ApiThreads, lane: str) -> None:
    """Make short calls in a lane until the loop stands still for its next ones."""
    for _ in range(api_threads.BREVITY_TO_STAND):
        await threads.call(lambda: None, lane=lane)


def test_api_threads_the_loop_stands_still_for_short_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a lane's calls have been short, its results are there when the loop has handed the next ones over."""
    for seconds in ("SHORT_SECONDS", "GATHER_SECONDS", "LOOK_SECONDS", "STILL_SECONDS"):
        monkeypatch.setattr(api_threads, seconds, 60.0)

    async def test(threads: ApiThreads) -> None:
        await make_brief(threads, "a")
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(
            loop, "call_soon_threadsafe", lambda *_: pytest.fail("a thread woke the loop")
        )
        for _ in range(20):
            calls = [threads.call(lambda number=number: number, lane="a") for number in range(64)]
            for _ in range(2):  # the loop looks at the network once more, and hands over
                await asyncio.sleep(0)
            assert [call.result() for call in calls] == list(range(64))
        monkeypatch.undo()

    run(test)


def test_api_threads_the_loop_looks_again_where_much_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that keep coming together are handed over together, but for those that come for too long."""
    monkeypatch.setattr(api_threads, "MOST_LOOKS", 3)

    async def test(threads: ApiThreads) -> None:
        handed: list[int] = []
        submit = threads._pool.submit

        def counted(task: Callable[[], None]) -> None:
            handed.append(len(calls))
            submit(task)

        monkeypatch.setattr(threads._pool, "submit", counted)
        calls: list[asyncio.Future[int]] = []
        for looks in range(3):
            calls += [threads.call(lambda: 1, lane=f"few {looks}") for _ in range(2)]
            await asyncio.sleep(0)
            assert handed == []
        await asyncio.gather(*calls)
        assert handed == [6, 6, 6]
        handed.clear()
        calls = []
        while not handed:
            calls += [threads.call(lambda: 1, lane="many") for _ in range(2)]
            await asyncio.sleep(0)
        assert handed == [8]
        assert await asyncio.gather(*calls) == [1] * len(calls)
        handed.clear()
        alone = threads.call(lambda: 1)
        await asyncio.sleep(0)
        assert len(handed) == 1, "one that comes alone was held back"
        await alone

    run(test)


def test_api_threads_a_long_call_holds_the_loop_up_for_a_moment_only() -> None:
    """The loop goes on though a call of a lane whose calls were short takes its time."""

    async def test(threads: ApiThreads) -> None:
        await make_brief(threads, "a")
        for _ in range(3):
            gate = threading.Event()
            before, slow, behind = (
                threads.call(call, lane="a") for call in (lambda: 1, gate.wait, lambda: 2)
            )
            assert await threads.call(lambda: "b", lane="b") == "b"
            assert await before == 1
            assert not slow.done()
            gate.set()
            assert await slow
            assert await behind == 2

    run(test)


def test_api_threads_a_lane_in_which_a_call_waited_is_not_stood_still_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One call that waits ends the stand, and the loop does not stand still for the lane's next ones."""

    async def test(threads: ApiThreads) -> None:
        await make_brief(threads, "a")
        gate = threading.Event()
        slow = threads.call(gate.wait, lane="a")
        await threads.call(lambda: None, lane="b")  # so the loop has gone on
        gate.set()
        await slow
        monkeypatch.setattr(api_threads, "STILL_SECONDS", 600.0)  # for ever, if it stood
        for _ in range(api_threads.BREVITY_TO_STAND):
            gate.clear()
            slow = threads.call(gate.wait, lane="a")
            assert await threads.call(lambda: "b", lane="b") == "b"
            gate.set()
            await slow

    run(test)


def test_api_threads_a_lane_of_long_calls_is_not_stood_still_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Long calls outweigh as many short ones before them."""

    async def test(threads: ApiThreads) -> None:
        await make_brief(threads, "a")
        monkeypatch.setattr(api_threads, "SHORT_SECONDS", 0.0)
        await threads.call(lambda: None, lane="a")
        monkeypatch.setattr(api_threads, "STILL_SECONDS", 600.0)  # for ever, if it stood
        gate = threading.Event()
        slow = threads.call(gate.wait, lane="a")
        assert await threads.call(lambda: "b", lane="b") == "b"
        gate.set()
        await slow

    run(test)


def test_api_threads_no_result_is_lost_as_a_stand_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that wake the loop just as it stops standing still wake it all the same."""
    monkeypatch.setattr(api_threads, "STILL_SECONDS", 0.0)
    monkeypatch.setattr(api_threads, "STAND_SECONDS", 0.0)
    monkeypatch.setattr(api_threads, "BREVITY_OF_WAITING", api_threads.BREVITY_TO_STAND)
    monkeypatch.setattr(api_threads, "LOOK_SECONDS", 60.0)

    async def test(threads: ApiThreads) -> None:
        for lane in ("a", "b"):
            await make_brief(threads, lane)
        for _ in range(300):
            calls = [threads.call(lambda: 1, lane=lane) for lane in "abbab"]
            assert await asyncio.gather(*calls) == [1] * len(calls)

    run(test)


def test_api_threads_what_comes_as_a_lane_is_left_is_called_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that enters a lane after its thread has left it, before the loop knows, is made as well."""

    async def test(threads: ApiThreads) -> None:
        loop = asyncio.get_running_loop()
        left = threading.Event()
        wake = loop.call_soon_threadsafe

        def told(callback: Callable[[], object], *args: object) -> asyncio.Handle:
            handle = wake(callback, *args)
            left.set()
            return handle

        monkeypatch.setattr(loop, "call_soon_threadsafe", told)
        first = threads.call(lambda: 1, lane="a")
        await asyncio.sleep(0)  # it is handed over
        assert left.wait(30)
        second = threads.call(lambda: 2, lane="a")
        assert await asyncio.gather(first, second) == [1, 2]

    run(test)


def test_api_threads_wait_until_idle() -> None:
    """One can wait until no call is under way; a cancelled future does not end its call."""

    async def test(threads: ApiThreads) -> None:
        await threads.wait_idle()
        gate = threading.Event()
        ended: list[bool] = []
        threads.call(lambda: ended.append(gate.wait())).cancel()
        gate.set()
        await threads.wait_idle()
        assert ended == [True]

    run(test)


def test_api_threads_stopped() -> None:
    """After stop no call is taken, in a lane or not."""

    async def test() -> None:
        threads = ApiThreads(asyncio.get_running_loop(), limit=2)
        threads.stop(1)
        for lane in (None, "a", "a"):
            with pytest.raises(StoppedError):
                threads.call(lambda: 1, lane=lane)

    asyncio.run(test())


def test_api_threads_stopped_before_the_calls_were_handed_over() -> None:
    """Calls that were taken but not begun when the threads stop end with StoppedError."""

    async def test() -> None:
        threads = ApiThreads(asyncio.get_running_loop(), limit=2)
        calls = [threads.call(lambda: 1, lane=lane) for lane in (None, "a", "a")]
        threads.stop(1)
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in ended] == [StoppedError] * 3
        await threads.wait_idle()

    asyncio.run(test())
