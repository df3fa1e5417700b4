"""The threads that run plugins."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path

import pytest

from procengine.errors import StoppedError
from procengine.processing.worker_pool import RESIDENT_WORKERS, Task, WorkerPool, is_thread_runnable
from tests.processing.doubles import TIMEOUT


def workers() -> list[threading.Thread]:
    """Return the live threads of pools."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("procengine-worker")]


def test_a_task_runs_on_a_named_daemon_thread() -> None:
    """Workers are named ``procengine-worker-N`` and do not keep the process alive."""
    pool = WorkerPool()
    seen: list[tuple[str, bool]] = []
    done = threading.Event()

    def task() -> None:
        seen.append((threading.current_thread().name, threading.current_thread().daemon))
        done.set()

    pool.submit(task)
    assert done.wait(TIMEOUT)
    pool.stop(TIMEOUT)
    assert seen == [("procengine-worker-1", True)]


def test_one_worker_is_enough_for_one_task_after_the_other() -> None:
    """A task goes to an idle worker; no thread is made for it."""
    pool = WorkerPool()
    for _ in range(50):
        done = threading.Event()
        pool.submit(done.set)
        assert done.wait(TIMEOUT)
    count = pool.worker_count
    pool.stop(TIMEOUT)
    assert count <= RESIDENT_WORKERS  # a task may come in the moment before the worker is idle again


def test_tasks_that_wait_do_not_hold_up_others() -> None:
    """While tasks wait inside, more workers come, beyond the resident ones, up to the limit."""
    pool = WorkerPool(limit=40)
    together = threading.Barrier(40)
    passed = threading.Semaphore(0)

    def task() -> None:
        together.wait(TIMEOUT)
        passed.release()

    for _ in range(40):
        pool.submit(task)
    assert all(passed.acquire(timeout=TIMEOUT) for _ in range(40))
    assert pool.worker_count == 40
    pool.stop(TIMEOUT)


def test_the_limit_bounds_the_workers() -> None:
    """Past the limit the line waits, and goes on in order when a worker is free."""
    pool = WorkerPool(limit=2)
    go = threading.Event()
    order: list[int] = []
    both_inside = threading.Barrier(3)

    def first() -> None:
        both_inside.wait(TIMEOUT)
        go.wait(TIMEOUT)

    pool.submit(first)
    pool.submit(first)
    both_inside.wait(TIMEOUT)
    done = threading.Event()
    for number in range(5):
        pool.submit(lambda number=number: order.append(number))  # type: ignore[misc]
    assert (pool.worker_count, pool.line_length) == (2, 5)
    go.set()
    pool.submit(done.set)
    assert done.wait(TIMEOUT)
    pool.stop(TIMEOUT)
    assert sorted(order) == [0, 1, 2, 3, 4]


def test_workers_beyond_the_residents_leave_when_idle() -> None:
    """A burst's threads go after the idle time; the resident ones stay."""
    pool = WorkerPool(idle_seconds=0.01)
    together = threading.Barrier(10)
    for _ in range(10):
        pool.submit(lambda: together.wait(TIMEOUT) and None)
    leaving = threading.Event()

    def left() -> bool:
        return pool.worker_count == RESIDENT_WORKERS

    for _ in range(1000):
        if left() or leaving.wait(0.01):
            break
    assert pool.worker_count == RESIDENT_WORKERS
    done = threading.Event()
    pool.submit(done.set)
    assert done.wait(TIMEOUT)
    pool.stop(TIMEOUT)


def test_a_task_that_raises_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """What a task raises goes to the log; its worker takes the next task."""
    pool = WorkerPool(limit=1)
    done = threading.Event()

    def broken() -> None:
        raise RuntimeError("broken task")

    pool.submit(broken)
    pool.submit(done.set)
    assert done.wait(TIMEOUT)
    pool.stop(TIMEOUT)
    assert "broken task" in caplog.text


def test_stop_leaves_no_thread() -> None:
    """After `stop` every thread of the pool has ended, and new tasks are refused."""
    before = workers()
    pool = WorkerPool()
    go = threading.Event()
    for _ in range(RESIDENT_WORKERS + 3):
        pool.submit(lambda: go.wait(TIMEOUT) and None)
    go.set()
    assert pool.stop(TIMEOUT) == ()
    assert workers() == before
    with pytest.raises(StoppedError):
        pool.submit(lambda: None)


def test_stop_names_the_threads_that_do_not_end() -> None:
    """A task that goes on past the time limit is named by its thread."""
    pool = WorkerPool()
    inside, go = threading.Event(), threading.Event()

    def stubborn() -> None:
        inside.set()
        go.wait(TIMEOUT)

    pool.submit(stubborn)
    assert inside.wait(TIMEOUT)
    assert pool.stop(0.01) == ("procengine-worker-1",)
    go.set()
    assert pool.stop(TIMEOUT) == ()


def test_a_line_that_the_machine_holds_up_brings_few_workers() -> None:
    """While a worker that draws could go on if the system let it, eight looks add workers once at most."""
    looks, go = threading.Semaphore(0), threading.Event()
    counts: list[int] = []

    def is_runnable(_thread: threading.Thread) -> bool:
        counts.append(pool.worker_count)
        looks.release()
        return True

    def stay() -> None:
        go.wait(TIMEOUT)

    pool = WorkerPool(is_runnable=is_runnable)
    for _ in range(100):
        pool.submit(stay)
    for _ in range(8):
        assert looks.acquire(timeout=TIMEOUT)
    go.set()
    pool.stop(TIMEOUT)
    assert len(set(counts[:8])) <= 2


def test_a_line_behind_tasks_that_compute_goes_on_after_a_while() -> None:
    """The patience ends: what waits behind a task that computes without end is run beside it."""
    pool, go, done = (
        WorkerPool(limit=6, is_runnable=lambda _: True),
        threading.Event(),
        threading.Event(),
    )
    for _ in range(RESIDENT_WORKERS + 1):
        pool.submit(lambda: go.wait(TIMEOUT) and None)
    pool.submit(done.set)
    assert done.wait(TIMEOUT)
    go.set()
    pool.stop(TIMEOUT)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not say")
def test_a_thread_is_runnable_while_it_computes() -> None:
    """A thread that goes round in a loop is runnable, one that waits for a lock is not."""
    stop, going = threading.Event(), threading.Event()

    def loop() -> None:
        going.set()
        while not stop.is_set():
            pass

    computes = threading.Thread(target=loop)
    waits = threading.Thread(target=stop.wait, args=(TIMEOUT,))
    computes.start()
    waits.start()
    assert going.wait(TIMEOUT)
    assert any(is_thread_runnable(computes) for _ in range(100_000))
    assert not all(is_thread_runnable(waits) for _ in range(100_000))
    stop.set()
    computes.join(TIMEOUT)
    waits.join(TIMEOUT)


class TakenLine(deque[Task]):
    """A line whose tasks another worker takes each time between a look at it and the first's taking."""

    def __len__(self) -> int:
        return 1


def test_a_task_that_another_worker_takes_is_missed_without_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The line may be empty for who has just seen a task in it: workers and their supervisor go on."""
    pool = WorkerPool()
    ran = threading.Semaphore(0)
    try:
        pool.submit(ran.release)
        assert ran.acquire(timeout=TIMEOUT)
        with monkeypatch.context() as patch:
            patch.setattr(pool, "_line", TakenLine())
            pool._watch_line()
            looks = threading.Semaphore(0)
            draw_more = pool._draw_more

            def watched(more: int) -> None:
                draw_more(more)
                looks.release()

            patch.setattr(pool, "_draw_more", watched)
            for _ in range(3):
                assert looks.acquire(timeout=TIMEOUT), "the supervisor has ended"
        for _ in range(100):
            pool.submit(ran.release)
        for _ in range(100):
            assert ran.acquire(timeout=TIMEOUT)
        assert pool.worker_count <= RESIDENT_WORKERS
    finally:
        assert pool.stop(TIMEOUT) == ()
