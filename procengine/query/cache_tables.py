"""What do the system tables about caches show?

Source: influxdb3_system_tables/src/{last_caches,distinct_caches}.rs (columns, types, order).
Differs: column ids count the columns in the order of their creation, the time left out; the original's count the time
as well, which it has from the first row on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from procengine.model.table_schema import TableSchema

if TYPE_CHECKING:
    from procengine.catalog import Catalog, TableDefinition

_TEXT = pa.string_view()
_IDS = pa.list_(pa.field("item", pa.uint16()))
_NAMES = pa.list_(pa.field("item", _TEXT))


class LastCacheDefinitions:
    """``system.last_caches``: the last-value caches of the queried database.

    Value columns are NULL where a cache holds all columns that are no keys; the time is not listed.
    """

    name = "last_caches"
    internal_only = False
    schema = pa.schema(
        [
            pa.field("table", _TEXT, nullable=False),
            pa.field("name", _TEXT, nullable=False),
            pa.field("key_column_ids", _IDS, nullable=False),
            pa.field("key_column_names", _NAMES, nullable=False),
            pa.field("value_column_ids", _IDS),
            pa.field("value_column_names", _NAMES),
            pa.field("count", pa.uint64(), nullable=False),
            pa.field("ttl", pa.uint64(), nullable=False),
        ]
    )

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def rows(self, database: str) -> pa.Table:
        """Return one row a cache, table by table; ``ttl`` is seconds."""
        rows = [
            {
                "table": table.name,
                "name": cache.name,
                "key_column_ids": _ids(table.schema, cache.key_columns),
                "key_column_names": cache.key_columns,
                "value_column_ids": _ids(table.schema, cache.value_columns),
                "value_column_names": cache.value_columns,
                "count": cache.count,
                "ttl": cache.ttl_seconds,
            }
            for table in _tables(self._catalog, database)
            for cache in table.last_caches.values()
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)


class DistinctCacheDefinitions:
    """``system.distinct_caches``: the distinct-value caches of the queried database."""

    name = "distinct_caches"
    internal_only = False
    schema = pa.schema(
        [
            pa.field("table", _TEXT, nullable=False),
            pa.field("name", _TEXT, nullable=False),
            pa.field("column_ids", _IDS, nullable=False),
            pa.field("column_names", _NAMES, nullable=False),
            pa.field("max_cardinality", pa.uint64(), nullable=False),
            pa.field("max_age_seconds", pa.uint64(), nullable=False),
        ]
    )

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def rows(self, database: str) -> pa.Table:
        """Return one row a cache, table by table."""
        rows = [
            {
                "table": table.name,
                "name": cache.name,
                "column_ids": _ids(table.schema, cache.columns),
                "column_names": cache.columns,
                "max_cardinality": cache.max_cardinality,
                "max_age_seconds": cache.max_age_seconds,
            }
            for table in _tables(self._catalog, database)
            for cache in table.distinct_caches.values()
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)


def _tables(catalog: Catalog, database: str) -> Iterable[TableDefinition]:
    found = catalog.find_database(database)
    return () if found is None else found.tables.values()


def _ids(schema: TableSchema, names: Iterable[str] | None) -> list[int] | None:
    if names is None:
        return None
    ids = {column.name: number for number, column in enumerate(schema.columns)}
    return [ids[name] for name in names]
