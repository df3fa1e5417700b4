"""A catalog of two tables, and ways to fill and read a write buffer."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from procengine.file_system import FileSystem
from procengine.model.column import Column, ColumnType
from procengine.model.table_rows import TableRows, WalContents
from procengine.model.table_schema import TableSchema
from procengine.write.buffered_rows import complete
from procengine.write.merge_duplicates import merge_duplicates
from procengine.write.table_view import TableView
from procengine.write.write_buffer import WriteBuffer
from tests.some_rows import some_rows

FOLDER = Path("/tables")
HOME = TableSchema((Column("room", ColumnType.TAG), Column("temp", ColumnType.FLOAT)))
MINUTE_NS = 60 * 10**9
Cell = tuple[object, ...]


@dataclass
class Definition:
    schema: TableSchema


class SmallCatalog:
    """Tables 1 and 2, of the same columns."""

    def __init__(self) -> None:
        self.tables = {1: Definition(HOME), 2: Definition(HOME)}

    def table_by_id(self, table_id: int) -> tuple[object, Definition] | None:
        definition = self.tables.get(table_id)
        return None if definition is None else (None, definition)


def contents(sequence_number: int, *rows: TableRows) -> WalContents:
    return WalContents(sequence_number=sequence_number, persisted_ns=0, rows=rows)


def apply(
    buffer: WriteBuffer, sequence_number: int, *cells: tuple[str, int, float], table_id: int = 1
) -> None:
    buffer.apply(contents(sequence_number, some_rows(*cells, table_id=table_id)))


def stored(view: TableView, files: FileSystem) -> list[list[Cell]]:
    """Return what each piece of a view holds (room, temp, time), Parquet files first."""
    batches = []
    for file in view.files:
        table = pq.read_table(io.BytesIO(files.read(Path(file.path)))).combine_chunks()
        batches += [complete(batch, view.arrow_schema) for batch in table.to_batches()]
    return [_cells(batch) for batch in (*batches, *view.batches())]


def merged(view: TableView, files: FileSystem) -> list[Cell]:
    """Return a view's rows (room, temp, time), merged over all pieces, by room and time."""
    batches = list(view.batches())
    for file in reversed(view.files):
        table = pq.read_table(io.BytesIO(files.read(Path(file.path)))).combine_chunks()
        batches[:0] = [complete(batch, view.arrow_schema) for batch in table.to_batches()]
    return _cells(merge_duplicates(batches, view.schema.series_key)) if batches else []


def _cells(batch: pa.RecordBatch) -> list[Cell]:
    columns = [batch.column("room"), batch.column("temp"), batch.column("time").cast(pa.int64())]
    return list(zip(*(column.to_pylist() for column in columns), strict=True))
