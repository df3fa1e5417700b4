"""What time it is, and who is called when."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from procengine.clock import SMALLEST_SWEEP, Clock, SystemClock, VirtualClock

TIMEOUT = 10.0


def test_a_virtual_clock_stands_still() -> None:
    """Only `advance` moves it, never backwards."""
    clock = VirtualClock(100)
    assert clock.now_ns() == 100
    clock.advance(0.5)
    clock.advance_to(50)
    assert clock.now_ns() == 500_000_100


def test_alarms_ring_in_order_each_at_its_own_instant() -> None:
    """By due time, ties by order of asking; while one rings the clock shows its instant."""
    clock = VirtualClock()
    rung: list[tuple[str, int]] = []
    for name, due_ns in (("c", 30), ("a", 10), ("b", 20), ("b2", 20), ("late", 99)):
        clock.call_at(due_ns, lambda name=name: rung.append((name, clock.now_ns())))  # type: ignore[misc]
    assert clock.next_due_ns == 10
    clock.advance_to(40)
    assert rung == [("a", 10), ("b", 20), ("b2", 20), ("c", 30)]
    assert (clock.now_ns(), clock.next_due_ns) == (40, 99)


def test_an_alarm_may_ask_for_another() -> None:
    """What a ringing alarm asks for rings too, if it falls due on the way."""
    clock = VirtualClock()
    rung: list[int] = []

    def again() -> None:
        rung.append(clock.now_ns())
        clock.call_at(clock.now_ns() + 10, again)

    clock.call_at(10, again)
    clock.advance_to(35)
    assert rung == [10, 20, 30]


def test_a_cancelled_alarm_is_silent_and_forgotten() -> None:
    """It does not ring, is not the next one due, and lets go of what it would have called."""
    clock = VirtualClock()

    class Target:
        def call(self) -> None:
            raise AssertionError("rang")

    target = Target()
    gone = weakref.ref(target)
    alarm = clock.call_at(10, target.call)
    alarm.cancel()
    del target
    gc.collect()
    assert (gone(), clock.next_due_ns) == (None, None)
    clock.advance_to(20)


def test_cancelled_alarms_do_not_pile_up() -> None:
    """However many alarms are asked for and cancelled, the clock keeps a bounded number."""
    clock = VirtualClock()
    for _ in range(20 * SMALLEST_SWEEP):
        clock.call_at(10**18, lambda: None).cancel()
    rung: list[int] = []
    clock.call_at(10**18, lambda: rung.append(1))
    assert len(clock._heap._entries) <= SMALLEST_SWEEP
    clock.advance_to(10**18)
    assert rung == [1]


@pytest.mark.parametrize("make", [VirtualClock, SystemClock])
def test_an_alarm_that_raises_does_not_stop_the_others(
    make: type[VirtualClock] | type[SystemClock], caplog: pytest.LogCaptureFixture
) -> None:
    """The error is logged, and the next alarm rings."""
    clock: Clock = make()
    rung = threading.Event()

    def broken() -> None:
        raise RuntimeError("broken alarm")

    now_ns = clock.now_ns()
    clock.call_at(now_ns, broken)
    clock.call_at(now_ns, rung.set)
    if isinstance(clock, VirtualClock):
        clock.advance(0)
    assert rung.wait(TIMEOUT)
    clock.close()
    assert "broken alarm" in caplog.text


def test_the_system_clock_calls_when_the_instant_has_come() -> None:
    """Never early, on its own thread, and an earlier alarm overtakes a later one."""
    clock = SystemClock()
    rung: list[tuple[str, int, str]] = []
    done = threading.Event()
    start_ns = clock.now_ns()

    def ring(name: str) -> None:
        rung.append((name, time.time_ns(), threading.current_thread().name))
        if name == "later":
            done.set()

    clock.call_at(start_ns + 40_000_000, lambda: ring("later"))
    clock.call_at(start_ns + 20_000_000, lambda: ring("sooner"))
    assert done.wait(TIMEOUT)
    clock.close()
    assert [(name, thread) for name, _, thread in rung] == [
        ("sooner", "procengine-clock"),
        ("later", "procengine-clock"),
    ]
    assert rung[0][1] >= start_ns + 20_000_000
    assert rung[1][1] >= start_ns + 40_000_000


def test_a_past_instant_rings_at_once() -> None:
    """What is overdue is called without waiting."""
    clock = SystemClock()
    rung = threading.Event()
    clock.call_at(0, rung.set)
    assert rung.wait(TIMEOUT)
    clock.close()


def test_closing_leaves_no_thread() -> None:
    """After `close` the clock's thread is gone, owed calls are dropped, and later ones too."""
    clock = SystemClock()
    rung: list[int] = []
    clock.call_at(clock.now_ns() + 10**15, lambda: rung.append(1))
    clock.close()
    clock.close()
    clock.call_at(0, lambda: rung.append(2))
    assert [thread for thread in threading.enumerate() if thread.name == "procengine-clock"] == []
    assert rung == []


def test_a_clock_can_be_closed_by_an_alarm() -> None:
    """Closing on the clock's own thread does not wait for itself."""
    clock = SystemClock()
    closed = threading.Event()

    def close() -> None:
        clock.close()
        closed.set()

    clock.call_at(0, close)
    assert closed.wait(TIMEOUT)
    clock.close()
