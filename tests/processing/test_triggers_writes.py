"""Write triggers (section 2)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from procengine.model.run_limits import RunLimits
from procengine.model.trigger import Trigger
from procengine.processing.cancellation import CancelToken
from procengine.processing.event import Event, WriteEvent
from procengine.processing.trigger_options import TriggerOptions
from procengine.processing.trigger_statistics import Lag, TriggerState
from tests.processing.doubles import SIZE_BYTES, TIMEOUT, Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Triggers that run."""
    with Bench() as bench:
        yield bench


class Recorder:
    """A plugin that keeps what it is called with; it waits inside while `gate` is closed."""

    def __init__(self) -> None:
        self.events: list[WriteEvent] = []
        self.inside = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        assert isinstance(event, WriteEvent)
        self.events.append(event)
        self.inside.release()
        self.gate.wait(TIMEOUT)

    @property
    def tables(self) -> list[list[str]]:
        """The tables of each call."""
        return [[rows.table for rows in event.rows] for event in self.events]

    @property
    def sequence_numbers(self) -> list[int | None]:
        """The flush of each call."""
        return [event.cause.wal_sequence_number for event in self.events]


def test_one_call_for_all_writes_of_a_flush(bench: Bench) -> None:
    """All rows of a flush for the trigger's database come in one call, in the order of their writes."""
    recorder = Recorder()
    bench.triggers.create("db", "t", bench.plugin(recorder, "r"), "all_tables")
    bench.write(bench.rows("a"), bench.rows("b", 3), bench.rows("a", 2))
    bench.wait_idle()
    assert recorder.tables == [["a", "b", "a"]]
    assert [run.rows_in for run in bench.triggers.runs] == [6]


def test_other_databases_do_not_call(bench: Bench) -> None:
    """A trigger is not called for rows of other databases, and does not see them."""
    bench.catalog.create_database("other")
    recorder = Recorder()
    bench.triggers.create("db", "t", bench.plugin(recorder, "r"), "all_tables")
    bench.write(bench.rows("a", database="other"))
    bench.write(bench.rows("a", database="other"), bench.rows("b"))
    bench.wait_idle()
    assert recorder.tables == [["b"]]


def test_a_table_trigger_is_called_for_its_table_only(bench: Bench) -> None:
    """Rows of other tables neither call it nor come along; the table may be written for the first time later."""
    recorder = Recorder()
    bench.triggers.create("db", "t", bench.plugin(recorder, "r"), "table:late")
    bench.write(bench.rows("home"))
    bench.write(bench.rows("home"), bench.rows("late"))
    bench.wait_idle()
    assert (recorder.tables, recorder.sequence_numbers) == ([["late"]], [2])


def test_a_synchronous_trigger_follows_the_log_in_order(bench: Bench) -> None:
    """While one call goes on, further flushes wait; each gets its own call, in order, none is lost."""
    recorder = Recorder()
    recorder.gate.clear()
    bench.triggers.create("db", "t", bench.plugin(recorder, "r"), "table:a")
    for number in range(50):
        bench.write(bench.rows("a" if number % 3 == 0 else "b"))
    assert recorder.inside.acquire(timeout=TIMEOUT)
    recorder.gate.set()
    bench.wait_idle()
    assert recorder.sequence_numbers == list(range(1, 51, 3))


def test_an_asynchronous_trigger_runs_flushes_side_by_side(bench: Bench) -> None:
    """Each flush runs on its own worker; calls overlap."""
    together = threading.Barrier(5)

    def meet(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        together.wait(TIMEOUT)

    bench.triggers.create("db", "t", bench.plugin(meet), "all_tables", run_async=True)
    for _ in range(5):
        bench.write(bench.rows("a"))
    bench.wait_idle()
    assert [run.outcome.value for run in bench.triggers.runs] == ["success"] * 5


def test_the_async_concurrency_limit_holds() -> None:
    """With a limit of 2 two calls overlap and never more, and all flushes are handled."""
    with Bench(options=TriggerOptions(limits=RunLimits(runs=2))) as bench:
        pair = threading.Barrier(2)
        inside: set[int] = set()
        counts: list[int] = []

        def count(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
            inside.add(threading.get_ident())
            pair.wait(TIMEOUT)
            counts.append(len(inside))
            pair.wait(TIMEOUT)
            inside.discard(threading.get_ident())

        bench.triggers.create("db", "t", bench.plugin(count), "all_tables", run_async=True)
        for _ in range(20):
            bench.write(bench.rows("a"))
        bench.wait_idle()
        assert [run.outcome.value for run in bench.triggers.runs] == ["success"] * 20
        assert set(counts) == {2}


def test_offering_never_waits_for_a_plugin(bench: Bench) -> None:
    """However many flushes a busy trigger misses, it keeps two numbers, and the log is not read meanwhile."""
    recorder = Recorder()
    recorder.gate.clear()
    bench.triggers.create("db", "t", bench.plugin(recorder, "r"), "all_tables")
    bench.write(bench.rows("a"))
    assert recorder.inside.acquire(timeout=TIMEOUT)
    for _ in range(500):
        bench.write(bench.rows("a", 2))
    statistics = bench.triggers.statistics("db", "t")
    assert (statistics.lag.contents, statistics.lag.rows, statistics.in_flight) == (501, 1001, 1)
    assert (statistics.queue_depth, bench.triggers.oldest_needed, bench.log.reads) == (501, 1, 1)
    recorder.gate.set()
    bench.wait_idle()
    assert bench.triggers.statistics("db", "t").lag == Lag()
    assert bench.triggers.oldest_needed is None
    assert recorder.sequence_numbers == list(range(1, 502))


def test_a_restart_delivers_nothing_again(bench: Bench) -> None:
    """What was in the log before the start is not delivered: at most once."""
    recorder = Recorder()
    bench.triggers.create("db", "t", bench.plugin(recorder, "r"), "all_tables")
    bench.write(bench.rows("a"))
    bench.wait_idle()
    bench.triggers.stop()
    bench.triggers = bench.new_triggers()
    bench.triggers.start()
    bench.write(bench.rows("a"))
    bench.wait_idle()
    assert recorder.sequence_numbers == [1, 2]


def test_a_trigger_that_the_log_left_behind_is_paused(bench: Bench) -> None:
    """When the contents it has yet to handle are gone, the trigger pauses with its reason; enable resumes it."""
    recorder = Recorder()
    recorder.gate.clear()
    bench.triggers.create("db", "t", bench.plugin(recorder, "r"), "all_tables")
    for _ in range(3):
        bench.write(bench.rows("a"))
    assert recorder.inside.acquire(timeout=TIMEOUT)
    gone = bench.log.kept.pop(2)
    recorder.gate.set()
    bench.wait_idle()
    statistics = bench.triggers.statistics("db", "t")
    reason = "the write-ahead log no longer holds what it has yet to handle: contents 2 are gone"
    assert (statistics.state, statistics.reason) == (TriggerState.PAUSED, reason)
    assert bench.logged("t") == [
        f"trigger paused: {reason}, 2 rows that waited are passed over; enable it to go on with what comes then"
    ]
    bench.log.kept[2] = gone
    bench.triggers.enable("db", "t")
    bench.write(bench.rows("a"))
    bench.wait_idle()
    assert recorder.sequence_numbers == [1, 4]
    assert bench.triggers.statistics("db", "t").state is TriggerState.ENABLED


def test_a_trigger_that_lags_too_far_is_paused() -> None:
    """Past the lag limit a stuck trigger is paused, so that the log need not be kept for it for ever."""
    with Bench(options=TriggerOptions(lag_limit_bytes=10 * SIZE_BYTES)) as bench:
        recorder = Recorder()
        recorder.gate.clear()
        bench.triggers.create("db", "t", bench.plugin(recorder, "r"), "all_tables")
        for _ in range(12):
            bench.write(bench.rows("a"))
        assert recorder.inside.acquire(timeout=TIMEOUT)
        recorder.gate.set()
        bench.wait_idle()
        statistics = bench.triggers.statistics("db", "t")
        assert (statistics.state, statistics.reason) == (
            TriggerState.PAUSED,
            "it was so far behind that more than 1 kB of the write-ahead log were kept for it",
        )
        assert (recorder.sequence_numbers, bench.triggers.oldest_needed) == ([1], None)


def test_a_trigger_that_feeds_itself_is_paused(bench: Bench) -> None:
    """A run at depth d writes at depth d+1; a trigger called for more than 64 is paused, and shows it."""

    def feed(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        bench.write(bench.rows("a", depth=event.cause.depth + 1))

    bench.triggers.create("db", "t", bench.plugin(feed), "all_tables")
    bench.write(bench.rows("a"))
    bench.wait_idle()
    statistics = bench.triggers.statistics("db", "t")
    assert (statistics.state, statistics.runs) == (TriggerState.PAUSED, 65)
    assert statistics.reason is not None
    assert statistics.reason.startswith("a chain of 65 writes")
    bench.triggers.enable("db", "t")
    bench.write(bench.rows("a"))
    bench.wait_idle()
    assert bench.triggers.statistics("db", "t").runs == 130


def test_the_depth_of_a_call_is_that_of_its_deepest_rows(bench: Bench) -> None:
    """A flush may hold writes of several chains; the longest counts."""
    recorder = Recorder()
    bench.triggers.create("db", "t", bench.plugin(recorder, "r"), "all_tables")
    bench.write(bench.rows("a"), bench.rows("b", depth=7), bench.rows("c", depth=2))
    bench.wait_idle()
    assert recorder.events[0].cause.depth == 7


def test_waiting_for_the_runs_that_a_write_caused(bench: Bench) -> None:
    """`wait_caught_up` waits for synchronous triggers that handle the flush, and for no one else."""
    slow, quick = Recorder(), Recorder()
    slow.gate.clear()
    bench.triggers.create("db", "slow", bench.plugin(slow, "slow"), "table:a")
    bench.triggers.create("db", "async", bench.plugin(slow, "slow"), "table:a", run_async=True)
    bench.triggers.create("db", "quick", bench.plugin(quick, "quick"), "table:b")
    first, second = bench.write(bench.rows("a")), bench.write(bench.rows("b"))
    assert slow.inside.acquire(timeout=TIMEOUT)
    assert not bench.triggers.wait_caught_up(first, 0.01)
    assert not bench.triggers.wait_caught_up(second + 1, 0.01), "not written yet"
    assert bench.triggers.wait_caught_up(second, TIMEOUT, database="other")
    slow.gate.set()
    assert bench.triggers.wait_caught_up(second, TIMEOUT)
    assert quick.sequence_numbers == [2]
    bench.wait_idle()
    assert {run.trigger for run in bench.triggers.runs.of(first)} == {"slow", "async"}


def test_a_fault_of_the_engine_pauses_the_trigger_and_nobody_else(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """When the runner itself fails, the trigger is paused with the reason, and others go on."""
    recorder = Recorder()
    bench.triggers.create("db", "good", bench.plugin(recorder, "r"), "all_tables")
    bench.triggers.create("db", "t", bench.plugin(recorder, "gone"), "all_tables")
    run = bench.runner.run

    def broken(trigger: Trigger, event: Event, **options: object) -> object:
        if trigger.name == "t":
            raise RuntimeError("no runner")
        return run(trigger, event, **options)  # type: ignore[arg-type]

    bench.runner.run = broken  # type: ignore[method-assign, assignment]
    bench.write(bench.rows("a"))
    bench.wait_idle()
    statistics = bench.triggers.statistics("db", "t")
    assert (statistics.state, statistics.reason) == (
        TriggerState.PAUSED,
        "the engine failed: RuntimeError: no runner",
    )
    assert recorder.sequence_numbers == [1]
    assert "no runner" in caplog.text
