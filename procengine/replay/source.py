"""Which rows does a replay begin with?

A file, an Arrow table or DataFrame, or a query becomes `Source`: rows as the readers of writes make them, each with a
time of its own. A source is in memory whole, as Arrow, for its rows have to be put in the order of time.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from procengine.errors import InvalidInputError, LineError, LineProtocolError
from procengine.model.column import TIME
from procengine.model.line_group import ParsedLines
from procengine.model.line_protocol import read_lines
from procengine.model.precision import Precision
from procengine.replay.recorded_steps import RecordedStep
from procengine.replay.recording_file import SUFFIX as RECORDING_SUFFIX
from procengine.replay.recording_file import read_recording
from procengine.write.tabular import read_table

if TYPE_CHECKING:
    from procengine.engine import Engine

MOST_BYTES: Final = 4 << 30
"""The largest text, unpacked, that is read. Longer histories are Parquet files or queries, a range at a time."""

NO_TIME_NS: Final = -(1 << 62)
"""Stands for the time of rows that have none, far before any that can be written."""
_NO_TIME_BELOW_NS: Final = NO_TIME_NS + 10_000_000_000

_FROM = re.compile(r"\bfrom\s+(?:\"(?P<quoted>[^\"]+)\"|(?P<plain>\w+))", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is replayed: rows, or the steps of a recording of ``database``.

    ``name`` is for titles, ``started_ns`` when the recording began.
    """

    name: str
    rows: ParsedLines | None = None
    steps: tuple[RecordedStep, ...] = ()
    database: str | None = None
    started_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFormat:
    """How columns are to be understood; ``table``, ``tags`` and ``time_column`` are for all but line protocol.

    ``table`` None takes the file's or the query's name for it. ``known_tags`` are the tags of tables that exist; they
    hold where ``tags`` is None.
    """

    table: str | None = None
    tags: Sequence[str] | None = None
    time_column: str = TIME
    precision: str = "auto"
    known_tags: Mapping[str, Sequence[str]] | None = None


def read_file(
    path: Path,
    how: SourceFormat = SourceFormat(),
    *,
    from_ns: int | None = None,
    to_ns: int | None = None,
) -> Source:
    """Read a file: CSV, TSV, Parquet or a recording by its ending, line protocol otherwise; ``.gz`` is unpacked.

    Of a Parquet file only the row groups of the time range are read.

    Raises:
        LineProtocolError: lines cannot be read, or have no timestamp; each with line and column.
        InvalidInputError: the file cannot be read as what its ending says, or has no column of times.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_packed = bool(suffixes) and suffixes[-1] == ".gz"
    kind = ([*suffixes[:-1], ""] if is_packed else [*suffixes, ""])[
        -2 if len(suffixes) > is_packed else -1
    ]
    if kind == RECORDING_SUFFIX:
        recording = read_recording(path)
        return Source(
            name=path.name,
            steps=recording.steps,
            database=recording.database,
            started_ns=recording.started_ns,
        )
    if kind not in (".csv", ".tsv", ".parquet"):
        return read_data(_bytes(path, is_packed), how, name=path.name)
    try:
        table = (
            _parquet(path, how, from_ns, to_ns) if kind == ".parquet" else _csv(path, kind, is_packed)
        )
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise InvalidInputError(f"cannot read {str(path)!r}: {error}") from error
    return read_data(table, how, name=path.name, table=path.name.split(".")[0])


def read_data(
    data: Any, how: SourceFormat = SourceFormat(), *, name: str, table: str | None = None
) -> Source:
    """Read line protocol, an Arrow table or a DataFrame. ``table`` is what its table is called unless ``how`` says.

    Raises: as `read_file`.
    """
    precision = Precision.parse(how.precision)
    if isinstance(data, str | bytes):
        parsed = read_lines(data, precision=precision, default_time_ns=NO_TIME_NS)
        return Source(name=name, rows=_timed(parsed))
    table = how.table or table
    if table is None:
        raise InvalidInputError(f"rows of {name} need the name of their table; give table=...")
    parsed = read_table(
        data,
        table=table,
        tags=_tags(data, table, how),
        time_column=how.time_column,
        precision=precision,
        default_time_ns=NO_TIME_NS,
        time_required=True,
    )
    return Source(name=name, rows=_timed(parsed))


def read_query(engine: Engine, sql: str, database: str, how: SourceFormat = SourceFormat()) -> Source:
    """Read what a query of a database answers.

    The rows' table is ``how.table``, or else the first that the query names after FROM.

    Raises:
        DatabaseNotFoundError, QueryError: the query cannot be answered.
        InvalidInputError: its result has no column of times.
    """
    found = _FROM.search(sql)
    table = (found["quoted"] or found["plain"]) if found else None
    rows = engine.query(sql, database)
    attached = engine.attachments.find(database)
    named = how.table or table
    if attached is not None and how.tags is None and named is not None:
        there = attached.tags_of(named)
        if there:  # a server need not say in its results which columns are tags
            how = replace(how, tags=[name for name in there if name in rows.column_names])
    return read_data(rows, how, name=f"a query of {database}", table=table)


def _bytes(path: Path, is_packed: bool) -> bytes:
    """Return a file's content, unpacked.

    Raises: InvalidInputError: it cannot be read, or is longer than `MOST_BYTES`.
    """
    try:
        with cast("BinaryIO", gzip.open(path) if is_packed else path.open("rb")) as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInputError(f"cannot read {str(path)!r}: {error}") from error
    if len(data) > MOST_BYTES:
        raise InvalidInputError(
            f"cannot replay {str(path)!r}: it has more than {MOST_BYTES >> 30} GiB; split it, or make it a Parquet "
            "file, of which a range of time can be read"
        )
    return data


def _csv(path: Path, kind: str, is_packed: bool) -> pa.Table:
    from pyarrow import csv

    options = csv.ParseOptions(delimiter="\t" if kind == ".tsv" else ",")
    with pa.BufferReader(_bytes(path, is_packed)) as file:
        return csv.read_csv(file, parse_options=options)


def _parquet(path: Path, how: SourceFormat, from_ns: int | None, to_ns: int | None) -> pa.Table:
    import pyarrow.parquet as pq

    kind = pq.read_schema(path)
    position = kind.get_field_index(how.time_column)
    condition = None
    if position >= 0 and pa.types.is_timestamp(kind.field(position).type):
        column = pc.field(how.time_column).cast(pa.int64())
        unit_ns = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.field(position).type.unit]
        if from_ns is not None:
            condition = column >= -(-from_ns // unit_ns)
        if to_ns is not None:
            until = column < -(-to_ns // unit_ns)
            condition = until if condition is None else condition & until
    return pq.read_table(path, filters=condition)


def _tags(data: Any, table: str, how: SourceFormat) -> Sequence[str]:
    """Return the columns that are tags: those that were said, else the tags of the table, else categories."""
    if how.tags is not None:
        return how.tags
    if isinstance(data, pa.Table | pa.RecordBatch):
        columns = {field.name: pa.types.is_dictionary(field.type) for field in data.schema}
    else:
        kinds = getattr(data, "dtypes", {})
        columns = {str(name): str(kinds[name]) == "category" for name in getattr(data, "columns", ())}
    known = (how.known_tags or {}).get(table)
    if known is not None:
        return [name for name in known if name in columns]
    return [name for name, is_category in columns.items() if is_category]


def _timed(parsed: ParsedLines) -> ParsedLines:
    """Accept rows that all have a time.

    Raises: LineProtocolError, with the rows that cannot be read or have none.
    """
    errors = list(parsed.errors)
    for group in parsed.groups:
        for row in np.flatnonzero(group.times_ns < _NO_TIME_BELOW_NS)[:100].tolist():
            number = int(group.line_numbers[row])
            errors.append(
                LineError(
                    message="it has no timestamp; a replay has to know when a row came",
                    line_number=number,
                    original_line=parsed.original_line(number),
                )
            )
    if errors:
        raise LineProtocolError(tuple(sorted(errors, key=lambda error: error.line_number)))
    if not parsed.groups:
        raise InvalidInputError("there is nothing to replay: the source has no rows")
    return parsed
