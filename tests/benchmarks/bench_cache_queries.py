"""What does SQL cost on a last-value and a distinct-value cache of 100,000 keys?

One key is compared with the least that DataFusion can do for a table function with one row: a registered Python
function that builds that row as Arrow anew at each call and hands it over as a table, under a session of one thread;
the cheaper of two ways to hand it over counts. What only chooses rows is answered without DataFusion when it runs
again; what also sorts is planned by it. All rows are read after a write each, so that nothing is at hand.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from procengine import Engine
from procengine.query.sql_library import datafusion
from tests.benchmarks.measurement import Measurement, alternate, seconds

KEYS = 100_000
RUNS, ROUNDS = 100, 9
KEY = f"host_{KEYS // 2:06}"

ONE_KEY = f"SELECT * FROM last_cache('cpu') WHERE host = '{KEY}'"
ONE_PARAMETER = "SELECT * FROM last_cache('cpu') WHERE host = $host"
SORTED = f"SELECT c.load, c.usage FROM last_cache('cpu') AS c WHERE c.host = '{KEY}' AND c.load > 0 ORDER BY c.time"


def run() -> list[Measurement]:
    """Measure all; about twenty seconds."""
    with _engine() as engine:
        return [*_one_key(engine), *_all_rows(engine)]


def _one_key(engine: Engine) -> Iterator[Measurement]:
    schema = engine.query(ONE_KEY, "db").schema
    for what, sql, params, budget in (
        ("one key of 100,000 by SQL", ONE_KEY, None, 1.5),
        ("one key of 100,000 by SQL, as a parameter", ONE_PARAMETER, {"host": KEY}, 1.5),
        ("one key of 100,000 by SQL, sorted and filtered", SORTED, None, 2.0),
    ):
        calls = [
            lambda sql=sql, params=params: engine.query(sql, "db", params),
            *(lambda bare=bare, sql=sql, params=params: bare(sql, params) for bare in _bare(schema)),
        ]
        assert [call().num_rows for call in calls] == [1, 1, 1]
        ours, *floors = (each / RUNS for each in alternate(ROUNDS, *map(_repeated, calls)))
        yield Measurement(
            name=what,
            value=ours / min(floors),
            budget=budget,
            unit="x",
            baseline="a DataFusion table function with one row",
            details={"engine_ms": ours * 1e3, "bare_ms": min(floors) * 1e3},
        )


def _all_rows(engine: Engine) -> Iterator[Measurement]:
    instants = itertools.count(engine.clock.now_ns())
    for what, sql, budget in (
        ("all 100,000 last values by SQL", "SELECT * FROM last_cache('cpu')", 20.0),
        ("100,000 distinct values by SQL", "SELECT * FROM distinct_cache('cpu')", 10.0),
    ):
        taken = []
        for _ in range(ROUNDS):
            engine.write("db", f"cpu,host={KEY} load=1,usage=1 {next(instants)}", precision="ns")
            call = lambda sql=sql: engine.query(sql, "db")  # noqa: E731
            taken.append(seconds(call))
        assert engine.query(sql, "db").num_rows == KEYS
        yield Measurement(
            name=what,
            value=statistics.median(taken) * 1e3,
            budget=budget,
            unit="ms",
            baseline="absolute, after a write each",
        )


def _repeated(call: Callable[[], object]) -> Callable[[], object]:
    def repeat() -> None:
        for _ in range(RUNS):
            call()

    return repeat


def _bare(schema: pa.Schema) -> list[Callable[[str, dict[str, str] | None], pa.Table]]:
    """Return queries of a table function that is handed a row within planning, and of one that is before it."""
    return [_view(schema), _registered(schema)]


def _view(schema: pa.Schema) -> Callable[[str, dict[str, str] | None], pa.Table]:
    library = datafusion()
    maker = library.SessionContext()
    context = _context(lambda *_: library.catalog.Table(maker.read_batches([_row(schema)])))
    return lambda sql, params: _collect(context, sql, params)


def _registered(schema: pa.Schema) -> Callable[[str, dict[str, str] | None], pa.Table]:
    library = datafusion()
    maker = library.SessionContext()
    names = (f"row_{n}" for n in itertools.count())
    made: list[Any] = [None]
    context = _context(lambda *_: made[0])

    def query(sql: str, params: dict[str, str] | None) -> pa.Table:
        name = next(names)
        maker.register_record_batches(name, [[_row(schema)]])
        made[0] = maker.table_provider(name)
        maker.deregister_table(name)
        return _collect(context, sql, params)

    return query


def _context(function: Callable[..., Any]) -> Any:
    library = datafusion()
    context = library.SessionContext(library.SessionConfig().with_target_partitions(1))
    context.register_udtf(library.udtf(function, "last_cache"))
    return context


def _collect(context: Any, sql: str, params: dict[str, str] | None) -> pa.Table:
    frame = context.sql(sql) if params is None else context.sql(sql, param_values=params)
    return pa.Table.from_batches(frame.collect(), frame.schema())


def _row(schema: pa.Schema) -> pa.RecordBatch:
    values = {"host": KEY, "time": 1}
    return pa.RecordBatch.from_arrays(
        [pa.array([values.get(field.name, 1.0)], field.type) for field in schema], schema=schema
    )


@contextmanager
def _engine() -> Iterator[Engine]:
    with Engine(object_store="memory", environ={}, wal_flush_interval="0s") as engine:
        hosts = pa.array([f"host_{n:06}" for n in range(KEYS)])
        chance = np.random.default_rng(0)
        rows = pa.table(
            {
                "host": hosts,
                "load": chance.random(KEYS),
                "usage": chance.random(KEYS),
                "time": pa.array(np.full(KEYS, engine.clock.now_ns())).cast(pa.timestamp("ns")),
            }
        )
        engine.write("db", rows, table="cpu", tags=["host"])
        engine.last_caches.create("db", "cpu")
        engine.distinct_caches.create("db", "cpu", columns=["host"])
        yield engine
