"""The columns of ``system.processing_engine_runs``."""

from __future__ import annotations

import pyarrow as pa

from procengine.model.run import CacheKey, Cause, CauseKind, Run, RunOutcome
from procengine.model.run_columns import RUN_COLUMNS, encode_runs
from procengine.model.trigger import TriggerKind
from procengine.query.runs_table import ProcessingEngineRuns


def a_run(run_id: int, writes: dict[tuple[str, str], int], *keys: str) -> Run:
    return Run(
        run_id=run_id,
        database="db",
        trigger="t",
        plugin_filename="p.py",
        kind=TriggerKind.WRITE,
        cause=Cause(kind=CauseKind.WRITE, wal_sequence_number=run_id),
        started_ns=run_id,
        queue_wait_ns=0,
        duration_ns=0,
        cpu_ns=0,
        outcome=RunOutcome.SUCCESS,
        writes=writes,
        cache_keys=tuple(CacheKey(key, use_global=False, deleted=False) for key in keys),
    )


def table_of(*runs: Run, drop: int = 0) -> pa.Table:
    rows = pa.Table.from_batches([encode_runs(runs)], RUN_COLUMNS).slice(drop)
    return ProcessingEngineRuns(lambda database: rows).rows("db")


def test_names_and_types() -> None:
    """Names and types, in their order, in the manner of section 10; counts are unsigned, durations nanoseconds."""
    instant, duration = "timestamp[ns]", "duration[ns]"
    written = "list<item: struct<database: string not null, table: string not null, rows: uint64 not null> not null>"
    assert [(field.name, str(field.type), field.nullable) for field in ProcessingEngineRuns.schema] == [
        ("run_id", "uint64", False),
        ("trigger_id", "uint64", False),
        ("trigger_name", "string", False),
        ("plugin_filename", "string", False),
        ("trigger_kind", "string", False),
        ("cause", "string", False),
        ("wal_sequence_number", "uint64", True),
        ("scheduled_time", instant, True),
        ("depth", "uint64", False),
        ("start_time", instant, False),
        ("queue_wait", duration, False),
        ("duration", duration, False),
        ("cpu_time", duration, False),
        ("peak_memory_bytes", "uint64", True),
        ("rows_in", "uint64", False),
        ("rows_written", "uint64", False),
        ("written", written, False),
        ("query_count", "uint64", False),
        ("log_line_count", "uint64", False),
        ("outcome", "string", False),
        ("error_type", "string", True),
        ("error_message", "string", True),
        ("traceback", "string", True),
        ("error_filename", "string", True),
        ("error_line", "uint64", True),
        ("write_errors", "list<item: string not null>", False),
        ("attempt", "uint64", False),
        ("plugin_version", "string", True),
        ("cache_keys_changed", "list<item: string>", False),
    ]


def test_rows_written_are_summed_over_the_tables() -> None:
    """Each run has the sum of its own tables, also where rows before it were filtered away."""
    runs = [a_run(1, {("db", "a"): 2}), a_run(2, {}), a_run(3, {("db", "a"): 3, ("other", "b"): 4})]
    assert table_of(*runs)["rows_written"].to_pylist() == [2, 0, 7]
    assert table_of(*runs, drop=2)["rows_written"].to_pylist() == [7]
    assert table_of(*runs, drop=2)["written"].to_pylist() == [
        [{"database": "db", "table": "a", "rows": 3}, {"database": "other", "table": "b", "rows": 4}]
    ]


def test_changed_keys_are_listed() -> None:
    """The keys alone: values may be long."""
    runs = [a_run(1, {}, "a", "b"), a_run(2, {}), a_run(3, {}, "c")]
    assert table_of(*runs)["cache_keys_changed"].to_pylist() == [["a", "b"], [], ["c"]]
    assert table_of(*runs, drop=1)["cache_keys_changed"].to_pylist() == [[], ["c"]]


def test_without_a_processing_engine_there_are_no_rows() -> None:
    """The table is there, and empty."""
    rows = ProcessingEngineRuns(lambda database: None).rows("db")
    assert (rows.num_rows, rows.schema) == (0, ProcessingEngineRuns.schema)
