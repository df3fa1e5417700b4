"""Which events make a database have the tables and columns that a write needs, and what forbids them?

Pure functions over states. The texts are the original's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from procengine.catalog.limits import Limits
from procengine.catalog.state import CatalogState
from procengine.errors import InvalidInputError, InvalidNameError, LimitExceededError
from procengine.model.catalog_event import CatalogEvent, ColumnsAdded, DatabaseCreated, TableCreated
from procengine.model.column import Column, ColumnType
from procengine.model.names import (
    INTERNAL_DATABASE,
    check_column_name,
    check_database_name,
    check_table_name,
)

TypeOf = Callable[[str], ColumnType | None]
"""Gives the type of a column that exists, else None."""


def type_conflict_text(name: str, *, expected: ColumnType, got: ColumnType) -> str:
    """Return the text for a column that exists with another type.

    Source: influxdb3_catalog/src/error.rs, InvalidColumnType.
    """
    return f"invalid column type for column '{name}', expected {expected.iox_name}, got {got.iox_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a line's columns cannot be taken; ``limit`` when a limit was reached."""

    message: str
    limit: bool = False


def added_columns(
    columns: Sequence[Column], type_of: TypeOf, *, room: int, limits: Limits
) -> list[Column] | Refusal:
    """Return the columns that a table lacks, or the first reason to refuse one, in their order.

    ``type_of`` knows ``time`` once the table exists; ``room`` is how many columns may be added.

    Source: influxdb3_catalog, DatabaseCatalogTransaction::column_or_create.
    """
    added: dict[str, Column] = {}
    for column in columns:
        known = type_of(column.name)
        if known is None and column.name in added:
            known = added[column.name].type
        if known is column.type:
            continue
        if known is not None:
            return Refusal(message=type_conflict_text(column.name, expected=known, got=column.type))
        try:
            check_column_name(column.name)
        except InvalidNameError as error:
            return Refusal(message=str(error))
        if len(added) >= room:
            return Refusal(message=str(limits.too_many_columns()), limit=True)
        added[column.name] = column
    return [*added.values()]


def evolution_events(
    state: CatalogState,
    database: str,
    additions: Mapping[str, Iterable[Column]],
    *,
    limits: Limits,
    from_plugin: bool,
) -> list[CatalogEvent]:
    """Return the events that add what is missing; none when everything is there.

    Raises:
        InvalidInputError: a name is not allowed, or a column exists with another type.
        LimitExceededError: a limit would be exceeded.
    """
    known = state.databases.get(database)
    events: list[CatalogEvent] = []
    if known is None:
        events.append(new_database_event(state, database, limits=limits, from_plugin=from_plugin))
    database_id = state.next_database_id if known is None else known.id
    created = 0
    for table, columns in additions.items():
        definition = None if known is None else known.tables.get(table)
        if definition is None:
            if database != INTERNAL_DATABASE and state.table_count + created >= limits.tables:
                raise limits.too_many_tables(state.table_count + created)
            table_id = state.next_table_id + created
            created += 1
            events.append(_new_table(database_id, database, table_id, table, columns, limits=limits))
            continue
        schema = definition.schema
        room = limits.columns_per_table - len(schema.columns)
        added = _accepted(added_columns([*columns], schema.type_of, room=room, limits=limits))
        if added:
            events.append(
                ColumnsAdded(
                    database_id=database_id,
                    database=database,
                    table_id=definition.id,
                    table=table,
                    columns=tuple(added),
                )
            )
    return events


def new_database_event(
    state: CatalogState,
    database: str,
    *,
    limits: Limits,
    from_plugin: bool = False,
    retention_period_ns: int | None = None,
) -> DatabaseCreated:
    """Return the event that creates a database; its name must be free.

    Raises:
        InvalidNameError: the name is not allowed.
        LimitExceededError: there are as many databases as may be.
    """
    check_database_name(database, from_plugin=from_plugin)
    if state.database_count >= limits.databases:
        raise limits.too_many_databases()
    return DatabaseCreated(
        database_id=state.next_database_id, database=database, retention_period_ns=retention_period_ns
    )


def _new_table(
    database_id: int,
    database: str,
    table_id: int,
    table: str,
    columns: Iterable[Column],
    *,
    limits: Limits,
) -> TableCreated:
    check_table_name(table)
    added = _accepted(
        added_columns([*columns], _no_column, room=limits.columns_per_table, limits=limits)
    )
    return TableCreated(
        database_id=database_id,
        database=database,
        table_id=table_id,
        table=table,
        columns=tuple(added),
    )


def _no_column(name: str) -> ColumnType | None:  # noqa: ARG001 the type of a new table's every column
    return None


def _accepted(added: list[Column] | Refusal) -> list[Column]:
    if isinstance(added, Refusal):
        raise (LimitExceededError if added.limit else InvalidInputError)(added.message)
    return added
