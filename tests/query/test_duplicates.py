"""Rows of the same tags and time are one row at query: semantics 11 (duplicates)."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest

from procengine.query.statement import PLAN_TWICE_FILES
from procengine.write.table_view import TableView
from tests.query.doubles import (
    FLOAT,
    TAG,
    MemoryDatabases,
    MemoryFile,
    MemoryRows,
    batch,
    executor_of,
    parquet_file,
    schema,
)

SHAPE = schema(host=TAG, a=FLOAT, b=FLOAT)

Row = tuple[int, str | None, float | None, float | None]


def rows_of(*rows: Row) -> pa.RecordBatch:
    """Return a batch of (time, host, a, b)."""
    times, hosts, a, b = zip(*rows, strict=True)
    return batch(SHAPE, time=times, host=hosts, a=a, b=b)


def query(rows: MemoryRows, sql: str) -> list[dict[str, object]]:
    databases = MemoryDatabases()
    databases.put("d", "t", rows)
    executor = executor_of(databases)
    try:
        return executor.query(sql, "d").to_pylist()
    finally:
        executor.close()


ALL = "SELECT time::BIGINT AS t, host::VARCHAR AS h, a, b FROM t ORDER BY t, h"


def test_fields_of_duplicates_merge_and_the_later_value_wins(tmp_path: Path) -> None:
    """Per field the last value that is not null wins: files in their order, then buffered rows."""
    files = [
        parquet_file(tmp_path / "1.parquet", rows_of((1, "x", 1.0, 1.0), (2, "x", 2.0, None))),
        parquet_file(tmp_path / "2.parquet", rows_of((2, "x", None, 20.0), (3, "x", 3.0, 30.0))),
    ]
    buffered = (rows_of((3, "x", 300.0, None), (4, "y", 4.0, 4.0)), rows_of((4, "y", None, 40.0)))
    found = query(MemoryRows(SHAPE, buffered, files, overlaps=[(2, 4)]), ALL)
    assert found == [
        {"t": 1, "h": "x", "a": 1.0, "b": 1.0},
        {"t": 2, "h": "x", "a": 2.0, "b": 20.0},
        {"t": 3, "h": "x", "a": 300.0, "b": 30.0},
        {"t": 4, "h": "y", "a": 4.0, "b": 40.0},
    ]


def test_a_filter_sees_the_merged_value(tmp_path: Path) -> None:
    """A value that was overwritten is not found, though its file has it."""
    files = [parquet_file(tmp_path / "1.parquet", rows_of((1, "x", 1.0, None), (9, "x", 9.0, None)))]
    rows = MemoryRows(SHAPE, (rows_of((1, "x", 5.0, None)),), files, overlaps=[(1, 1)])
    assert query(rows, "SELECT a FROM t WHERE a < 2") == []
    assert query(rows, "SELECT a FROM t WHERE a < 6") == [{"a": 5.0}]


@pytest.mark.parametrize("file_count", [2, PLAN_TWICE_FILES + 2])
@pytest.mark.parametrize("seed", range(4))
def test_any_mixture_gives_what_one_merge_gives(tmp_path: Path, seed: int, file_count: int) -> None:
    """Whatever lies in which file or buffer, the result is that of applying all rows in order of arrival."""
    chance = random.Random(seed)
    pieces: list[list[Row]] = []
    for number in range(file_count + 3):
        start = number * 5
        pieces.append(
            [
                (
                    chance.randrange(start, start + 9),
                    chance.choice(["x", "y", None]),
                    chance.choice([None, chance.random()]),
                    chance.choice([None, chance.random()]),
                )
                for _ in range(12)
            ]
        )
    merged: dict[tuple[int, str | None], list[float | None]] = {}
    for time, host, *fields in (row for piece in pieces for row in piece):
        held = merged.setdefault((time, host), [None, None])
        merged[time, host] = [
            new if new is not None else old for new, old in zip(fields, held, strict=True)
        ]
    batches = [rows_of(*piece) for piece in pieces]
    files: list[MemoryFile] = [
        parquet_file(tmp_path / f"{number}.parquet", one)
        for number, one in enumerate(batches[:file_count])
    ]
    rows = MemoryRows(SHAPE, tuple(batches[file_count:]), files, overlaps=[(0, 10**6)])
    bound = chance.randrange(5, 40)
    for sql, wanted in (
        (ALL, merged),
        (
            ALL.replace(
                "ORDER", f"WHERE time >= arrow_cast({bound}, 'Timestamp(Nanosecond, None)') ORDER"
            ),
            {key: value for key, value in merged.items() if key[0] >= bound},
        ),
        (
            ALL.replace("ORDER", "WHERE host = 'x' ORDER"),
            {key: value for key, value in merged.items() if key[1] == "x"},
        ),
    ):
        found = {(row["t"], row["h"]): [row["a"], row["b"]] for row in query(rows, sql)}
        assert found == wanted


def test_rows_outside_the_ranges_are_not_merged(tmp_path: Path) -> None:
    """Only the ranges that the view names are merged; what lies outside is handed over as it is."""
    same = rows_of((1, "x", 1.0, None), (5, "x", 5.0, None))
    files = [parquet_file(tmp_path / "1.parquet", same)]
    found = query(MemoryRows(SHAPE, (same,), files, overlaps=[(1, 2)]), ALL)
    assert [row["t"] for row in found] == [1, 5, 5]


def test_the_write_buffers_views_are_taken(tmp_path: Path) -> None:
    """A `TableView` without files or rows is an empty table with its columns."""
    databases = MemoryDatabases()
    databases.put("d", "t", MemoryRows(SHAPE))
    databases.rows[1] = TableView(schema=SHAPE)  # type: ignore[assignment]
    executor = executor_of(databases)
    assert executor.query("SELECT * FROM t", "d").schema.names == ["a", "b", "host", "time"]
    executor.close()
