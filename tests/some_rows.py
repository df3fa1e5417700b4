"""Rows to write in tests."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from procengine.model.table_rows import TableRows

TAG = pa.dictionary(pa.int32(), pa.utf8())


def some_rows(
    *rows: tuple[str, int, float], table_id: int = 1, table: str = "home", depth: int = 0
) -> TableRows:
    """Return rows (room, time, temp) of one table."""
    batch = pa.record_batch(
        {
            "room": pa.array([row[0] for row in rows], pa.utf8()).dictionary_encode(),
            "temp": pa.array([row[2] for row in rows], pa.float64()),
            "time": pa.array([row[1] for row in rows], pa.timestamp("ns")),
        }
    )
    return TableRows(
        database_id=1,
        table_id=table_id,
        database="db",
        table=table,
        batch=batch,
        shapes=(("room", "temp"),),
        depth=depth,
    )


def sparse_rows() -> TableRows:
    """Return rows of two shapes, with nulls."""
    batch = pa.record_batch(
        {
            "room": pa.array(["a", None, ""], pa.utf8()).dictionary_encode(),
            "n": pa.array([None, 2**64 - 1, 3], pa.uint64()),
            "text": pa.array(["x", None, ""], pa.utf8()),
            "on": pa.array([True, None, False], pa.bool_()),
            "i": pa.array([-1, None, 2], pa.int64()),
            "time": pa.array([3, 1, 2], pa.timestamp("ns")),
        }
    )
    return TableRows(
        database_id=7,
        table_id=9,
        database="д/b",
        table='t"\\é',
        batch=batch,
        shapes=(("room", "text", "on", "i"), ("n",), ("room", "n", "text", "on", "i")),
        shape_of_row=np.array([0, 1, 2], np.int32),
        depth=4,
    )


def values(rows: TableRows) -> list[dict[str, object]]:
    """Return a row set's rows as dictionaries, the time as an integer."""
    batch = rows.batch
    times = batch.column("time").cast(pa.int64())
    columns = {name: batch.column(name) for name in batch.schema.names} | {"time": times}
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*(c.to_pylist() for c in columns.values()), strict=True)
    ]
