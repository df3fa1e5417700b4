"""Which groups of lines does a table take, and what would the others be told?

A decision is taken once for each group, in the order of the groups' first lines. That is the order of the
lines, too: a group that was accepted stays good, for columns never change their type; one that was refused
stays bad, for limits only come nearer. What a refused line is told may change from line to line (a column
that clashes may have come in between), so its text is found for the tables as they were before it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np

from procengine.catalog.definitions import Database, TableDefinition
from procengine.catalog.evolution import Refusal, TypeOf, added_columns
from procengine.catalog.limits import Limits
from procengine.catalog.state import CatalogState
from procengine.errors import InvalidNameError, LineError
from procengine.model.column import TIME, Column, ColumnType
from procengine.model.line_group import LineGroup, ParsedLines
from procengine.model.names import INTERNAL_DATABASE, check_table_name


class TableDecision:
    """One table while a decision is taken: what the catalog has, and what good lines so far add.

    ``added_at`` gives the line that added a column, ``created_at`` the one that created the table.
    """

    __slots__ = ("added", "added_at", "created_at", "definition", "groups", "name")

    def __init__(self, name: str, definition: TableDefinition | None) -> None:
        self.name = name
        self.definition = definition
        self.groups: list[LineGroup] = []
        self.added: dict[str, Column] = {}
        self.added_at: dict[str, int] = {}
        self.created_at: int | None = None

    def accept(self, group: LineGroup, added: list[Column]) -> None:
        """Take a group and the columns that come with it."""
        line = int(group.line_numbers[0])
        if self.definition is None and self.created_at is None:
            self.created_at = line
        for column in added:
            self.added[column.name] = column
            self.added_at[column.name] = line
        self.groups.append(group)

    def has_all(self, columns: tuple[Column, ...]) -> bool:
        """Whether the catalog has all columns with these types, and none comes twice."""
        if self.definition is None:
            return False
        type_of = self.definition.schema.type_of
        names = set()
        for column in columns:
            if type_of(column.name) is not column.type:
                return False
            names.add(column.name)
        return len(names) == len(columns)

    def exists_before(self, line: int) -> bool:
        """Whether the table is there when a line is read."""
        return self.definition is not None or (self.created_at is not None and self.created_at < line)

    def additions_before(
        self, line: int, columns: tuple[Column, ...], limits: Limits
    ) -> list[Column] | Refusal:
        """Return what columns would add when a line is read, or why they are refused."""
        schema = None if self.definition is None else self.definition.schema
        added_before = sum(at < line for at in self.added_at.values())

        def type_of(name: str) -> ColumnType | None:
            if name in self.added:
                return self.added[name].type if self.added_at[name] < line else None
            if name == TIME:
                return ColumnType.TIME if self.exists_before(line) else None
            return None if schema is None else schema.type_of(name)

        held = added_before + (0 if schema is None else len(schema.columns))
        return _line_additions(columns, type_of, room=limits.columns_per_table - held, limits=limits)


class Decision:
    """The good groups of a body by table, and the refused ones, against one state of the catalog.

    ``accepted`` are the tables with good lines, in first-seen order.
    """

    def __init__(
        self, state: CatalogState, known: Database | None, database: str, limits: Limits
    ) -> None:
        self._state = state
        self._known = known
        self._counts_tables = database != INTERNAL_DATABASE
        self._limits = limits
        self._tables: dict[str, TableDecision] = {}
        self._created_at: list[int] = []
        self.accepted: list[TableDecision] = []
        self.refused: list[tuple[LineGroup, TableDecision]] = []

    def take(self, parsed: ParsedLines) -> None:
        """Decide about every group."""
        known = self._known
        for group in parsed.groups:
            table = self._tables.get(group.table)
            if table is None:
                definition = None if known is None else known.tables.get(group.table)
                table = self._tables[group.table] = TableDecision(group.table, definition)
            if table.has_all(group.columns):
                self._accept(group, table, [])
            else:
                self._take_new(group, table)

    @property
    def creates_database(self) -> bool:
        """Whether the good lines, if any, need a new database."""
        return self._known is None and bool(self.accepted)

    @property
    def additions(self) -> dict[str, list[Column]]:
        """The columns that good lines add, by table."""
        return {
            table.name: [*table.added.values()]
            for table in self.accepted
            if table.added or table.definition is None
        }

    @property
    def creates_something(self) -> bool:
        """Whether the catalog lacks something that good lines need."""
        return any(table.added or table.created_at is not None for table in self._tables.values())

    def fits(self, database: Database) -> bool:
        """Whether a database, after the commit, has every column of every good line."""
        return all(
            TableDecision(table.name, database.tables.get(table.name)).has_all(group.columns)
            for table in self.accepted
            for group in table.groups
        )

    def errors(self, parsed: ParsedLines) -> tuple[LineError, ...]:
        """Return the refused lines, the reader's and ours, by number."""
        errors = [*parsed.errors]
        for group, table in self.refused:
            for lines, refusal in self._refusals(group, table):
                errors += [
                    LineError(
                        message=refusal.message,
                        line_number=line,
                        original_line=parsed.original_line(line),
                        limit=refusal.limit,
                    )
                    for line in lines
                ]
        return tuple(sorted(errors, key=lambda error: error.line_number))

    def _take_new(self, group: LineGroup, table: TableDecision) -> None:
        added = self._additions_before(int(group.line_numbers[0]), group, table)
        if isinstance(added, Refusal):
            self.refused.append((group, table))
            return
        if table.definition is None and table.created_at is None:
            self._created_at.append(int(group.line_numbers[0]))
        self._accept(group, table, added)

    def _accept(self, group: LineGroup, table: TableDecision, added: list[Column]) -> None:
        if not table.groups:
            self.accepted.append(table)
        table.accept(group, added)

    def _additions_before(
        self, line: int, group: LineGroup, table: TableDecision
    ) -> list[Column] | Refusal:
        if not table.exists_before(line):
            refusal = self._table_refusal(line, table.name)
            if refusal is not None:
                return refusal
        return table.additions_before(line, group.columns, self._limits)

    def _table_refusal(self, line: int, name: str) -> Refusal | None:
        """Why a line cannot create a table."""
        if self._counts_tables:
            current = self._state.table_count + bisect_left(self._created_at, line)
            if current >= self._limits.tables:
                return Refusal(message=str(self._limits.too_many_tables(current)), limit=True)
        try:
            check_table_name(name)
        except InvalidNameError as error:
            return Refusal(message=str(error))
        return None

    def _refusals(self, group: LineGroup, table: TableDecision) -> Iterator[tuple[list[int], Refusal]]:
        """Yield a refused group's lines with the reasons, parted where tables changed in between."""
        changes = {*table.added_at.values(), *self._created_at}
        numbers = group.line_numbers
        cuts = np.searchsorted(numbers, sorted(changes))
        for lines in np.split(numbers, np.unique(cuts[(cuts > 0) & (cuts < len(numbers))])):
            refusal = self._additions_before(int(lines[0]), group, table)
            if isinstance(refusal, Refusal):
                yield lines.tolist(), refusal


def _line_additions(
    columns: tuple[Column, ...], type_of: TypeOf, *, room: int, limits: Limits
) -> list[Column] | Refusal:
    """Return the columns that a line adds, or the first reason to refuse it, in the order of its columns."""
    repeated = _first_repeated(columns)
    upto = len(columns) if repeated is None else repeated + 1
    added = added_columns(columns[:upto], type_of, room=room, limits=limits)
    if repeated is None or isinstance(added, Refusal):
        return added
    column = columns[repeated]
    if column.type is ColumnType.TAG:
        return Refusal(message=f"Must not contain duplicate tags, but `{column.name}` was repeated")
    return Refusal(message=f"invalid line protocol - multiple instances of '{column.name}' field found")


def _first_repeated(columns: tuple[Column, ...]) -> int | None:
    """Return the index of the first column whose name came before."""
    names: set[str] = set()
    for index, column in enumerate(columns):
        if column.name in names:
            return index
        names.add(column.name)
    return None
