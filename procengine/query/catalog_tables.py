"""What do the system tables about the catalog show?

Source: influxdb3_system_tables/src/{influxdb_schema,databases,tables,nodes,generations}.rs (columns, types, order).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from procengine.model.table_schema import TIME_COLUMN

if TYPE_CHECKING:
    from procengine.catalog import Catalog, Database, TableDefinition

_TEXT = pa.string_view()
_DELETION = pa.timestamp("s", "UTC")
_SECOND_NS = 1_000_000_000


def _schema(*columns: tuple[str, pa.DataType], nullable: Sequence[str] = ()) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=name in nullable) for name, kind in columns])


class InfluxdbSchema:
    """``system.influxdb_schema``: one row a column of the queried database, the time included."""

    name = "influxdb_schema"
    internal_only = False
    schema = _schema(("measurement", _TEXT), ("key", _TEXT), ("data_type", _TEXT))

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def rows(self, database: str) -> pa.Table:
        """Return the columns, table by table, in the order of their creation; the time is last."""
        found = self._catalog.find_database(database)
        tables = () if found is None else found.tables.values()
        rows = [
            {"measurement": table.name, "key": column.name, "data_type": column.type.value}
            for table in tables
            for column in (*table.schema.columns, TIME_COLUMN)
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)


class Databases:
    """``system.databases`` of ``_internal``: one row a database, deleted ones included."""

    name = "databases"
    internal_only = True
    schema = _schema(
        ("database_name", _TEXT),
        ("retention_period_ns", pa.uint64()),
        ("deleted", pa.bool_()),
        ("hard_deletion_time", _DELETION),
        nullable=("retention_period_ns", "hard_deletion_time"),
    )

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def rows(self, database: str) -> pa.Table:  # noqa: ARG002
        """Return the databases in the order of their creation."""
        rows = [
            {
                "database_name": one.name,
                "retention_period_ns": one.retention_period_ns,
                "deleted": one.deleted,
                "hard_deletion_time": _seconds(one.hard_deletion_time_ns),
            }
            for one in self._catalog.state.databases_by_id.values()
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)


class Tables:
    """``system.tables`` of ``_internal``: one row a table of any database, deleted ones included."""

    name = "tables"
    internal_only = True
    schema = _schema(
        ("database_name", _TEXT),
        ("table_name", _TEXT),
        ("column_count", pa.uint64()),
        ("series_key_columns", _TEXT),
        ("last_cache_count", pa.uint64()),
        ("distinct_cache_count", pa.uint64()),
        ("deleted", pa.bool_()),
        ("hard_deletion_time", _DELETION),
        nullable=("hard_deletion_time",),
    )

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def rows(self, database: str) -> pa.Table:  # noqa: ARG002
        """Return the tables, database by database; the time counts as a column."""
        rows = [
            {
                "database_name": database.name,
                "table_name": table.name,
                "column_count": len(table.schema.columns) + 1,
                "series_key_columns": ", ".join(table.schema.series_key),
                "last_cache_count": len(table.last_caches),
                "distinct_cache_count": len(table.distinct_caches),
                "deleted": table.deleted,
                "hard_deletion_time": _seconds(table.hard_deletion_time_ns),
            }
            for database, table in self._tables()
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)

    def _tables(self) -> Iterator[tuple[Database, TableDefinition]]:
        for database in self._catalog.state.databases_by_id.values():
            for table in database.tables_by_id.values():
                yield database, table


class Nodes:
    """``system.nodes`` of ``_internal``: this engine, the only node. ``started_ns`` is nanoseconds UTC."""

    name = "nodes"
    internal_only = True
    schema = _schema(
        ("node_id", _TEXT),
        ("node_catalog_id", pa.uint32()),
        ("instance_id", _TEXT),
        ("mode", pa.list_(pa.field("item", _TEXT))),
        ("core_count", pa.uint64()),
        ("state", _TEXT),
        ("updated_at", pa.timestamp("ms")),
        ("cli_params", _TEXT),
        nullable=("updated_at", "cli_params"),
    )

    def __init__(self, catalog: Catalog, *, modes: Sequence[str], started_ns: int) -> None:
        self._catalog = catalog
        self._modes = list(modes)
        self._started_ns = started_ns

    def rows(self, database: str) -> pa.Table:  # noqa: ARG002
        """Return the one row."""
        row = {
            "node_id": self._catalog.node_id,
            "node_catalog_id": 0,
            "instance_id": self._catalog.instance_id,
            "mode": self._modes,
            "core_count": os.cpu_count() or 1,
            "state": "running",
            "updated_at": self._started_ns // 1_000_000,
        }
        return pa.Table.from_pylist([row], schema=self.schema)


class GenerationDurations:
    """``system.generation_durations`` of ``_internal``: how much time a chunk of level 1 covers."""

    name = "generation_durations"
    internal_only = True
    schema = _schema(("level", pa.uint8()), ("duration_seconds", pa.uint64()))

    def __init__(self, gen1_duration_ns: int) -> None:
        self._gen1_duration_ns = gen1_duration_ns

    def rows(self, database: str) -> pa.Table:  # noqa: ARG002
        """Return the one level."""
        row = {"level": 1, "duration_seconds": self._gen1_duration_ns // _SECOND_NS}
        return pa.Table.from_pylist([row], schema=self.schema)


def _seconds(instant_ns: int | None) -> int | None:
    return None if instant_ns is None else instant_ns // _SECOND_NS
