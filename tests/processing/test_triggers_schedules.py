"""Schedule triggers (section 3)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from procengine.clock import SystemClock, VirtualClock
from procengine.model.duration import HOUR, SECOND
from procengine.model.trigger import Trigger
from procengine.processing.cancellation import CancelToken
from procengine.processing.event import Event, ScheduleEvent
from procengine.processing.trigger_statistics import TriggerState
from tests.processing.doubles import TIMEOUT, Bench


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands still."""
    return VirtualClock(HOUR)


@pytest.fixture
def bench(clock: VirtualClock) -> Iterator[Bench]:
    """Triggers that run."""
    with Bench(clock=clock) as bench:
        yield bench


class Ticks:
    """A plugin that keeps the scheduled times, in seconds; it waits inside while `gate` is closed."""

    def __init__(self) -> None:
        self.seconds: list[int] = []
        self.inside = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        assert isinstance(event, ScheduleEvent)
        self.seconds.append(event.instant_ns // SECOND)
        self.inside.release()
        self.gate.wait(TIMEOUT)


def test_missed_ticks_are_made_up_one_by_one(bench: Bench, clock: VirtualClock) -> None:
    """A synchronous trigger never overlaps; ticks it missed run back to back, in order, with their own times."""
    ticks = Ticks()
    ticks.gate.clear()
    bench.triggers.create("db", "t", bench.plugin(ticks, "p"), "every:1s")
    clock.advance(4)
    assert ticks.inside.acquire(timeout=TIMEOUT)
    statistics = bench.triggers.statistics("db", "t")
    assert (statistics.queue_depth, statistics.in_flight) == (3, 1)
    assert statistics.next_fire_ns == HOUR + 5 * SECOND
    assert ticks.seconds == [3601]
    ticks.gate.set()
    bench.wait_idle()
    assert ticks.seconds == [3601, 3602, 3603, 3604]


def test_an_asynchronous_trigger_starts_each_tick_on_time(bench: Bench, clock: VirtualClock) -> None:
    """Ticks overlap: the second starts while the first is still going on."""
    ticks = Ticks()
    ticks.gate.clear()
    bench.triggers.create("db", "t", bench.plugin(ticks, "p"), "every:1s", run_async=True)
    for _ in range(3):
        clock.advance(1)
        assert ticks.inside.acquire(timeout=TIMEOUT)
    assert bench.triggers.statistics("db", "t").in_flight == 3
    ticks.gate.set()
    bench.wait_idle()
    assert sorted(ticks.seconds) == [3601, 3602, 3603]


def test_downtime_is_not_made_up(bench: Bench, clock: VirtualClock) -> None:
    """What would have ticked while the trigger was disabled, or the engine stopped, is left out."""
    ticks = Ticks()
    bench.triggers.create("db", "t", bench.plugin(ticks, "p"), "every:10s")
    bench.triggers.disable("db", "t")
    clock.advance(60)
    bench.triggers.enable("db", "t")
    clock.advance(10)
    bench.wait_idle()
    bench.triggers.stop()
    clock.advance(60)
    bench.triggers = bench.new_triggers()
    bench.triggers.start()
    clock.advance(10)
    bench.wait_idle()
    assert ticks.seconds == [3670, 3740]


def test_a_cron_that_never_fires_again_says_so(bench: Bench, clock: VirtualClock) -> None:
    """Its last tick runs; then it shows state ENDED with the reason, and a row of the log."""
    ticks = Ticks()
    bench.triggers.create("db", "t", bench.plugin(ticks, "p"), "cron:0 0 2 1 1 * 1970")
    clock.advance(7200)
    bench.wait_idle()
    statistics = bench.triggers.statistics("db", "t")
    reason = "cron:0 0 2 1 1 * 1970 matches no time to come"
    assert (ticks.seconds, statistics.state, statistics.reason) == ([7200], TriggerState.ENDED, reason)
    assert (statistics.next_fire_ns, bench.logged("t")) == (None, [f"trigger ended: {reason}"])
    assert not bench.triggers.get("db", "t").disabled


def test_a_deleted_trigger_does_not_tick(bench: Bench, clock: VirtualClock) -> None:
    """After delete, or deletion of the database, the clock owes it nothing."""
    ticks = Ticks()
    bench.triggers.create("db", "t", bench.plugin(ticks, "p"), "every:1s")
    bench.triggers.create("db", "u", bench.plugin(ticks, "p"), "every:1s")
    bench.triggers.delete("db", "t", force=True)
    bench.catalog.delete_database("db")
    clock.advance(5)
    bench.wait_idle()
    assert (ticks.seconds, clock.next_due_ns) == ([], None)


def test_a_thousand_schedules_tick_on_the_real_clock() -> None:
    """On the system clock each of 1,000 triggers is called with its own times, none early, none twice."""
    with Bench(clock=SystemClock()) as bench:
        runs: dict[str, list[int]] = {}
        early: list[int] = []
        enough = threading.Event()

        def tick(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
            assert isinstance(event, ScheduleEvent)
            if bench.clock.now_ns() < event.instant_ns:
                early.append(event.instant_ns)
            runs.setdefault(trigger.name, []).append(event.instant_ns // (SECOND // 10))
            if len(runs) == 1000 and all(len(times) >= 2 for times in tuple(runs.values())):
                enough.set()

        plugin = bench.plugin(tick)
        for number in range(1000):
            bench.triggers.create("db", f"t{number}", plugin, "every:100ms")
        assert enough.wait(30)
        bench.triggers.stop()
        assert early == []
        for times in runs.values():
            assert times == list(range(times[0], times[0] + len(times)))
