"""What does one statement see?

A database at one instant: each table's rows are looked at once, so that all mentions of a table, and both
plannings of a statement, see the same. Tables with many rows are first planned as if empty; the plan then says
which rows it wants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from procengine.query.called_caches import CacheHolders, CalledCaches
from procengine.query.scan_bounds import EVERYTHING, ScanBounds
from procengine.query.stored_rows import StoredRows
from procengine.query.system_table import SystemTable
from procengine.query.table_scan import TableScan, TableScans

if TYPE_CHECKING:
    from procengine.catalog import Database
    from procengine.model.table_schema import TableSchema

PLAN_TWICE_ROWS = 20_000
"""From how many buffered rows on a table's bounds are read off a first plan; below, scanning all costs less."""

PLAN_TWICE_FILES = 4
"""The same for Parquet files, which DataFusion prunes by itself, but only after it has looked at each."""


class Statement:
    """The tables of one statement. One thread's while it is planned; DataFusion's own ask while it runs.

    ``calls`` are its calls of cache functions.
    ``missed`` holds the tables that were asked for without having been prepared: they were answered with their
    columns and no rows. While a plan runs that is right, information_schema wants no more.
    """

    def __init__(
        self,
        database: Database,
        *,
        view: Callable[[int], StoredRows],
        system_tables: Mapping[str, SystemTable],
        scans: TableScans,
        caches: CacheHolders,
    ) -> None:
        self.database = database
        self.system_tables = system_tables
        self.missed: set[str] = set()
        self.calls = CalledCaches(database, caches, scans)
        self._view = view
        self._scans = scans
        self._rows: dict[str, StoredRows] = {}
        self._ready: dict[str, TableScan] = {}
        self._placeholders: dict[str, TableScan] = {}
        self._columns: dict[str, Any] = {}
        self._system_ready: dict[str, TableScan] = {}
        self._system_columns: dict[str, Any] = {}
        self._temporary: dict[str, TableScan] = {}

    @property
    def table_names(self) -> list[str]:
        """The tables of the default schema."""
        return [*self.database.tables, *self._temporary]

    @property
    def is_undecided(self) -> bool:
        """Whether there are tables that are planned as if empty until their bounds are known."""
        return bool(self._placeholders)

    @property
    def schemas(self) -> dict[str, TableSchema]:
        """The schemas of the tables that were looked at."""
        return {name: rows.schema for name, rows in self._rows.items()}

    def rows(self, name: str) -> StoredRows | None:
        """Return the rows of a table of the default schema as the statement sees them; None without such a table.

        Nothing is made ready.
        """
        known = self._rows.get(name)
        definition = self.database.tables.get(name)
        if known is None and definition is not None:
            known = self._rows[name] = self._view(definition.id)
        return known

    @property
    def file_count(self) -> int:
        """How many Parquet files the tables that are ready are made of."""
        return sum(scan.file_count for scan in self._ready.values())

    @property
    def has_few_rows(self) -> bool:
        """Whether the tables that are ready hold few rows, and no others are to come."""
        return self._row_count(self.calls.row_count) < PLAN_TWICE_ROWS

    @property
    def wants_one_thread(self) -> bool:
        """Whether one thread should run a plan: few rows are done sooner so, and distinct values keep their order."""
        return self._row_count(self.calls.unordered_row_count) < PLAN_TWICE_ROWS

    def _row_count(self, called: int) -> float:
        """Return how many rows there are with those of ``called`` caches; where that is not known, very many."""
        if self.file_count or len(self._placeholders) > sum(
            name in self._ready for name in self._placeholders
        ):
            return inf
        return sum(scan.buffered_row_count for scan in self._ready.values()) + called

    def prepare(self, names: Iterable[str]) -> None:
        """Look at tables, make those ready that are small, and let the others be undecided."""
        for name in names:
            definition = self.database.tables.get(name)
            rows = self.rows(name)
            if rows is None or definition is None or name in self._ready or name in self._placeholders:
                continue
            if _is_small(rows):
                self._ready[name] = self._scans.of_rows(rows, EVERYTHING)
            else:
                columns = self._scans.columns_of(definition.id, rows.schema)
                self._placeholders[name] = TableScan(table=columns)

    def let_go(self, names: Iterable[str]) -> None:
        """Take `prepare` back for tables that a text only mentions."""
        for name in names:
            for known in (self._rows, self._ready, self._placeholders):
                known.pop(name, None)

    def prepare_system(self, names: Iterable[str]) -> None:
        """Make system tables ready."""
        for name in names:
            table = self.system_tables.get(name)
            if table is not None and name not in self._system_ready:
                self._system_ready[name] = self._scans.of_arrow(table.rows(self.database.name))

    def prepare_columns(self) -> None:
        """Let information_schema see all tables as such; what it is handed later, while a plan runs, is a view."""
        for name, definition in self.database.tables.items():
            if name not in self._ready and name not in self._placeholders:
                self._columns[name] = self._scans.columns_of(definition.id, definition.schema)
        for name, table in self.system_tables.items():
            self._system_columns[name] = self._scans.of_columns(table.schema)

    def prepare_missed(self) -> bool:
        """Prepare what was asked for unprepared, and tell whether there was any."""
        missed, self.missed = self.missed, set()
        self.prepare(missed)
        self.prepare_system(missed)
        return self.calls.prepare_missed() or bool(missed)

    def decide(self, bounds: Mapping[str, ScanBounds]) -> None:
        """Make the undecided tables ready with the rows that a plan wants: all, where it does not say."""
        for name in self._placeholders:
            self._ready[name] = self._scans.of_rows(self._rows[name], bounds.get(name, EVERYTHING))

    def undecide(self) -> None:
        """Take `decide` back, for another text."""
        for name in self._placeholders:
            self._ready.pop(name, None)
        self.calls.undecide()

    def add_temporary(self, name: str, rows: pa.Table) -> None:
        """Add a table to the default schema that exists for this statement alone."""
        self._temporary[name] = self._scans.of_arrow(rows)

    def table(self, name: str) -> Any:
        """Return a DataFusion table of the default schema, or None."""
        for known in (self._ready, self._placeholders, self._temporary):
            if name in known:
                return known[name].table
        if name in self._columns:
            self.missed.add(name)
            return self._columns[name]
        definition = self.database.tables.get(name)
        return None if definition is None else self._miss(name, definition.schema.arrow_schema)

    def system_table(self, name: str) -> Any:
        """Return a DataFusion table of the schema ``system``, or None."""
        if name in self._system_ready:
            return self._system_ready[name].table
        if name in self._system_columns:
            self.missed.add(name)
            return self._system_columns[name]
        table = self.system_tables.get(name)
        return None if table is None else self._miss(name, table.schema)

    def _miss(self, name: str, schema: pa.Schema) -> Any:
        self.missed.add(name)
        return self._scans.empty_view(schema)


def _is_small(rows: StoredRows) -> bool:
    return rows.row_count < PLAN_TWICE_ROWS and len(rows.files) < PLAN_TWICE_FILES
