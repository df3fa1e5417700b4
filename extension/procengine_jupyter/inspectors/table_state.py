"""Which tables are there and what is in them, as an inspector shows them?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from procengine.model.counted import counted
from procengine.model.names import INTERNAL_DATABASE
from procengine_jupyter.inspectors.actions import Action, Said
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.render.markup import Html, rows
from procengine_jupyter.render.phrases import instant
from procengine_jupyter.render.style import card, code
from procengine_jupyter.render.table_preview import TablePreview

if TYPE_CHECKING:
    from procengine.engine import Engine

PREVIEWED_ROWS = 20_000
"""Of how many of its newest rows a table's preview is."""

COLUMNS = {
    "database": pa.string(),
    "table": pa.string(),
    "columns": pa.int64(),
    "rows in memory": pa.int64(),
    "files": pa.int64(),
    "rows in files": pa.int64(),
    "bytes in files": pa.int64(),
    "first time (UTC)": pa.string(),
    "last time (UTC)": pa.string(),
}


class TableState(Inspected):
    """The tables of all databases or of one. Duplicates count as often as they are held."""

    def __init__(self, engine: Engine, database: str | None = None) -> None:
        self._engine = engine
        self._database = database

    def version(self) -> object:
        """Return where the rows and the catalog stand."""
        held = self._engine.write_buffer.statistics()
        return (
            self._engine.catalog.state.sequence_number,
            held.applied_sequence_number,
            held.snapshot_sequence_number,
            held.file_count,
        )

    def contents(self) -> Contents:
        """Return one row a table."""
        found = [
            (database.name, table)
            for database in self._engine.catalog.databases
            if database.name != INTERNAL_DATABASE and self._database in (None, database.name)
            for table in database.tables.values()
        ]
        lines = [self._line(database, table) for database, table in found]
        columns = {name: [line[name] for line in lines] for name in COLUMNS}
        title = f"tables of {self._database}" if self._database else "tables"
        return Contents(
            title=title,
            facts=[counted(len(found), "table")],
            table=pa.table(columns, schema=pa.schema(COLUMNS)),
            keys=[(database, table.name) for database, table in found],
            hint="no table yet; %%write DB makes one",
            missing="",
        )

    def detail(self, key: object) -> Html | None:
        """Return a table's columns."""
        assert isinstance(key, tuple)
        database = self._engine.catalog.find_database(key[0])
        table = database.tables.get(key[1]) if database is not None else None
        if table is None:
            return None
        lines: list[list[object]] = [[one.name, code(one.type.value)] for one in table.schema.columns]
        return card(
            f"{key[0]}.{key[1]}", rows([["time", code("time")], *lines], heads=["column", "type"])
        )

    def actions(self, key: object) -> Sequence[Action]:
        """Return the look into a table."""
        if not isinstance(key, tuple):
            return ()
        return [
            Action(
                name="preview",
                label="preview",
                about="plots of its numbers, and its newest rows",
                act=partial(self._preview, *key),
                waits=True,
            )
        ]

    def _preview(self, database: str, table: str, _said: Said) -> TablePreview:
        """Query the newest rows; on a thread of its own, as a large table takes its time."""
        quoted = table.replace('"', '""')
        sql = f'SELECT * FROM "{quoted}" ORDER BY time DESC LIMIT {PREVIEWED_ROWS + 1}'
        rows = self._engine.query(sql, database)
        return TablePreview(
            name=f"{database}.{table}",
            rows=rows.slice(0, PREVIEWED_ROWS),
            is_whole=rows.num_rows <= PREVIEWED_ROWS,
        )

    def _line(self, database: str, table: Any) -> dict[str, object]:
        view = self._engine.write_buffer.view(table.id)
        first_ns = [one.min_time_ns for one in view.files] + [one.min_time_ns for one in view.rows]
        last_ns = [one.max_time_ns for one in view.files] + [one.max_time_ns for one in view.rows]
        facts = [
            database,
            table.name,
            len(table.schema.columns) + 1,
            view.row_count,
            len(view.files),
            sum(file.row_count for file in view.files),
            sum(file.size_bytes for file in view.files),
            instant(min(first_ns)).removesuffix(" UTC") if first_ns else None,
            instant(max(last_ns)).removesuffix(" UTC") if last_ns else None,
        ]
        return dict(zip(COLUMNS, facts, strict=True))
