"""A catalog and tables of rows in memory, for tests of queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from procengine.catalog.definitions import Database, TableDefinition
from procengine.clock import Clock, VirtualClock
from procengine.errors import DatabaseNotFoundError
from procengine.model.cache_definition import (
    CacheDefinition,
    DistinctCacheDefinition,
    LastCacheDefinition,
)
from procengine.model.column import Column, ColumnType
from procengine.model.table_schema import TableSchema
from procengine.query import QueryExecutor
from procengine.query.statement import PLAN_TWICE_ROWS

FLOAT, INTEGER, STRING, TAG = ColumnType.FLOAT, ColumnType.INTEGER, ColumnType.STRING, ColumnType.TAG


@dataclass(frozen=True)
class MemoryFile:
    path: str
    size_bytes: int
    row_count: int
    min_time_ns: int
    max_time_ns: int


@dataclass(frozen=True)
class MemoryRows:
    """Rows of a table; `prune` keeps count of how it was asked."""

    schema: TableSchema
    buffered: tuple[pa.RecordBatch, ...] = ()
    files: Sequence[MemoryFile] = ()
    overlaps: Sequence[tuple[int, int]] = ()
    hidden_before_ns: int | None = None
    pruned: list[tuple[int, int, Mapping[str, frozenset[str]]]] = field(default_factory=list)

    @property
    def row_count(self) -> int:
        return sum(batch.num_rows for batch in self.buffered)

    def batches(self) -> Sequence[pa.RecordBatch]:
        return self.buffered

    def prune(
        self, min_ns: int, max_ns: int, tag_equals: Mapping[str, frozenset[str]] | None = None
    ) -> MemoryRows:
        self.pruned.append((min_ns, max_ns, tag_equals or {}))
        return replace(
            self, buffered=tuple(_keep(batch, min_ns, max_ns, tag_equals) for batch in self.buffered)
        )


def _keep(
    batch: pa.RecordBatch, min_ns: int, max_ns: int, tag_equals: Mapping[str, frozenset[str]] | None
) -> pa.RecordBatch:
    time = batch["time"].cast(pa.int64())
    mask = pc.and_(pc.greater_equal(time, min_ns), pc.less_equal(time, max_ns))
    for tag, values in (tag_equals or {}).items():
        wanted = pa.array(sorted(values), pa.utf8())
        mask = pc.and_(mask, pc.is_in(batch[tag].cast(pa.utf8()), value_set=wanted))
    return batch.filter(mask)


class MemoryDatabases:
    """A catalog of databases whose tables hold the given rows, and the views of those tables."""

    def __init__(self) -> None:
        self._databases: dict[str, Database] = {"_internal": Database(id=0, name="_internal")}
        self.rows: dict[int, MemoryRows] = {}

    @property
    def databases(self) -> tuple[Database, ...]:
        return tuple(self._databases.values())

    def find_database(self, name: str) -> Database | None:
        return self._databases.get(name)

    def database(self, name: str) -> Database:
        found = self.find_database(name)
        if found is None:
            raise DatabaseNotFoundError(name)
        return found

    def view(self, table_id: int) -> MemoryRows:
        return self.rows[table_id]

    def put(self, database: str, table: str, rows: MemoryRows) -> None:
        """Make a table hold these rows, and no others."""
        known = self._databases.get(database) or Database(id=len(self._databases), name=database)
        table_id = known.tables[table].id if table in known.tables else len(self.rows) + 1
        definition = TableDefinition(id=table_id, name=table, schema=rows.schema)
        self._databases[database] = replace(known, tables={**known.tables, table: definition})
        self.rows[table_id] = rows


def schema(**columns: ColumnType) -> TableSchema:
    """Return a schema of columns by name."""
    return TableSchema(tuple(Column(name, kind) for name, kind in columns.items()))


def batch(of: TableSchema, **columns: Sequence[object]) -> pa.RecordBatch:
    """Return a batch of a table's full schema; columns that are left out are null."""
    count = len(columns["time"])
    return pa.RecordBatch.from_arrays(
        [
            pa.array(columns.get(one.name, [None] * count), type=one.type, from_pandas=False)
            if not pa.types.is_dictionary(one.type)
            else pa.array(columns.get(one.name, [None] * count), pa.utf8()).dictionary_encode()
            for one in of.arrow_schema
        ],
        schema=of.arrow_schema,
    )


def parquet_file(path: Path, rows: pa.RecordBatch, *, row_group_size: int = 100_000) -> MemoryFile:
    """Write rows to a Parquet file."""
    pq.write_table(pa.Table.from_batches([rows]), path, row_group_size=row_group_size)
    times = rows["time"].cast(pa.int64())
    return MemoryFile(
        path=str(path),
        size_bytes=path.stat().st_size,
        row_count=rows.num_rows,
        min_time_ns=pc.min(times).as_py(),
        max_time_ns=pc.max(times).as_py(),
    )


HOME = schema(room=TAG, temp=FLOAT, hum=FLOAT, co=INTEGER)


def home_rows() -> MemoryRows:
    """Return six rows of two rooms, hourly from 08:00 on the first of January 2022."""
    hour = 3600 * 10**9
    start = 1_641_024_000 * 10**9
    return MemoryRows(
        HOME,
        (
            batch(
                HOME,
                time=[start + hour * n for n in (0, 0, 1, 1, 2, 2)],
                room=["Kitchen", "Living Room"] * 3,
                temp=[21.0, 21.1, 23.0, 21.4, 22.7, 21.8],
                hum=[35.9, 35.9, 36.2, 35.9, 36.1, 36.0],
                co=[0, 0, 0, 0, 0, 0],
            ),
        ),
    )


def large_rows() -> MemoryRows:
    """Return so many rows of one room that what a statement wants of them is read off its plan first."""
    count = PLAN_TWICE_ROWS
    return MemoryRows(HOME, (batch(HOME, time=range(count), room=["Kitchen"] * count),))


@dataclass
class MemoryCache:
    """A cache that holds a table; `reads` keeps how it was asked. Without keys it is a distinct-value cache."""

    rows: pa.Table
    key_columns: tuple[str, ...] = ()
    reads: list[tuple[dict[str, frozenset[object]], tuple[str, ...] | None]] = field(
        default_factory=list
    )

    @property
    def definition(self) -> CacheDefinition:
        where = {"database": "d", "table": "home", "table_id": 1, "name": "c"}
        if self.key_columns:
            return LastCacheDefinition(**where, key_columns=self.key_columns)  # type: ignore[arg-type]
        return DistinctCacheDefinition(**where, columns=tuple(self.rows.column_names))  # type: ignore[arg-type]

    @property
    def schema(self) -> pa.Schema:
        return self.rows.schema

    def read(
        self,
        keys: Mapping[str, frozenset[object]] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        self.reads.append((dict(keys or {}), None if columns is None else tuple(columns)))
        rows = self.rows
        kept = [
            row
            for row in rows.to_pylist()
            if all(row[name] in values for name, values in (keys or {}).items())
        ]
        if keys:
            rows = _of_dicts(kept, rows.schema)
        if columns is None:
            return rows
        if self.key_columns:
            return rows.select(columns)
        seen = {tuple(row[name] for name in columns): row for row in rows.to_pylist()}
        return _of_dicts([*seen.values()], rows.schema).select(columns)


def _of_dicts(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """Return rows as Arrow; pyarrow itself neither filters nor takes views of text."""
    arrays = [pa.array([row[one.name] for row in rows], one.type) for one in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


@dataclass
class MemoryCaches:
    """Caches by table and name."""

    caches: dict[tuple[str, str], MemoryCache] = field(default_factory=dict)

    def find(self, database: str, table: str, name: str | None) -> MemoryCache | None:
        if name is not None:
            return self.caches.get((table, name))
        found = [cache for (of, _), cache in self.caches.items() if of == table]
        return found[0] if len(found) == 1 else None


def executor_of(
    databases: MemoryDatabases,
    *system_tables: object,
    clock: Clock | None = None,
    last_caches: MemoryCaches | None = None,
    distinct_caches: MemoryCaches | None = None,
    view: Callable[[int], MemoryRows] | None = None,
) -> QueryExecutor:
    """Return an executor over databases and caches in memory."""
    return QueryExecutor(
        databases,  # type: ignore[arg-type]
        view or databases.view,
        system_tables,  # type: ignore[arg-type]
        clock=clock or VirtualClock(1_641_040_000 * 10**9),
        last_caches=last_caches,
        distinct_caches=distinct_caches,
    )
