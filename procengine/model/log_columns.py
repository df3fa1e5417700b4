"""How do the processing engine logs stand as rows and columns?

What is kept on disk, and what ``system.processing_engine_logs`` is taken from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from procengine.model.arrow_text import number_column, text_column
from procengine.model.run import LogEntry, LogLevel

LOG_COLUMNS = pa.schema(
    [
        pa.field("event_time", pa.timestamp("ns"), nullable=False),
        pa.field("database", pa.utf8(), nullable=False),
        pa.field("trigger_name", pa.utf8(), nullable=False),
        pa.field("log_level", pa.utf8(), nullable=False),
        pa.field("log_text", pa.utf8(), nullable=False),
        pa.field("run_id", pa.uint64()),
        pa.field("printed", pa.bool_(), nullable=False),
        pa.field("trigger_id", pa.uint64(), nullable=False),
    ]
)


def entry_values(entry: LogEntry) -> tuple[Any, ...]:
    """Return a line as one value for each of `LOG_COLUMNS`."""
    return (
        entry.time_ns,
        entry.database,
        entry.trigger,
        entry.level._value_,
        entry.text,
        entry.run_id,
        entry.printed,
        entry.trigger_id,
    )


def encode_entry_values(columns: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    """Return what `entry_values` returned for lines, column by column, as rows of `LOG_COLUMNS`."""
    arrays = [
        text_column(values) if pa.types.is_string(field.type) else number_column(values, field.type)
        for field, values in zip(LOG_COLUMNS, columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=LOG_COLUMNS)


def encode_entries(entries: Sequence[LogEntry]) -> pa.RecordBatch:
    """Return lines as rows of `LOG_COLUMNS`, in their order."""
    rows = [entry_values(entry) for entry in entries]
    return encode_entry_values([*zip(*rows, strict=True)] if rows else [()] * len(LOG_COLUMNS))


def decode_entries(rows: pa.Table) -> list[LogEntry]:
    """Return the lines that rows of `LOG_COLUMNS` hold."""
    times = rows["event_time"].cast(pa.int64()).to_pylist()
    others = [rows[name].to_pylist() for name in LOG_COLUMNS.names[1:]]
    levels = {level.value: level for level in LogLevel}
    return [
        LogEntry(
            time_ns=time_ns,
            database=database,
            trigger=trigger,
            level=levels[level],
            text=text,
            run_id=run_id,
            printed=printed,
            trigger_id=trigger_id,
        )
        for time_ns, database, trigger, level, text, run_id, printed, trigger_id in zip(
            times, *others, strict=True
        )
    ]
