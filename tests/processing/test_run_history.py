"""The ring of finished runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from procengine.model.run import Cause, CauseKind, Run, RunOutcome
from procengine.model.trigger import TriggerKind
from procengine.processing.run_history import RunHistory
from procengine.processing.trigger_statistics import RECENT_RUNS, RecentRun, RunTally


def a_run(run_id: int, *, trigger: str = "t", sequence: int | None = None, duration_ns: int = 0) -> Run:
    """Return a run."""
    return Run(
        run_id=run_id,
        database="db",
        trigger=trigger,
        plugin_filename="p.py",
        kind=TriggerKind.WRITE,
        cause=Cause(kind=CauseKind.WRITE, wal_sequence_number=sequence),
        started_ns=run_id,
        queue_wait_ns=0,
        duration_ns=duration_ns,
        cpu_ns=0,
        outcome=RunOutcome.SUCCESS,
    )


def test_the_ring_keeps_the_last_runs() -> None:
    """Past its capacity the oldest run goes."""
    history = RunHistory(3)
    for run_id in range(5):
        history.add(a_run(run_id))
    assert [run.run_id for run in history] == [2, 3, 4]


def test_runs_are_found_by_cause_trigger_and_id() -> None:
    """Runs are looked up by the flush that caused them, by trigger, and by id."""
    history = RunHistory()
    runs = [a_run(1, sequence=7), a_run(2, trigger="u", sequence=7), a_run(3, sequence=8)]
    for run in runs:
        history.add(run)
    assert history.of(7) == (runs[0], runs[1])
    assert history.of_trigger("db", "t") == (runs[0], runs[2])
    assert history.of_trigger("other", "t") == ()
    assert (history.find(3), history.find(4)) == (runs[2], None)


def test_subscribers_hear_of_each_run_and_cannot_break_it(caplog: pytest.LogCaptureFixture) -> None:
    """A subscriber that raises is logged, and the next one is still called, until it unsubscribes."""
    history = RunHistory()
    heard: list[int] = []

    def broken(run: Run) -> None:
        raise RuntimeError("broken subscriber")

    history.subscribe(broken)
    unsubscribe = history.subscribe(lambda run: heard.append(run.run_id))
    history.add(a_run(1))
    unsubscribe()
    history.add(a_run(2))
    assert heard == [1]
    assert "broken subscriber" in caplog.text


def test_percentiles_are_of_the_last_256_runs() -> None:
    """Percentiles go by the nearest rank over a window that forgets old durations."""
    tally = RunTally()
    for duration_ns in [10**9] * 300 + list(range(1, 257)):
        tally.count(a_run(1, duration_ns=duration_ns))
    reading = tally.read()
    assert (reading.p50_ns, reading.p95_ns, reading.p99_ns) == (128, 244, 254)
    assert reading.runs == 556


def test_the_newest_runs_are_told_one_by_one() -> None:
    """How long each took and whether it failed, oldest first, on from those of an engine before."""
    tally = RunTally(None, [RecentRun(7, True)] * 2)
    tally.count(replace(a_run(1, duration_ns=8), outcome=RunOutcome.LIMIT_EXCEEDED))
    assert tally.read().recent == ((7, True), (7, True), (8, True))
    for duration_ns in range(1_000):
        tally.count(a_run(1, duration_ns=duration_ns))
    assert tally.read().recent == tuple((each, False) for each in range(1_000 - RECENT_RUNS, 1_000))


def test_a_tally_is_read_anew_only_after_a_run() -> None:
    """Looking at a thousand triggers costs the few that have run in between."""
    tally = RunTally()
    first = tally.read()
    assert tally.read() is first
    tally.count(a_run(1))
    assert tally.read().runs == 1


def test_an_empty_tally_has_no_percentiles() -> None:
    """Before the first run there is nothing to tell."""
    reading = RunTally().read()
    assert (reading.p50_ns, reading.last_run_ns, reading.failing) == (None, None, False)


@pytest.mark.parametrize("outcome", RunOutcome)
def test_a_tally_keeps_how_the_last_run_ended(outcome: RunOutcome) -> None:
    """Each outcome of the last run is kept as it is; only an error, or an exceeded limit, counts as failing."""
    tally = RunTally()
    tally.count(replace(a_run(1), outcome=outcome))
    reading = tally.read()
    assert reading.last_outcome is outcome
    assert reading.failing is (outcome in {RunOutcome.ERROR, RunOutcome.LIMIT_EXCEEDED})
