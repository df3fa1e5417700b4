"""Error behaviors (section 1; what differs: section 4 of the design)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from procengine.clock import VirtualClock
from procengine.model.duration import SECOND
from procengine.model.trigger import Trigger
from procengine.processing.backoff import Backoff
from procengine.processing.cancellation import CancelToken
from procengine.processing.event import Event
from procengine.processing.trigger_options import TriggerOptions
from procengine.processing.trigger_statistics import TriggerState
from tests.processing.doubles import TIMEOUT, Bench


class Failing:
    """A plugin that fails so many times, then succeeds; it says when a run has ended."""

    def __init__(self, bench: Bench, failures: int) -> None:
        self.failures = failures
        self.ended = threading.Semaphore(0)
        self.attempts: list[int | None] = []
        bench.triggers.subscribe(lambda run: self.ended.release())

    def __call__(self, trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        self.attempts.append(event.cause.wal_sequence_number)
        if len(self.attempts) <= self.failures:
            raise ValueError(f"failure {len(self.attempts)}")

    def wait(self, runs: int) -> None:
        """Wait for so many runs."""
        assert all(self.ended.acquire(timeout=TIMEOUT) for _ in range(runs))


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands still."""
    return VirtualClock(1_000 * SECOND)


@pytest.fixture
def bench(clock: VirtualClock) -> Iterator[Bench]:
    """Triggers that run; a retry's first pause is 1 s, the longest 4 s."""
    backoff = Backoff(first_pause_ns=SECOND, longest_pause_ns=4 * SECOND, attempt_limit=5)
    with Bench(clock=clock, options=TriggerOptions(backoff=backoff)) as bench:
        yield bench


def wait_for_pause(bench: Bench, attempt: int) -> None:
    """Wait until the trigger ``t`` waits for an attempt."""
    pause = threading.Event()
    for _ in range(1000):
        if bench.triggers.statistics("db", "t").attempt == attempt:
            return
        pause.wait(0.005)
    raise AssertionError(bench.triggers.statistics("db", "t"))


def test_log_drops_the_event_and_goes_on(bench: Bench) -> None:
    """After a failure the next event runs; the failed one is not repeated."""
    plugin = Failing(bench, 1)
    bench.triggers.create("db", "t", bench.plugin(plugin, "p"), "all_tables")
    bench.write(bench.rows("a"))
    bench.write(bench.rows("a"))
    bench.wait_idle()
    statistics = bench.triggers.statistics("db", "t")
    assert plugin.attempts == [1, 2]
    assert (statistics.runs, statistics.errors, statistics.failing) == (2, 1, False)
    assert statistics.last_failure is not None
    assert statistics.last_failure.message == "ValueError: failure 1"


@pytest.mark.parametrize("run_async", [False, True])
def test_retry_repeats_the_event_after_growing_pauses(
    bench: Bench, clock: VirtualClock, run_async: bool
) -> None:
    """The same input runs again after 1, 2, 4 s; each failure is logged; no thread waits in between."""
    plugin = Failing(bench, 3)
    bench.triggers.create(
        "db", "t", bench.plugin(plugin, "p"), "all_tables", run_async=run_async, error_behavior="retry"
    )
    bench.write(bench.rows("a"))
    for attempt, pause in ((2, 1), (3, 2), (4, 4)):
        plugin.wait(1)
        wait_for_pause(bench, attempt)
        assert bench.triggers.statistics("db", "t").state is TriggerState.RETRYING
        clock.advance(pause - 0.001)
        assert not bench.triggers.wait_idle(0)
        clock.advance(0.001)
    bench.wait_idle()
    assert plugin.attempts == [1, 1, 1, 1]
    assert [run.attempt for run in bench.triggers.runs] == [1, 2, 3, 4]
    assert bench.logged("t") == [
        "attempt 1 failed, retrying in 1s",
        "attempt 2 failed, retrying in 2s",
        "attempt 3 failed, retrying in 4s",
    ]
    assert bench.triggers.statistics("db", "t").state is TriggerState.ENABLED


def test_a_synchronous_retry_holds_back_what_follows(bench: Bench, clock: VirtualClock) -> None:
    """While a synchronous trigger retries, later events wait, in order."""
    plugin = Failing(bench, 1)
    bench.triggers.create("db", "t", bench.plugin(plugin, "p"), "all_tables", error_behavior="retry")
    first, second = bench.write(bench.rows("a")), bench.write(bench.rows("a"))
    wait_for_pause(bench, 2)
    assert not bench.triggers.wait_caught_up(first, 0.01)
    assert bench.triggers.statistics("db", "t").lag.contents == 2
    clock.advance(1)
    assert bench.triggers.wait_caught_up(second, TIMEOUT)
    assert plugin.attempts == [1, 1, 2]


def test_retry_can_be_capped(bench: Bench, clock: VirtualClock) -> None:
    """After the last attempt the event is dropped with a row, and the next one runs."""
    plugin = Failing(bench, 5)
    bench.triggers.create("db", "t", bench.plugin(plugin, "p"), "all_tables", error_behavior="retry")
    bench.write(bench.rows("a"))
    bench.write(bench.rows("a"))
    for attempt, pause_seconds in (
        (2, 1),
        (3, 2),
        (4, 4),
        (5, 4),
    ):  # no longer, or two pauses end at once
        wait_for_pause(bench, attempt)
        clock.advance(pause_seconds)
    bench.wait_idle()
    assert plugin.attempts == [1, 1, 1, 1, 1, 2]
    assert bench.logged("t")[-1] == "giving up after 5 attempts: ValueError: failure 5"


@pytest.mark.parametrize("operation", ["disable", "delete", "stop"])
def test_retry_is_ended_by_disable_delete_and_stop(
    bench: Bench, clock: VirtualClock, operation: str
) -> None:
    """A stuck trigger can be stopped while it waits, and does not run again."""
    plugin = Failing(bench, 99)
    bench.triggers.create("db", "t", bench.plugin(plugin, "p"), "all_tables", error_behavior="retry")
    bench.write(bench.rows("a"))
    wait_for_pause(bench, 2)
    match operation:
        case "disable":
            bench.triggers.disable("db", "t")
        case "delete":
            bench.triggers.delete("db", "t", force=True)
        case _:
            bench.triggers.stop()
    clock.advance(100)
    bench.wait_idle()
    assert plugin.attempts == [1]


def test_replacing_a_plugin_ends_the_pause(bench: Bench) -> None:
    """A corrected plugin runs the failed event at once, without the rest of the pause."""
    plugin = Failing(bench, 1)
    filename = bench.plugin(plugin, "p")
    bench.triggers.create("db", "t", filename, "all_tables", error_behavior="retry")
    bench.write(bench.rows("a"))
    wait_for_pause(bench, 2)
    bench.triggers.replace("db", "t", filename, "all_tables", error_behavior="retry")
    bench.wait_idle()
    assert plugin.attempts == [1, 1]


@pytest.mark.parametrize("run_async", [False, True])
def test_disable_is_for_good(bench: Bench, run_async: bool) -> None:
    """After a failure the catalog says disabled, with a row; what waited is dropped; enable takes it up again.

    The plugin cache is kept until then.
    """
    plugin = Failing(bench, 1)
    bench.triggers.create(
        "db", "t", bench.plugin(plugin, "p"), "all_tables", run_async=run_async, error_behavior="disable"
    )
    bench.write(bench.rows("a"))
    bench.wait_idle()
    bench.write(bench.rows("a"))
    bench.wait_idle()
    assert bench.catalog.database("db").triggers["t"].disabled
    statistics = bench.triggers.statistics("db", "t")
    assert (statistics.state, statistics.runs) == (TriggerState.DISABLED, 1)
    assert bench.logged("t") == ["trigger disabled after an error: ValueError: failure 1"]
    assert bench.dropped_caches == []
    bench.triggers.enable("db", "t")
    assert bench.dropped_caches == ["t"]
    bench.write(bench.rows("a"))
    bench.wait_idle()
    assert plugin.attempts == [1, 3]


def test_a_schedule_trigger_is_retried_with_its_scheduled_time(
    bench: Bench, clock: VirtualClock
) -> None:
    """The repeated call has the original tick's time, and the ticks in between follow it."""
    times: list[int] = []
    plugin = Failing(bench, 1)

    def tick(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        assert event.cause.instant_ns is not None
        times.append(event.cause.instant_ns // SECOND)
        plugin(trigger, event, cancel)

    bench.triggers.create("db", "t", bench.plugin(tick), "every:1s", error_behavior="retry")
    clock.advance(1)
    wait_for_pause(bench, 2)
    clock.advance(1)
    bench.wait_idle()
    assert times == [1001, 1001, 1002]
