"""How much does the engine add to DataFusion, and how much does pruning save?

Ten million rows, six days of twenty hosts with one row a second: as Parquet files, and buffered. The baseline is a
bare SessionContext over the same files, or the same Arrow batches, with the same statement. Statements of few
milliseconds are run several times in a row, as a plugin runs them.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from procengine.catalog import Catalog
from procengine.clock import VirtualClock
from procengine.model.column import Column, ColumnType
from procengine.model.table_rows import TableRows, WalContents
from procengine.query import QueryExecutor
from procengine.query.sql_library import datafusion
from procengine.write.write_buffer import WriteBuffer
from tests.benchmarks.measurement import Measurement, alternate, seconds
from tests.query.doubles import MemoryDatabases, MemoryFile, MemoryRows

HOSTS = 20
ROWS = 10_000_000
SECONDS = ROWS // HOSTS
SECOND_NS = 10**9
START_NS = 1_700_000_000 * SECOND_NS
FILES = 10

COLUMNS = [
    Column("host", ColumnType.TAG),
    Column("usage", ColumnType.FLOAT),
    Column("load", ColumnType.FLOAT),
]


def run() -> list[Measurement]:
    """Measure all; about half a minute."""
    return [*_buffered(), *_stored(), _floor()]


def _piece(number: int, count: int) -> pa.RecordBatch:
    """Return one of ``count`` equal pieces of all rows, in the order of time."""
    seconds = SECONDS // count
    chance = np.random.default_rng(number)
    times = np.repeat(START_NS + (np.arange(seconds) + number * seconds) * SECOND_NS, HOSTS)
    codes = np.tile(np.arange(HOSTS, dtype=np.int32), seconds)
    hosts = pa.array([f"host_{n:03}" for n in range(HOSTS)])
    return pa.RecordBatch.from_arrays(
        [
            pa.DictionaryArray.from_arrays(pa.array(codes), hosts),
            pa.array(chance.random(len(times))),
            pa.array(chance.random(len(times))),
            pa.array(times).cast(pa.timestamp("ns")),
        ],
        names=["host", "usage", "load", "time"],
    )


def _at(seconds_before_end: int) -> str:
    instant_ns = START_NS + (SECONDS - seconds_before_end) * SECOND_NS
    return f"arrow_cast({instant_ns}, 'Timestamp(Nanosecond, None)')"


ONE_HOST = f"SELECT * FROM cpu WHERE host = 'host_010' AND time >= {_at(300)}"
LAST_HOUR = (
    "SELECT date_bin(INTERVAL '1 minute', time) AS minute, avg(usage) AS usage FROM cpu "
    f"WHERE time >= {_at(3600)} GROUP BY minute ORDER BY minute"
)
ALL_HOSTS = "SELECT host, avg(usage) AS usage, max(load) AS load FROM cpu GROUP BY host"
ONE_SERIES = (
    "SELECT date_bin(INTERVAL '10 minutes', time) AS t, avg(load) AS load FROM cpu "
    "WHERE host = 'host_010' GROUP BY t"
)


def _one_host_each_time_anew() -> Iterator[str]:
    """Yield `ONE_HOST` and another bound that changes nothing: each time a text that is not known."""
    for digits in itertools.count(1):
        yield f"{ONE_HOST} AND time >= arrow_cast({digits}, 'Timestamp(Nanosecond, None)')"


def _buffered() -> Iterator[Measurement]:
    with _write_buffer() as (executor, batches):
        bare = _bare()
        bare.register_record_batches("cpu", [list(batches)])
        for what, texts, budget in (
            ("one host, last five minutes", itertools.repeat(ONE_HOST), 0.05),
            ("the same in a text not seen before", _one_host_each_time_anew(), 0.1),
            ("last hour by minute", itertools.repeat(LAST_HOUR), 0.5),
        ):
            calls = (
                lambda texts=texts: executor.query(next(texts), "db"),
                lambda texts=texts: bare.sql(next(texts)).to_arrow_table(),
            )
            yield _compared(
                f"SQL on 10M buffered rows, {what}", calls, budget, "bare DataFusion over the same Arrow"
            )


def _stored() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        files = [_write_file(Path(folder), number) for number in range(FILES)]
        schema = pq.read_schema(files[0].path)
        databases = MemoryDatabases()
        databases.put("db", "cpu", MemoryRows(_table_schema(), (), files))
        executor = QueryExecutor(databases, databases.view, clock=VirtualClock())  # type: ignore[arg-type]
        bare = _bare()
        bare.register_parquet("cpu", folder, schema=schema)
        for what, sql in (
            ("all hosts", ALL_HOSTS),
            ("last hour by minute", LAST_HOUR),
            ("one series", ONE_SERIES),
        ):
            calls = (
                lambda sql=sql: executor.query(sql, "db"),
                lambda sql=sql: bare.sql(sql).to_arrow_table(),
            )
            yield _compared(
                f"SQL on 10M rows of Parquet, {what}", calls, 1.1, "bare DataFusion on the same files"
            )
        executor.close()


def _floor() -> Measurement:
    databases = MemoryDatabases()
    rows = MemoryRows(_table_schema(), (_piece(0, SECONDS).select(["host", "load", "time", "usage"]),))
    databases.put("db", "cpu", rows)
    executor = QueryExecutor(databases, databases.view, clock=VirtualClock())  # type: ignore[arg-type]
    bare = _bare()
    bare.register_record_batches("cpu", [list(rows.buffered)])
    sql = "SELECT max(load) AS load FROM cpu WHERE host = 'host_010'"
    calls = (lambda: executor.query(sql, "db"), lambda: bare.sql(sql).to_arrow_table())
    runs = 50
    ours, theirs = (each / runs for each in alternate(9, *(_repeated(call, runs) for call in calls)))
    executor.close()
    return Measurement(
        name="a small query, over bare DataFusion",
        value=(ours - theirs) * 1e3,
        budget=1.0,
        unit="ms",
        baseline="bare DataFusion, the same rows registered",
        details={"engine_ms": ours * 1e3, "bare_ms": theirs * 1e3},
    )


Calls = tuple[Callable[[], pa.Table], Callable[[], pa.Table]]


def _compared(name: str, calls: Calls, budget: float, baseline: str) -> Measurement:
    """Compare the engine's call with the bare one; both must give as many rows."""
    ours, theirs = (call() for call in calls)
    assert ours.num_rows == theirs.num_rows, (ours.num_rows, theirs.num_rows)
    runs = max(1, min(50, round(0.1 / min(seconds(calls[0]), seconds(calls[1])))))
    ours_seconds, theirs_seconds = alternate(15, *(_repeated(call, runs) for call in calls))
    return Measurement(
        name=name,
        value=ours_seconds / theirs_seconds,
        budget=budget,
        unit="x",
        baseline=baseline,
        details={"engine_ms": ours_seconds / runs * 1e3, "bare_ms": theirs_seconds / runs * 1e3},
    )


def _repeated(call: Callable[[], object], runs: int) -> Callable[[], object]:
    def repeat() -> None:
        for _ in range(runs):
            call()

    return repeat


def _bare() -> Any:
    """Return a SessionContext with what the engine sets for Parquet, and nothing else."""
    library = datafusion()
    return library.SessionContext(
        library.SessionConfig(
            {
                "datafusion.execution.parquet.schema_force_view_types": "false",
                "datafusion.execution.parquet.pushdown_filters": "true",
                "datafusion.execution.parquet.reorder_filters": "true",
            }
        )
    )


def _table_schema() -> Any:
    from procengine.model.table_schema import TableSchema

    return TableSchema(tuple(COLUMNS))


def _write_file(folder: Path, number: int) -> MemoryFile:
    """Write one file as a snapshot does: sorted by series, then time."""
    piece = _piece(number, FILES)
    by_series = np.argsort(piece["host"].indices.to_numpy(), kind="stable")
    rows = pa.Table.from_batches([piece.take(pa.array(by_series))])
    path = folder / f"{number:02}.parquet"
    pq.write_table(rows.select(_table_schema().arrow_schema.names), path, row_group_size=128 * 1024)
    seconds = SECONDS // FILES
    first_ns = START_NS + number * seconds * SECOND_NS
    return MemoryFile(
        str(path), path.stat().st_size, rows.num_rows, first_ns, first_ns + (seconds - 1) * SECOND_NS
    )


@contextmanager
def _write_buffer() -> Iterator[tuple[QueryExecutor, tuple[pa.RecordBatch, ...]]]:
    """Yield an executor over ten million buffered rows, and those rows as batches."""
    clock = VirtualClock()
    catalog = Catalog(None, clock=clock)
    catalog.start()
    catalog.create_database("db")
    database = catalog.evolve("db", {"cpu": COLUMNS})
    buffer = WriteBuffer(None, catalog=catalog)
    flushes = 100
    for number in range(flushes):
        rows = TableRows(
            database_id=database.id,
            table_id=database.tables["cpu"].id,
            database="db",
            table="cpu",
            batch=_piece(number, flushes),
            shapes=(("host", "usage", "load"),),
        )
        buffer.apply(WalContents(sequence_number=number + 1, persisted_ns=0, rows=(rows,)))
    view = buffer.view(database.tables["cpu"].id)
    executor = QueryExecutor(catalog, buffer.view, clock=clock)
    yield executor, view.batches()
    executor.close()
    catalog.close()
