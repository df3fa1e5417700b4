"""One event at a time, without a thread of its own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from procengine.errors import StoppedError
from procengine.processing.progress import Progress
from procengine.processing.strand import Strand
from procengine.processing.worker_pool import WorkerPool
from tests.processing.doubles import TIMEOUT


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    """A worker pool, stopped afterwards."""
    pool = WorkerPool()
    yield pool
    assert pool.stop(TIMEOUT) == ()


def in_thread(call: Callable[[], object]) -> threading.Thread:
    """Start a thread."""
    thread = threading.Thread(target=call)
    thread.start()
    return thread


def wait_for_callers(strand: Strand, count: int) -> None:
    """Wait until so many callers stand in line."""
    pause = threading.Event()
    for _ in range(1000):
        if strand.waiting_callers == count:
            return
        pause.wait(0.005)
    raise AssertionError(f"{strand.waiting_callers} callers, expected {count}")


def test_steps_never_overlap_and_none_is_lost(pool: WorkerPool) -> None:
    """However often the strand is woken, from several threads, one step runs at a time and all work is done."""
    progress = Progress()
    work = list(range(500))
    inside = 0
    overlaps = []

    def step() -> bool:
        nonlocal inside
        inside += 1
        overlaps.append(inside)
        if work:
            work.pop()
        inside -= 1
        return bool(work)

    strand = Strand(pool, progress, step)
    threads = [in_thread(lambda: [strand.wake() for _ in range(100)]) for _ in range(4)]
    for thread in threads:
        thread.join(TIMEOUT)
    assert progress.wait_until(lambda: progress.idle, TIMEOUT)
    assert (work, max(overlaps)) == ([], 1)


def test_callers_get_the_turn_in_the_order_of_asking(pool: WorkerPool) -> None:
    """Callers stand in line, first come first served."""
    strand = Strand(pool, Progress(), lambda: False)
    order: list[int] = []

    def call(number: int) -> None:
        with strand.turn():
            order.append(number)

    threads = []
    with strand.turn():
        for number in range(5):
            threads.append(in_thread(lambda number=number: call(number)))  # type: ignore[misc]
            wait_for_callers(strand, number + 1)
    for thread in threads:
        thread.join(TIMEOUT)
    assert order == [0, 1, 2, 3, 4]


def test_a_worker_lets_a_caller_in_between_two_steps(pool: WorkerPool) -> None:
    """A backlog does not shut callers out: they get the turn after the step that is going on."""
    progress = Progress()
    first_inside, go = threading.Event(), threading.Event()
    order: list[str] = []
    left = 3

    def step() -> bool:
        nonlocal left
        if not first_inside.is_set():
            first_inside.set()
            go.wait(TIMEOUT)
        order.append("step")
        left -= 1
        return left > 0

    strand = Strand(pool, progress, step)
    strand.wake()
    assert first_inside.wait(TIMEOUT)

    def call() -> None:
        with strand.turn():
            order.append("caller")

    caller = in_thread(call)
    wait_for_callers(strand, 1)
    go.set()
    caller.join(TIMEOUT)
    assert progress.wait_until(lambda: progress.idle, TIMEOUT)
    assert order == ["step", "caller", "step", "step"]


def test_a_turn_is_taken_without_waiting_where_nobody_has_it(pool: WorkerPool) -> None:
    """`try_turn` takes the turn only if nobody has it or is given it, and the strand is open; others wait for it."""
    progress = Progress()
    strand = Strand(pool, progress, lambda: False)
    assert strand.try_turn()
    assert not progress.idle
    order: list[str] = []

    def call() -> None:
        with strand.turn():
            order.append("caller")
            assert not strand.try_turn()

    caller = in_thread(call)
    wait_for_callers(strand, 1)
    assert not strand.try_turn()
    order.append("holder")
    strand.pass_on()
    caller.join(TIMEOUT)
    assert order == ["holder", "caller"]
    assert progress.wait_until(lambda: progress.idle, TIMEOUT)
    strand.close()
    assert not strand.try_turn()
    assert progress.idle


def test_closing_refuses_those_who_wait(pool: WorkerPool) -> None:
    """After `close` callers in line, and later ones, get StoppedError, and waking does nothing."""
    steps: list[int] = []

    def step() -> bool:
        steps.append(1)
        return False

    strand = Strand(pool, Progress(), step)
    errors: list[str] = []

    def call() -> None:
        try:
            with strand.turn():
                pass
        except StoppedError as error:
            errors.append(str(error))

    with strand.turn():
        thread = in_thread(call)
        wait_for_callers(strand, 1)
        strand.close()
        thread.join(TIMEOUT)
    call()
    strand.wake()
    assert errors == ["the trigger was stopped before its turn came"] * 2
    assert steps == []


def test_waiting_for_the_turn_can_be_interrupted(pool: WorkerPool) -> None:
    """KeyboardInterrupt ends the wait on the main thread, and the line goes on without it."""
    strand = Strand(pool, Progress(), lambda: False)
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        with strand.turn():
            holding.set()
            release.wait(TIMEOUT)

    def interrupt() -> None:
        wait_for_callers(strand, 1)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    holder = in_thread(hold)
    assert holding.wait(TIMEOUT)
    interrupter = in_thread(interrupt)
    with pytest.raises(KeyboardInterrupt), strand.turn():
        pass
    assert strand.waiting_callers == 0
    release.set()
    holder.join(TIMEOUT)
    interrupter.join(TIMEOUT)
    with strand.turn():
        pass
