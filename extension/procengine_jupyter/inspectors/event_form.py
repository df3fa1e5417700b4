"""What does a form ask for to fire a trigger, and which event does it say?

The same words as those of ``%fire``, one field each: rows for a write trigger, a time for a schedule, a request.
"""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl

from IPython.core.error import UsageError

from procengine.model.column import ColumnType
from procengine.model.line_builder import LineBuilder
from procengine.model.trigger import Trigger, TriggerKind
from procengine.model.trigger_spec import RequestSpec, TableSpec, parse_trigger_spec
from procengine_jupyter.grammar import METHODS, PRECISIONS
from procengine_jupyter.inspectors.actions import Field, Said
from procengine_jupyter.usage import header

if TYPE_CHECKING:
    from procengine.engine import Engine

T = TypeVar("T")

_ADD: Mapping[ColumnType, Callable[[LineBuilder, str], object]] = {
    ColumnType.TAG: lambda line, name: line.tag(name, "x"),
    ColumnType.STRING: lambda line, name: line.string_field(name, "text"),
    ColumnType.INTEGER: lambda line, name: line.int64_field(name, 1),
    ColumnType.UINTEGER: lambda line, name: line.uint64_field(name, 1),
    ColumnType.FLOAT: lambda line, name: line.float64_field(name, 1.5),
    ColumnType.BOOLEAN: lambda line, name: line.bool_field(name, True),
}
"""Adds a column of a type to an example of a line."""


def event_fields(engine: Engine, trigger: Trigger) -> Sequence[Field]:
    """Return what has to be said to fire a trigger of its kind."""
    spec = parse_trigger_spec(trigger.spec)
    match spec.kind:
        case TriggerKind.WRITE:
            table = spec.table if isinstance(spec, TableSpec) else None
            rows = Field(
                name="lp",
                label="line protocol",
                lines=4,
                example=_example_line(engine, trigger.database, table),
            )
            return [rows, Field(name="precision", label="precision", choices=PRECISIONS)]
        case TriggerKind.SCHEDULE:
            return [Field(name="at", label="time", value="now", example="now, or 2022-12-31T00:00:00Z")]
        case TriggerKind.REQUEST:
            path = spec.path if isinstance(spec, RequestSpec) else ""
            return [
                Field(name="method", label=f"/api/v3/engine/{path}", choices=METHODS),
                Field(name="param", label="query", example="room=Attic&limit=3"),
                Field(name="header", label="headers", lines=2, example="Content-Type: application/json"),
                Field(name="body", label="body", lines=3, example='{"room": "Attic"}'),
            ]


def words_of(said: Said) -> Namespace:
    """Return what a form says as ``%fire`` would have read it.

    Raises: UsageError for what cannot be read.
    """
    return Namespace(
        lp=said.get("lp"),
        precision=said.get("precision", PRECISIONS[0]),
        at=(said.get("at") or "").strip() or None,
        method=said.get("method"),
        param=parse_qsl(said.get("param", "").strip().removeprefix("?"), keep_blank_values=True),
        header=[_read(header, line) for line in said.get("header", "").splitlines() if line.strip()],
        body=said.get("body") or None,
    )


def _read(read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except argparse.ArgumentTypeError as error:
        raise UsageError(str(error)) from error


def _example_line(engine: Engine, database: str, table_name: str | None) -> str:
    """Return a line that the table would take, or the database's first table."""
    known = engine.catalog.find_database(database)
    tables = known.tables if known is not None else {}
    table = tables.get(table_name) if table_name is not None else next(iter(tables.values()), None)
    if table is None:
        return f"{table_name or 'home'},room=Attic temp=21.5"
    line = LineBuilder(table.name)
    for column in table.schema.columns:
        add = _ADD.get(column.type)
        if add is not None:
            add(line, column.name)
    return line.build()
