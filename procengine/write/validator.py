"""Which lines of a body can be stored, and what must the catalog have for them?

The decision is taken against one state of the catalog (`procengine.write.decision`). Only what good lines
need is then created, in one commit, before any row is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.catalog.catalog import Catalog
from procengine.catalog.definitions import Database
from procengine.catalog.state import CatalogState
from procengine.errors import InvalidInputError, LimitExceededError, LineError, LineProtocolError
from procengine.model.line_group import ParsedLines
from procengine.model.table_rows import TableRows
from procengine.model.write_result import WriteResult
from procengine.write.decision import Decision, TableDecision
from procengine.write.merged_rows import merge_groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """What is to be stored: rows, one entry a table in first-seen order, ready for the log.

    ``result`` says the same in numbers, with what was created and which lines were rejected; its
    ``wal_sequence_number`` is None.
    """

    rows: tuple[TableRows, ...]
    result: WriteResult

    @property
    def errors(self) -> tuple[LineError, ...]:
        """The rejected lines, by line number."""
        return self.result.errors


def validate(
    parsed: ParsedLines,
    *,
    catalog: Catalog,
    database: str,
    accept_partial: bool,
    depth: int = 0,
    from_plugin: bool = False,
) -> Validated:
    """Decide which lines are good, create what they need, and return their rows.

    The first line that has a column fixes its type. With ``accept_partial``, bad lines are left out and
    reported; without, one bad line rejects them all and nothing is created. ``depth`` goes into the rows.
    The caller has checked the database's name, ``from_plugin`` says by which rule. Any thread.

    Raises:
        LineProtocolError: a line is bad and ``accept_partial`` is false; all bad lines are in it.
        InvalidInputError: there is no line at all, or the database's name is that of a deleted one.
        LimitExceededError: the database would be one too many.
        StorageError: the catalog could not be written.

    Source: influxdb3_write/src/write_buffer/validator.rs.
    Differs: the original lets rejected lines create columns, tables and the database (fixed in 3.11.2).
    """
    while True:
        state, known = _open_database(parsed, catalog, database)
        decision = Decision(state, known, database, catalog.limits)
        decision.take(parsed)
        errors = decision.errors(parsed) if decision.refused or parsed.errors else ()
        if errors and not accept_partial:
            raise LineProtocolError(errors)
        if decision.creates_something:
            try:
                known = catalog.evolve(database, decision.additions, from_plugin=from_plugin)
            except (InvalidInputError, LimitExceededError):
                if catalog.sequence_number == state.sequence_number:
                    raise
                continue  # another write was faster: decide again on what it left
            if not decision.fits(known):
                continue
        return _validated(decision, known, database, errors, depth)


def check(parsed: ParsedLines, *, catalog: Catalog, database: str) -> tuple[LineError, ...]:
    """Return the lines that `validate` would reject at this moment, by number; nothing is changed.

    Raises:
        InvalidInputError, LimitExceededError: as `validate` does for the database as a whole.
    """
    state, known = _open_database(parsed, catalog, database)
    decision = Decision(state, known, database, catalog.limits)
    decision.take(parsed)
    return decision.errors(parsed)


def _open_database(
    parsed: ParsedLines, catalog: Catalog, database: str
) -> tuple[CatalogState, Database | None]:
    if not parsed.groups and not parsed.errors:
        raise InvalidInputError("incoming write was empty")
    state = catalog.state
    known = state.databases.get(database)
    if known is None:
        catalog.find_writable_database(database)
        if state.database_count >= catalog.limits.databases:
            raise catalog.limits.too_many_databases()
    return state, known


def _validated(
    decision: Decision,
    known: Database | None,
    database: str,
    errors: tuple[LineError, ...],
    depth: int,
) -> Validated:
    tables = decision.accepted
    rows = () if known is None else tuple([_rows(table, known, depth) for table in tables])
    result = WriteResult(
        database=database,
        tables={one.table: one.row_count for one in rows},
        new_database=decision.creates_database,
        new_tables=tuple([table.name for table in tables if table.definition is None]),
        new_columns=tuple([(table.name, column) for table in tables for column in table.added.values()]),
        errors=errors,
    )
    return Validated(rows=rows, result=result)


def _rows(table: TableDecision, database: Database, depth: int) -> TableRows:
    merged = merge_groups(table.groups)
    return TableRows(
        database_id=database.id,
        table_id=database.tables[table.name].id,
        database=database.name,
        table=table.name,
        batch=merged.batch,
        shapes=merged.shapes,
        shape_of_row=merged.shape_of_row,
        depth=depth,
    )
