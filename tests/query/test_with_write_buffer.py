"""Queries over the real catalog and write buffer: what was applied is what is found, wherever it lies."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest

from procengine.catalog import Catalog
from procengine.clock import VirtualClock
from procengine.model.column import Column, ColumnType
from procengine.model.table_rows import TableRows, WalContents
from procengine.query import QueryExecutor
from procengine.query import statement as statement_module
from procengine.query.parquet_files_table import ParquetFiles
from procengine.write.write_buffer import WriteBuffer

MINUTE = 60 * 10**9
KINDS = {"a": ColumnType.FLOAT, "b": ColumnType.INTEGER, "c": ColumnType.STRING}

Values = dict[str, object]


@dataclass
class Store:
    """A catalog and a buffer, and what they should hold."""

    catalog: Catalog
    buffer: WriteBuffer
    executor: QueryExecutor
    flushes: int = 0
    expected: dict[tuple[int, str | None], Values] = field(default_factory=dict)

    def write(self, rows: list[tuple[int, str | None, Values]]) -> None:
        """Apply one flush of rows (time, host, fields)."""
        names = sorted({name for _, _, values in rows for name in values})
        database = self.catalog.evolve(
            "d", {"t": [Column("host", ColumnType.TAG), *(Column(name, KINDS[name]) for name in names)]}
        )
        columns = [pa.array([host for _, host, _ in rows], pa.utf8()).dictionary_encode()]
        columns += [
            pa.array([values.get(name) for _, _, values in rows], KINDS[name].arrow_type)
            for name in names
        ]
        columns.append(pa.array([time for time, _, _ in rows], pa.timestamp("ns")))
        self.flushes += 1
        table_rows = TableRows(
            database_id=database.id,
            table_id=database.tables["t"].id,
            database="d",
            table="t",
            batch=pa.RecordBatch.from_arrays(columns, names=["host", *names, "time"]),
            shapes=(("host", *names),),
        )
        self.buffer.apply(WalContents(sequence_number=self.flushes, persisted_ns=0, rows=(table_rows,)))
        for time, host, values in rows:
            held = self.expected.setdefault((time, host), {})
            held.update({name: value for name, value in values.items() if value is not None})

    def found(self, where: str = "true") -> dict[tuple[int, str | None], Values]:
        """Return what a query finds."""
        rows = self.executor.query(f"SELECT *, time::BIGINT AS ns FROM t WHERE {where}", "d").to_pylist()
        found = {}
        for row in rows:
            key = (row["ns"], row["host"])
            assert key not in found
            found[key] = {name: row[name] for name in KINDS if row.get(name) is not None}
        return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    clock = VirtualClock(10**18)
    catalog = Catalog(None, clock=clock)
    catalog.start()
    catalog.create_database("d")
    buffer = WriteBuffer(tmp_path, catalog=catalog, gen1_duration_ns=10 * MINUTE)
    buffer.load()
    executor = QueryExecutor(catalog, buffer.view, [ParquetFiles(catalog, buffer.view)], clock=clock)
    yield Store(catalog, buffer, executor)
    executor.close()
    catalog.close()


@pytest.mark.parametrize("plan_twice", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_was_applied_is_found(
    store: Store, seed: int, plan_twice: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Semantics 11: after any order of writes, rewrites, new columns and snapshots, per field the last value."""
    if plan_twice:
        monkeypatch.setattr(statement_module, "PLAN_TWICE_ROWS", 1)
    chance = random.Random(seed)
    fields = ["a"]
    for round_ in range(12):
        if round_ in (3, 7):
            fields.append({3: "b", 7: "c"}[round_])
        store.write([_row(chance, round_, fields) for _ in range(chance.randrange(1, 30))])
        if chance.random() < 0.35:
            store.buffer.snapshot()
        assert store.found() == store.expected
    first, last = 10 * MINUTE, 40 * MINUTE
    where = f"time >= to_timestamp({first}) AND time < to_timestamp({last}) AND host IN ('x', 'y')"
    assert store.found(where) == {
        key: values
        for key, values in store.expected.items()
        if first <= key[0] < last and key[1] in ("x", "y")
    }


def _row(chance: random.Random, round_: int, fields: list[str]) -> tuple[int, str | None, Values]:
    made: Values = {"a": chance.random(), "b": chance.randrange(100), "c": chance.choice("pqr")}
    names = chance.sample(fields, chance.randrange(1, len(fields) + 1))
    time = chance.randrange(max(round_ - 2, 0) * 5, round_ * 5 + 5) * MINUTE
    return time, chance.choice(["x", "y", "z", None]), {name: made[name] for name in names}


def test_a_snapshot_between_planning_and_reading_loses_nothing(store: Store) -> None:
    """A stream shows its own instant, though rows move to files and files are replaced meanwhile."""
    store.write([(minute * MINUTE, "x", {"a": float(minute)}) for minute in range(100)])
    store.buffer.snapshot()
    store.write([(minute * MINUTE, "x", {"a": -1.0}) for minute in range(50, 150)])
    reader = store.executor.stream("SELECT a FROM t ORDER BY time", "d")
    store.buffer.snapshot()
    store.write([(minute * MINUTE, "x", {"a": -2.0}) for minute in range(150)])
    store.buffer.snapshot()
    values = reader.read_all()["a"].to_pylist()
    assert values == [*map(float, range(50)), *([-1.0] * 100)]


def test_parquet_files_are_listed(store: Store) -> None:
    """system.parquet_files shows the files that a snapshot made."""
    store.write([(minute * MINUTE, "x", {"a": 1.0}) for minute in range(25)])
    listed = "SELECT sum(row_count) AS n, min(min_time) AS first FROM system.parquet_files"
    assert store.executor.query(listed, "d")["n"].to_pylist() == [None]
    store.buffer.snapshot()
    assert store.executor.query(listed, "d").to_pylist() == [{"n": 25, "first": 0}]
