"""How do commands query and show?

Source: influxdb3_commands/src/query.rs, influxdb3/src/commands/show.rs, show/system.rs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.cli.target import Target
from procengine.errors import InvalidInputError, ProcengineError, QueryError
from procengine.model.result_format import ResultFormat

NO_QUERY = "No input from stdin detected, no string was passed in, and no file path was given"
INTERNAL = "_internal"

SYSTEM_TABLES = """
WITH cols (table_name, column_name) AS (
  SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'system'
  ORDER BY table_name, column_name)
SELECT table_name, array_agg(column_name) AS column_names FROM cols GROUP BY table_name ORDER BY table_name
"""

PLUGIN_FILES = "SELECT * FROM system.plugin_files"
TOKENS = "SELECT * FROM system.tokens"

_UNITS_NS = (("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000))

_ORDER_OF_TABLE = {
    "last_caches": "count",
    "parquet_files": "size_bytes",
    "processing_engine_runs": "start_time DESC",
    "queries": "end2end_duration",
    "distinct_caches": "max_cardinality",
}


def query(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Run a query and return the result in a format, or put it into a file."""
    with surroundings.open_input(invocation["query"], invocation["file"], NO_QUERY) as source:
        text = source.read().decode(errors="replace")
    form = ResultFormat.parse(invocation["format"])
    _refuse_terminal(form, invocation, surroundings)
    found = target.query(invocation["database"], text, form, invocation["language"])
    return _formatted(found, form, invocation, surroundings)


def show_databases(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """List the databases by name."""
    form = ResultFormat.parse(invocation["format"])
    found = target.show_databases(form, deleted_too=invocation["show_deleted"])
    return _formatted([found], form, invocation, surroundings)


def show_plugins(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """List the files of plugins that triggers use."""
    return _rows(target, PLUGIN_FILES, INTERNAL, invocation, surroundings)


def show_tokens(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """List the tokens, without their texts."""
    return _rows(target, TOKENS, INTERNAL, invocation, surroundings)


def show_retention(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """List how long databases keep their rows.

    Differs: documentation shows tables too; the original's command shows databases, as this one.
    """
    return _rows(target, retention_sql(invocation["database"]), INTERNAL, invocation, surroundings)


def retention_sql(database: str | None) -> str:
    """Return the SQL that shows retention periods, in the largest unit that has no rest."""
    period = "CAST(retention_period_ns AS BIGINT)"  # of an unsigned number, a quotient is a decimal
    cases = [
        f"WHEN {period} % {size} = 0 THEN CAST({period} / {size} AS VARCHAR) || '{unit}'"
        for unit, size in _UNITS_NS
    ]
    chosen = "" if database is None else f" WHERE database_name = '{_escaped(database)}'"
    return (
        "SELECT database_name, CASE WHEN retention_period_ns IS NULL THEN 'infinite' "
        f"{' '.join(cases)} ELSE CAST({period} / 1000000000 AS VARCHAR) || 's' END "
        f"AS retention_period FROM system.databases{chosen} ORDER BY database_name"
    )


def show_system_table_list(
    target: Target, invocation: Invocation, surroundings: Surroundings
) -> CommandOutput:
    """List the system tables with their columns."""
    return _rows(target, SYSTEM_TABLES, invocation["database"], invocation, surroundings)


def show_system_table(
    target: Target, invocation: Invocation, surroundings: Surroundings
) -> CommandOutput:
    """Show rows of one system table.

    Raises: InvalidInputError, naming the tables there are.
    """
    table, database = invocation["system_table"], invocation["database"]
    sql = _system_sql(
        table,
        limit=invocation["limit"],
        select=invocation["select"],
        order_by=invocation["order_by"],
    )
    try:
        return _rows(target, sql, database, invocation, surroundings)
    except ProcengineError as error:
        known = _system_tables(target, database) if "not found" in str(error) else [table]
        if table in known:
            raise
        raise InvalidInputError(
            f"system table '{table}' not found: please use a valid system table name: {known}"
        ) from error


def show_system_summary(
    target: Target, invocation: Invocation, surroundings: Surroundings
) -> CommandOutput:
    """Show the first rows of every system table."""
    database, form = invocation["database"], ResultFormat.parse(invocation["format"])
    tables = _system_tables(target, database)

    def found() -> Iterator[bytes]:
        for number, table in enumerate(tables):
            yield f"{chr(10) if number else ''}{table} summary:\n".encode()
            yield from target.query(database, _system_sql(table, limit=invocation["limit"]), form, "sql")

    return _formatted(found(), form, invocation, surroundings)


def _rows(
    target: Target, sql: str, database: str, invocation: Invocation, surroundings: Surroundings
) -> CommandOutput:
    form = ResultFormat.parse(invocation["format"])
    _refuse_terminal(form, invocation, surroundings)
    return _formatted(target.query(database, sql, form, "sql"), form, invocation, surroundings)


def _formatted(
    pieces: Iterable[bytes], form: ResultFormat, invocation: Invocation, surroundings: Surroundings
) -> CommandOutput:
    _refuse_terminal(form, invocation, surroundings)
    path = invocation.values.get("output")
    if path is not None:
        surroundings.write_file(path, pieces)
        return CommandOutput()
    return CommandOutput(pieces=pieces, is_binary=form is ResultFormat.PARQUET)


def _refuse_terminal(form: ResultFormat, invocation: Invocation, surroundings: Surroundings) -> None:
    if (
        form is ResultFormat.PARQUET
        and invocation.values.get("output") is None
        and surroundings.is_terminal
    ):
        raise InvalidInputError(
            "cannot write parquet to a terminal, use `--output <file>` or pipe the output"
        )


def _system_tables(target: Target, database: str) -> list[str]:
    answer = b"".join(target.query(database, SYSTEM_TABLES, ResultFormat.JSON, "sql"))
    return [row["table_name"] for row in json.loads(answer)]


def _system_sql(
    table: str, *, limit: int, select: tuple[str, ...] = (), order_by: tuple[str, ...] = ()
) -> str:
    """Return the SQL that shows a system table."""
    order = ", ".join(order_by) or _ORDER_OF_TABLE.get(table, "")
    for text in (*select, *order_by):
        if ";" in text:
            raise QueryError(f"cannot use {text!r} as a column")
    quoted = table.replace('"', '""')
    parts = [f'SELECT {", ".join(select) or "*"} FROM system."{quoted}"']
    parts += [f"ORDER BY {order}"] if order else []
    parts += [f"LIMIT {limit}"] if limit else []
    return "\n".join(parts)


def _escaped(text: str) -> str:
    return text.replace("'", "''")
