"""How do runs stand as rows and columns?

What is kept on disk, and what ``system.processing_engine_runs`` is taken from. A run's log lines are rows of their
own (`procengine.model.log_columns`). Not kept are the exception as an object, what a request was answered, and the
line protocol that a fired run wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from procengine.model.arrow_text import list_column, number_column, text_column
from procengine.model.run import (
    CacheChange,
    CacheKey,
    Cause,
    CauseKind,
    LogEntry,
    Run,
    RunFailure,
    RunOutcome,
)
from procengine.model.trigger import TriggerKind

_COUNT = pa.uint64()
_DURATION = pa.duration("ns")
_INSTANT = pa.timestamp("ns")


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


_WRITTEN = pa.struct(
    [_required("database", pa.utf8()), _required("table", pa.utf8()), _required("rows", _COUNT)]
)
_CACHE_KEY = pa.struct(
    [_required("key", pa.utf8()), _required("use_global", pa.bool_()), _required("deleted", pa.bool_())]
)
_CACHE_CHANGE = pa.struct(
    [
        _required("key", pa.utf8()),
        _required("use_global", pa.bool_()),
        pa.field("before", pa.utf8()),
        pa.field("after", pa.utf8()),
    ]
)


def _list_of(kind: pa.DataType) -> pa.DataType:
    return pa.list_(_required("item", kind))


FAILURE_COLUMNS = pa.schema(
    [
        pa.field("error_type", pa.utf8()),
        pa.field("error_message", pa.utf8()),
        pa.field("traceback", pa.utf8()),
        pa.field("error_filename", pa.utf8()),
        pa.field("error_line", _COUNT),
    ]
)

RUN_COLUMNS = pa.schema(
    [
        _required("run_id", _COUNT),
        _required("trigger_id", _COUNT),
        _required("database", pa.utf8()),
        _required("trigger_name", pa.utf8()),
        _required("plugin_filename", pa.utf8()),
        _required("trigger_kind", pa.utf8()),
        _required("cause", pa.utf8()),
        pa.field("wal_sequence_number", _COUNT),
        pa.field("scheduled_time", _INSTANT),
        _required("depth", _COUNT),
        _required("start_time", _INSTANT),
        _required("queue_wait", _DURATION),
        _required("duration", _DURATION),
        _required("cpu_time", _DURATION),
        pa.field("peak_memory_bytes", _COUNT),
        _required("rows_in", _COUNT),
        _required("written", _list_of(_WRITTEN)),
        _required("query_count", _COUNT),
        _required("log_line_count", _COUNT),
        _required("outcome", pa.utf8()),
        *FAILURE_COLUMNS,
        _required("write_errors", _list_of(pa.utf8())),
        _required("cache_keys", _list_of(_CACHE_KEY)),
        _required("cache_changes", _list_of(_CACHE_CHANGE)),
        _required("attempt", _COUNT),
        pa.field("plugin_version", pa.utf8()),
    ]
)
ADDED_COLUMNS = 1
"""How many of the last columns came after the first files were written; files may lack them."""


def run_values(run: Run) -> tuple[Any, ...] | None:
    """Return a run as the values that `encode_run_values` takes; None for a dry run, which is not kept.

    None of them but a failure, and the rare lists, is an object that the garbage collector would walk: thousands of
    runs may wait for the disk.
    """
    if run.dry_run:
        return None
    cause = run.cause
    return (
        run.run_id,
        run.trigger_id,
        run.database,
        run.trigger,
        run.plugin_filename,
        run.kind._value_,
        cause.kind._value_,
        cause.wal_sequence_number,
        cause.instant_ns,
        cause.depth,
        run.started_ns,
        run.queue_wait_ns,
        run.duration_ns,
        run.cpu_ns,
        run.peak_memory_bytes,
        run.rows_in,
        run.writes or None,
        run.query_count,
        len(run.logs) + run.lines_left_out,
        run.outcome._value_,
        run.failure,
        run.write_errors or None,
        run.cache_keys or None,
        run.cache_changes or None,
        run.attempt,
        run.plugin_version,
    )


VALUE_NAMES = tuple(name for name in RUN_COLUMNS.names if name not in FAILURE_COLUMNS.names[1:])
"""Which columns the values of `run_values` are for; the first of a failure's stands for them all."""


def encode_run_values(values: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    """Return what `run_values` returned for runs, column by column, as rows of `RUN_COLUMNS`."""
    columns: list[pa.Array] = []
    for name, column in zip(VALUE_NAMES, values, strict=True):
        kind = RUN_COLUMNS.field(name).type
        if name == FAILURE_COLUMNS.names[0]:
            columns += encode_failures(column)
        elif pa.types.is_list(kind):
            columns.append(_lists(column, kind.value_type, _VALUES_OF.get(name, list)))
        elif pa.types.is_string(kind):
            columns.append(text_column(column))
        else:
            columns.append(number_column(column, kind))
    return pa.RecordBatch.from_arrays(columns, schema=RUN_COLUMNS)


def encode_runs(runs: Sequence[Run]) -> pa.RecordBatch:
    """Return runs that are no dry ones as rows of `RUN_COLUMNS`, in their order."""
    rows = [values for run in runs if (values := run_values(run)) is not None]
    return encode_run_values([*zip(*rows, strict=True)] if rows else [()] * len(VALUE_NAMES))


def decode_runs(rows: pa.Table, lines: Mapping[int, Sequence[LogEntry]] | None = None) -> list[Run]:
    """Return the runs that rows of `RUN_COLUMNS` hold, with their log lines, given by run id."""
    columns = {field.name: _values(rows[field.name]) for field in RUN_COLUMNS}
    return [
        _run(dict(zip(columns, values, strict=True)), lines or {})
        for values in zip(*columns.values(), strict=True)
    ]


def _values(column: pa.ChunkedArray) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def _run(row: dict[str, Any], lines: Mapping[int, Sequence[LogEntry]]) -> Run:
    logged = lines.get(row["run_id"], ())  # threads that outlived the run may have added to it
    cause = Cause(
        kind=CauseKind(row["cause"]),
        wal_sequence_number=row["wal_sequence_number"],
        instant_ns=row["scheduled_time"],
        depth=row["depth"],
    )
    logs = tuple(logged[: row["log_line_count"]])
    return Run(
        run_id=row["run_id"],
        trigger_id=row["trigger_id"],
        database=row["database"],
        trigger=row["trigger_name"],
        plugin_filename=row["plugin_filename"],
        kind=TriggerKind(row["trigger_kind"]),
        cause=cause,
        started_ns=row["start_time"],
        queue_wait_ns=row["queue_wait"],
        duration_ns=row["duration"],
        cpu_ns=row["cpu_time"],
        peak_memory_bytes=row["peak_memory_bytes"],
        rows_in=row["rows_in"],
        writes={(one["database"], one["table"]): one["rows"] for one in row["written"]},
        query_count=row["query_count"],
        logs=logs,
        lines_left_out=row["log_line_count"] - len(logs),
        outcome=RunOutcome(row["outcome"]),
        failure=decode_failure(*(row[name] for name in FAILURE_COLUMNS.names)),
        write_errors=tuple(row["write_errors"]),
        cache_keys=tuple(CacheKey(**one) for one in row["cache_keys"]),
        cache_changes=tuple(CacheChange(**one) for one in row["cache_changes"]),
        attempt=row["attempt"],
        plugin_version=row["plugin_version"],
    )


def encode_failures(failures: Sequence[RunFailure | None]) -> list[pa.Array]:
    """Return the `FAILURE_COLUMNS`, by the plugins' files, NULL where nothing failed."""
    if not any(failures):  # as most do not
        return [pa.nulls(len(failures), field.type) for field in FAILURE_COLUMNS]
    failures = [None if one is None else one.kept for one in failures]
    return [
        text_column([None if one is None else one.type_name for one in failures]),
        text_column([None if one is None else one.message for one in failures]),
        text_column([None if one is None else one.traceback_text for one in failures]),
        text_column([None if one is None else one.filename for one in failures]),
        number_column([None if one is None else one.line_number for one in failures], _COUNT),
    ]


def decode_failure(
    type_name: str | None, message: str, traceback: str, filename: str | None, line: int | None
) -> RunFailure | None:
    """Return the failure that the `FAILURE_COLUMNS` of a row tell of; the exception is gone."""
    if type_name is None:
        return None
    return RunFailure(
        type_name=type_name,
        message=message,
        traceback_text=traceback,
        filename=filename,
        line_number=line,
    )


_VALUES_OF: Mapping[str, Callable[[Any], Sequence[Any]]] = {
    "written": lambda writes: [(database, table, rows) for (database, table), rows in writes.items()],
    "cache_changes": lambda changes: [
        (one.key, one.use_global, one.before, one.after) for one in changes
    ],
}
"""How what a run has becomes the values of a list column, of structs as tuples; by default as it is."""


def _lists(
    rows: Sequence[Any], kind: pa.DataType, values_of: Callable[[Any], Sequence[Any]]
) -> pa.Array:
    """Return a list column of what ``values_of`` makes of each row; a row of None is an empty list."""
    if not any(rows):  # as most are
        return list_column([0] * len(rows), _flat([], kind), _list_of(kind))
    values = [values_of(row) if row else () for row in rows]
    flat = [value for each in values for value in each]
    return list_column([*map(len, values)], _flat(flat, kind), _list_of(kind))


def _flat(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_struct(kind):
        return text_column(values)
    fields: Iterable[Sequence[Any]] = zip(*values, strict=True) if values else [()] * kind.num_fields
    columns = [
        text_column(column) if pa.types.is_string(field.type) else number_column(column, field.type)
        for field, column in zip(kind, fields, strict=True)
    ]
    return pa.StructArray.from_arrays(columns, fields=list(kind))
