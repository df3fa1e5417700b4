"""Runs and log lines as rows, and back."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procengine.model.log_columns import LOG_COLUMNS, decode_entries, encode_entries
from procengine.model.run import (
    CacheChange,
    CacheKey,
    Cause,
    CauseKind,
    LogEntry,
    LogLevel,
    Response,
    Run,
    RunFailure,
    RunOutcome,
)
from procengine.model.run_columns import RUN_COLUMNS, decode_runs, encode_runs
from procengine.model.trigger import TriggerKind

TEXT = st.text(max_size=20)
COUNT = st.integers(0, (1 << 64) - 1)
NANOSECONDS = st.integers(-(1 << 63), (1 << 63) - 1)

ENTRIES = st.builds(
    LogEntry,
    time_ns=NANOSECONDS,
    database=TEXT,
    trigger=TEXT,
    level=st.sampled_from(LogLevel),
    text=TEXT,
    run_id=st.none() | COUNT,
    printed=st.booleans(),
    trigger_id=COUNT,
)
RUNS = st.builds(
    Run,
    run_id=COUNT,
    trigger_id=COUNT,
    database=TEXT,
    trigger=TEXT,
    plugin_filename=TEXT,
    kind=st.sampled_from(TriggerKind),
    cause=st.builds(
        Cause,
        kind=st.sampled_from(CauseKind),
        wal_sequence_number=st.none() | COUNT,
        instant_ns=st.none() | NANOSECONDS,
        depth=COUNT,
    ),
    started_ns=NANOSECONDS,
    queue_wait_ns=NANOSECONDS,
    duration_ns=NANOSECONDS,
    cpu_ns=NANOSECONDS,
    peak_memory_bytes=st.none() | COUNT,
    rows_in=COUNT,
    writes=st.dictionaries(st.tuples(TEXT, TEXT), COUNT, max_size=3),
    query_count=COUNT,
    outcome=st.sampled_from(RunOutcome),
    failure=st.none()
    | st.builds(
        RunFailure,
        type_name=TEXT,
        message=TEXT,
        traceback_text=TEXT,
        filename=st.none() | TEXT,
        line_number=st.none() | COUNT,
    ),
    write_errors=st.lists(TEXT, max_size=3).map(tuple),
    cache_keys=st.lists(
        st.builds(CacheKey, key=TEXT, use_global=st.booleans(), deleted=st.booleans()), max_size=3
    ).map(tuple),
    cache_changes=st.lists(
        st.builds(
            CacheChange,
            key=TEXT,
            use_global=st.booleans(),
            before=st.none() | TEXT,
            after=st.none() | TEXT,
        ),
        max_size=3,
    ).map(tuple),
    attempt=COUNT,
)


@settings(deadline=None, max_examples=50)
@given(st.lists(RUNS, max_size=5))
def test_runs_come_back_as_they_were(runs: list[Run]) -> None:
    """Any runs, as rows and back, are the same runs."""
    assert decode_runs(pa.Table.from_batches([encode_runs(runs)], RUN_COLUMNS)) == runs


@settings(deadline=None, max_examples=50)
@given(st.lists(ENTRIES, max_size=5))
def test_lines_come_back_as_they_were(entries: list[LogEntry]) -> None:
    """Any lines, as rows and back, are the same lines."""
    assert decode_entries(pa.Table.from_batches([encode_entries(entries)], LOG_COLUMNS)) == entries


@settings(deadline=None, max_examples=50)
@given(RUNS, ENTRIES, st.integers(2, 5))
def test_what_is_the_same_in_all_rows_comes_back_in_each(run: Run, entry: LogEntry, count: int) -> None:
    """Values that stand in all rows, which are converted once, come back as they were in each."""
    rows = encode_runs([run] * count)
    rows.validate(full=True)
    assert rows.to_pylist() == encode_runs([run]).to_pylist() * count
    lines = encode_entries([entry] * count)
    lines.validate(full=True)
    assert decode_entries(pa.Table.from_batches([lines])) == [entry] * count


@pytest.fixture
def run() -> Run:
    return Run(
        run_id=1,
        database="db",
        trigger="t",
        plugin_filename="p.py",
        kind=TriggerKind.REQUEST,
        cause=Cause(kind=CauseKind.REQUEST),
        started_ns=0,
        queue_wait_ns=0,
        duration_ns=0,
        cpu_ns=0,
        outcome=RunOutcome.SUCCESS,
    )


def rows_of(*runs: Run) -> pa.Table:
    return pa.Table.from_batches([encode_runs(runs)], RUN_COLUMNS)


def line(text: str, run_id: int = 1) -> LogEntry:
    return LogEntry(time_ns=0, database="db", trigger="t", level=LogLevel.INFO, text=text, run_id=run_id)


def test_a_run_gets_its_own_lines_and_none_from_after_its_end(run: Run) -> None:
    """Lines are given by run id; what threads of the plugin logged after the run is not the run's."""
    run = replace(run, logs=(line("a"), line("b")))
    lines = {1: [line("a"), line("b"), line("late")], 2: [line("other", 2)]}
    assert decode_runs(rows_of(run), lines) == [run]


def test_what_is_not_kept_of_a_run(run: Run) -> None:
    """The answer, the lines of a fired run and the live exception stay in memory."""
    failure = RunFailure(type_name="E", message="E: no", exception=ValueError("no"))
    full = replace(
        run,
        response=Response(status=200, headers=(), body=b"x"),
        lines={"db": ("t f=1",)},
        failure=failure,
    )
    [back] = decode_runs(rows_of(full))
    assert (back.response, back.lines, back.failure) == (None, {}, failure)
    assert back.failure is not None
    assert back.failure.exception is None


def test_text_that_is_no_unicode_is_kept_as_escapes(run: Run) -> None:
    """Half of a surrogate pair, which Python's text may hold, does not cost the row."""
    broken = replace(run, trigger="a\udc80b", write_errors=("\ud800",))
    [back] = decode_runs(rows_of(broken))
    assert (back.trigger, back.write_errors) == ("a\\udc80b", ("\\ud800",))
    assert encode_entries([line("\udcff")])["log_text"].to_pylist() == ["\\udcff"]
