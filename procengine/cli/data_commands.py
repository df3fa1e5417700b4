"""How do commands write, query and show?

Source: influxdb3_commands/src/{write,query}.rs, influxdb3/src/commands/show.rs, show/system.rs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.errors import InvalidInputError, QueryError
from procengine.model.result_format import ResultFormat, format_result

if TYPE_CHECKING:
    from procengine.engine import Engine

NO_INPUT = "No input from stdin detected, no string was passed in, and no file path was given"

SYSTEM_TABLES = """
WITH cols (table_name, column_name) AS (
  SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'system'
  ORDER BY table_name, column_name)
SELECT table_name, array_agg(column_name) AS column_names FROM cols GROUP BY table_name ORDER BY table_name
"""

_ORDER_OF_TABLE = {
    "last_caches": "count",
    "parquet_files": "size_bytes",
    "processing_engine_runs": "start_time DESC",
    "queries": "end2end_duration",
    "distinct_caches": "max_cardinality",
}


def write(engine: Engine, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Write line protocol from the line, a file or the standard input, in pieces.

    Raises: LineProtocolError, PartialWriteError; the pieces before it are stored.
    """
    body = _input(invocation, "line_protocol", surroundings)
    started = time.perf_counter()
    pieces = line_count = 0
    for piece in split_lines(body, invocation["max_request_size"]):
        engine.write(
            invocation["database"],
            piece,
            precision=invocation["precision"] or "auto",
            accept_partial=invocation["accept_partial"],
            no_sync=invocation["no_sync"],
        )
        pieces += 1
        line_count += piece.count(b"\n") + (not piece.endswith(b"\n"))
    if invocation["quiet"]:
        return CommandOutput("")
    seconds = time.perf_counter() - started
    requests = "request" if pieces == 1 else "requests"
    return CommandOutput(
        "", f"  {seconds * 1000:.0f}ms: {pieces} {requests}, {line_count} lines, {len(body)} bytes"
    )


def split_lines(body: bytes, size: int) -> Iterator[bytes]:
    """Return a body in pieces of at most a size that end at newlines; a longer line is a piece of its own.

    Source: influxdb3_commands/src/write.rs, next_chunk_end.
    """
    start = 0
    while start < len(body):
        end = len(body)
        if end - start > size:
            newline = body.rfind(b"\n", start, start + size)
            newline = newline if newline >= 0 else body.find(b"\n", start)
            end = newline + 1 if newline >= 0 else end
        yield body[start:end]
        start = end


def query(engine: Engine, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Run SQL and return the result in a format, or put it into a file."""
    if invocation["language"] == "influxql":
        raise InvalidInputError("InfluxQL is not offered here; write the query in SQL")
    sql = _input(invocation, "query", surroundings).decode(errors="replace")
    result = engine.query(sql, invocation["database"])
    return _formatted(result, invocation, surroundings)


def _input(invocation: Invocation, key: str, surroundings: Surroundings) -> bytes:
    """Return what the command works on: said on the line, in a file, or piped."""
    if invocation[key] is not None:
        return str(invocation[key]).encode()
    if invocation["file"] is not None:
        return surroundings.read_file(invocation["file"])
    if surroundings.stdin is not None:
        return surroundings.stdin.encode()
    raise InvalidInputError(NO_INPUT)


def _formatted(result: pa.Table, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    form = ResultFormat.parse(invocation["format"])
    data = format_result(result, form)
    path = invocation.values.get("output")
    if path is not None:
        target = surroundings.folder / path
        try:
            target.write_bytes(data)
        except OSError as error:
            raise InvalidInputError(f"io error: {path!r}: {error.strerror}") from error
        return CommandOutput("")
    if form is ResultFormat.PARQUET:
        raise InvalidInputError(
            "cannot write parquet to a terminal, use `--output <file>` or pipe the output"
        )
    return CommandOutput(data.decode())


def show_databases(engine: Engine, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """List the databases by name."""
    state = engine.catalog.state
    found = [*engine.catalog.databases]
    if invocation["show_deleted"]:
        found += [each for each in state.databases_by_id.values() if each.deleted]
    found.sort(key=lambda database: database.name)
    columns = {"iox::database": pa.array([each.name for each in found], pa.utf8())}
    if invocation["show_deleted"]:
        columns["deleted"] = pa.array([each.deleted for each in found], pa.bool_())
    return _formatted(pa.table(columns), invocation, surroundings)


def show_system_table_list(
    engine: Engine, invocation: Invocation, surroundings: Surroundings
) -> CommandOutput:
    """List the system tables with their columns."""
    return _formatted(engine.query(SYSTEM_TABLES, invocation["database"]), invocation, surroundings)


def show_system_table(
    engine: Engine, invocation: Invocation, surroundings: Surroundings
) -> CommandOutput:
    """Show rows of one system table.

    Raises: InvalidInputError, naming the tables there are.
    """
    table, database = invocation["system_table"], invocation["database"]
    known = _system_tables(engine, database)
    if table not in known:
        raise InvalidInputError(
            f"system table '{table}' not found: please use a valid system table name: {known}"
        )
    sql = _system_sql(
        table,
        limit=invocation["limit"],
        select=invocation["select"],
        order_by=invocation["order_by"],
    )
    return _formatted(engine.query(sql, database), invocation, surroundings)


def show_system_summary(
    engine: Engine, invocation: Invocation, surroundings: Surroundings
) -> CommandOutput:
    """Show the first rows of every system table."""
    database, parts = invocation["database"], []
    for table in _system_tables(engine, database):
        result = engine.query(_system_sql(table, limit=invocation["limit"]), database)
        parts += [f"{table} summary:", _formatted(result, invocation, surroundings).text]
    return CommandOutput("\n".join(parts))


def _system_tables(engine: Engine, database: str) -> list[str]:
    return list(engine.query(SYSTEM_TABLES, database)["table_name"].to_pylist())


def _system_sql(
    table: str, *, limit: int, select: tuple[str, ...] = (), order_by: tuple[str, ...] = ()
) -> str:
    """Return the SQL that shows a system table."""
    order = ", ".join(order_by) or _ORDER_OF_TABLE.get(table, "")
    for text in (*select, *order_by):
        if ";" in text:
            raise QueryError(f"cannot use {text!r} as a column")
    parts = [f'SELECT {", ".join(select) or "*"} FROM system."{table}"']
    parts += [f"ORDER BY {order}"] if order else []
    parts += [f"LIMIT {limit}"] if limit else []
    return "\n".join(parts)
