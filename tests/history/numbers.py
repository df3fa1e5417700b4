"""A history of numbers, one a nanosecond: small enough to see each byte of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from procengine.history.history_files import HistoryFiles, Segments, Totals
from procengine.history.journal import Journal, JournalFormat
from tests.journalling_files import JournallingFiles

FOLDER = Path("/state/numbers")
SCHEMA = pa.schema([pa.field("time", pa.timestamp("ns"), nullable=False)])


def batch(*times: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(times, pa.timestamp("ns"))], schema=SCHEMA)


def times(rows: pa.Table) -> list[int]:
    values: list[int] = rows["time"].cast(pa.int64()).to_pylist()
    return values


def history(
    files: JournallingFiles, *, total_bytes: int = 1 << 20, totals: Totals | None = None
) -> HistoryFiles:
    return HistoryFiles(
        FOLDER,
        schema=SCHEMA,
        time_column="time",
        total_bytes=total_bytes,
        file_system=files,
        totals=totals,
    )


def everything(kept: HistoryFiles, segments: Segments) -> list[int]:
    return [time for segment in segments for time in times(kept.read(segment))]


def number_format(decode: Callable[[pa.Table], list[int]]) -> JournalFormat[int]:
    return JournalFormat(
        schema=SCHEMA,
        width=1,
        values=lambda number: (number,),
        encode=lambda columns: batch(*columns[0]),
        decode=decode,
    )


def journal(
    files: JournallingFiles | None, *, capacity: int = 100, total_bytes: int = 1 << 20
) -> Journal[int]:
    made = Journal(
        number_format(times),
        capacity,
        files=None if files is None else history(files, total_bytes=total_bytes),
    )
    made.open()
    return made
