"""What does ``system.parquet_files`` show?

Source: influxdb3_system_tables/src/parquet_files.rs.
Differs: the original lists files by the ids of other databases' tables, too; here the queried one's alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from procengine.bucket import LOCAL_PLACES, ParquetPlaces
from procengine.query.stored_rows import StoredRows

if TYPE_CHECKING:
    from procengine.catalog import Catalog


class ParquetFiles:
    """One row a Parquet file of the queried database; times are nanoseconds UTC."""

    name = "parquet_files"
    internal_only = False
    schema = pa.schema(
        [
            pa.field("table_name", pa.utf8(), nullable=False),
            pa.field("path", pa.utf8(), nullable=False),
            pa.field("size_bytes", pa.uint64(), nullable=False),
            pa.field("row_count", pa.uint64(), nullable=False),
            pa.field("min_time", pa.int64(), nullable=False),
            pa.field("max_time", pa.int64(), nullable=False),
        ]
    )

    def __init__(
        self,
        catalog: Catalog,
        view: Callable[[int], StoredRows],
        places: ParquetPlaces = LOCAL_PLACES,
    ) -> None:
        self._places = places
        self._catalog = catalog
        self._view = view

    def rows(self, database: str) -> pa.Table:
        """Return the files, table by table, older first."""
        found = self._catalog.find_database(database)
        tables = () if found is None else found.tables.values()
        rows = [
            {
                "table_name": table.name,
                "path": self._places.url(file.path),
                "size_bytes": file.size_bytes,
                "row_count": file.row_count,
                "min_time": file.min_time_ns,
                "max_time": file.max_time_ns,
            }
            for table in tables
            for file in self._view(table.id).files
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)
