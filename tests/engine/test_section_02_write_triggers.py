"""Section 2 of the semantics, through the engine: what write triggers are called with, and when."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from tests.engine.looks import WAIT_SECONDS, ask, gate_for, rows, settle, texts, wait_until

Plugin = Callable[[str, str], str]

SHOW = """
    def process_writes(influxdb3_local, table_batches, args=None):
        influxdb3_local.info([(batch["table_name"], batch["rows"]) for batch in table_batches])
"""


STOPPED = (
    "rows passed over: 3 were written before the engine was stopped and not handled by then; "
    "nothing is delivered again"
)


@pytest.fixture
def slow_engine(plugin_dir: Path, clock: VirtualClock) -> Engine:
    """An engine whose flushes come a minute apart, but for the first and for those asked for."""
    return Engine(
        plugin_dir=plugin_dir, object_store="memory", environ={}, clock=clock, wal_flush_interval="60s"
    )


def test_rows_are_queryable_when_the_plugin_is_called(engine: Engine, plugin: Plugin) -> None:
    """Section 2: delivered after the buffer's update: the plugin's query finds the rows it is called with."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            times = [row["time"] for row in table_batches[0]["rows"]]
            found = influxdb3_local.query("SELECT time FROM home ORDER BY time")
            influxdb3_local.info(times, found[-1]["time"] == times[-1], len(found))
    """
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", source), "table:home")
    for second in (1, 2, 3):
        engine.write("house", f"home n=1i {second}", precision="s")
        settle(engine)
    assert texts(engine) == [f"[{second}000000000] True {second}" for second in (1, 2, 3)]


def test_writes_of_one_flush_are_one_call(slow_engine: Engine, plugin: Plugin) -> None:
    """Section 2: the boundaries of requests vanish; tables in first-seen order, rows in the order of arrival."""
    with slow_engine as engine:
        engine.write("house", "first n=0i")
        engine.triggers.create("house", "t", plugin("t", SHOW), "all_tables")
        for body in ("b n=1i 1\na n=2i 2", "c n=3i 3\nb n=4i 4", "a n=5i 5"):
            engine.write("house", body, precision="ns", no_sync=True)
        engine.write("shed", "b n=6i 6", precision="ns", no_sync=True)
        engine.flush()
        settle(engine)
        assert [ast.literal_eval(text) for text in texts(engine)] == [
            [
                ("b", [{"n": 1, "time": 1}, {"n": 4, "time": 4}]),
                ("a", [{"n": 2, "time": 2}, {"n": 5, "time": 5}]),
                ("c", [{"n": 3, "time": 3}]),
            ]
        ]


def test_table_trigger_sees_its_table_only(engine: Engine, plugin: Plugin) -> None:
    """Section 2: not called for other databases nor (as 3.11) other tables; the table may come later."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", SHOW), "table:home")
    engine.write("house", "other n=1i 1", precision="ns")
    engine.write("shed", "home n=2i 2", precision="ns")
    engine.write("house", "other n=3i 3\nhome n=4i 4", precision="ns")
    settle(engine)
    assert texts(engine) == ["[('home', [{'n': 4, 'time': 4}])]"]


def test_row_has_the_columns_of_its_line(engine: Engine, clock: VirtualClock, plugin: Plugin) -> None:
    """Section 2: tags, then fields in line order, then time (the server's where omitted); Python's own types."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", SHOW), "table:home")
    engine.write(
        "house",
        'home,room=a,floor=1 s="x\\"y",f=1,i=-2i,u=18446744073709551615u,t=true 7\nhome b=f\nhome,room=b i=3i 8',
        precision="ns",
    )
    settle(engine)
    assert [ast.literal_eval(text) for text in texts(engine)] == [
        [
            (
                "home",
                [
                    {
                        "room": "a",
                        "floor": "1",
                        "s": 'x"y',
                        "f": 1.0,
                        "i": -2,
                        "u": 18446744073709551615,
                        "t": True,
                        "time": 7,
                    },
                    {"b": False, "time": clock.now_ns()},
                    {"room": "b", "i": 3, "time": 8},
                ],
            )
        ]
    ]
    keys = [list(row) for row in ast.literal_eval(texts(engine)[0])[0][1]]
    assert keys[0] == ["room", "floor", "s", "f", "i", "u", "t", "time"]
    assert keys[2] == ["room", "i", "time"]


def test_rows_of_several_chunks_come_in_one_call(engine: Engine, plugin: Plugin) -> None:
    """Section 2: rows of more than one gen1 chunk (10 min) are one call, none lost, here as they were written."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", SHOW), "table:home")
    engine.write("house", "home n=1i 1\nhome n=2i 90000\nhome n=3i 2", precision="s")
    settle(engine)
    [(_, found)] = ast.literal_eval(texts(engine)[0])
    assert [row["n"] for row in found] == [1, 2, 3]


def test_rejected_lines_are_not_delivered(engine: Engine, plugin: Plugin) -> None:
    """Section 2: of a partial write the trigger sees what was stored."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", SHOW), "table:home")
    with pytest.raises(Exception, match="partial write of line protocol occurred"):
        engine.write("house", "home n=1i 1\nhome n=text 2\nhome n=3i 3", precision="ns")
    settle(engine)
    assert texts(engine) == ["[('home', [{'n': 1, 'time': 1}, {'n': 3, 'time': 3}])]"]


def test_no_sync_writes_are_delivered(engine: Engine, plugin: Plugin) -> None:
    """Section 2: a write that nobody waits for calls triggers as any other."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", SHOW), "all_tables")
    engine.write("house", "home n=1i 1", precision="ns", no_sync=True)
    engine.flush()
    settle(engine)
    assert texts(engine) == ["[('home', [{'n': 1, 'time': 1}])]"]


def test_a_stuck_trigger_holds_up_nobody(engine: Engine, plugin: Plugin) -> None:
    """Section 2 (Differs): past 60 waiting flushes writers go on; the trigger then sees each, in order."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.cache.get("gate", use_global=True).pass_through()
            influxdb3_local.info(table_batches[0]["rows"][0]["n"])
    """
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", source), "all_tables")
    with gate_for(engine) as gate:
        engine.write("house", "home n=0i")
        gate.wait_reached()
        for number in range(1, 71):
            engine.write("house", f"home n={number}i")
        statistics = engine.triggers.statistics("house", "t")
        assert (statistics.lag.contents, statistics.lag.rows) == (71, 71)
    settle(engine)
    assert texts(engine) == [str(number) for number in range(71)]


def test_a_synchronous_plugin_may_wait_for_its_own_write(engine: Engine, plugin: Plugin) -> None:
    """Section 2: a synchronous trigger that waits for a synced write does not lock itself out (Differs)."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            for number in range(3):
                influxdb3_local.write_sync(LineBuilder("copy").int64_field("n", number).time_ns(number), False)
            influxdb3_local.info(len(influxdb3_local.query("SELECT n FROM copy")))
    """
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", source), "table:home")
    writers = [
        threading.Thread(target=engine.write, args=("house", f"home n={number}i")) for number in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(WAIT_SECONDS)
        assert not writer.is_alive()
    settle(engine)
    assert set(texts(engine)) == {"3"}


def test_own_writes_trigger_again_one_run_deeper(engine: Engine, plugin: Plugin) -> None:
    """Section 2: a plugin's writes trigger whoever watches; each run is one deeper than what caused it."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            n = table_batches[0]["rows"][0]["n"]
            if n < 3:
                line = LineBuilder("home").int64_field("n", n + 1)
                if n % 2:
                    influxdb3_local.write_sync(line, no_sync=True)
                else:
                    influxdb3_local.write(line)
    """
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", source), "table:home")
    engine.write("house", "home n=0i")
    settle(engine)
    runs = [run for number in range(1, 5) for run in engine.triggers.runs.of(number)]
    assert [(run.cause.wal_sequence_number, run.cause.depth) for run in runs] == [
        (1, 0),
        (2, 1),
        (3, 2),
        (4, 3),
    ]


def test_depth_counts_from_the_run_and_is_stored(
    tmp_path: Path, plugin_dir: Path, plugin: Plugin
) -> None:
    """Section 2: what a request run writes is one run deep, what that causes two; the log keeps it with the rows."""
    source = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            influxdb3_local.write_sync(LineBuilder("home").int64_field("n", 1), no_sync=False)
            return "done"
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.write(LineBuilder("copy").int64_field("n", 1))
    """
    with Engine(plugin_dir=plugin_dir, data_dir=tmp_path / "data", environ={}) as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "r", plugin("t", source), "request:r")
        engine.triggers.create("house", "w", plugin("t", source), "table:home")
        assert ask(engine, "r").body == b"done"
        settle(engine)
        assert [run.cause.depth for run in engine.triggers.runs.of(1)] == [1]
        assert [one.depth for number in (1, 2) for one in engine.wal.contents(number).rows] == [1, 2]


def test_replay_delivers_nothing(tmp_path: Path, plugin_dir: Path, plugin: Plugin) -> None:
    """Section 2: at most once: what a stopped engine had not delivered is not delivered by the next."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.cache.get("gate", use_global=True).pass_through()
            influxdb3_local.info(table_batches[0]["rows"][0]["n"])
    """
    options: dict[str, object] = {"plugin_dir": plugin_dir, "data_dir": tmp_path / "data", "environ": {}}
    first = Engine(**options)  # type: ignore[arg-type]
    first.catalog.create_database("house")
    first.triggers.create("house", "t", plugin("t", source), "all_tables")
    with gate_for(first) as gate:
        for number in range(3):
            first.write("house", f"home n={number}i {number}")
        gate.wait_reached()
        stopping = threading.Thread(target=first.stop)
        stopping.start()
        wait_until(first, lambda: not first.triggers.statistics("house", "t").queue_depth)
    stopping.join(WAIT_SECONDS)
    with Engine(**options) as second:  # type: ignore[arg-type]
        plugin("t", SHOW)
        second.write("house", "home n=3i 3", precision="ns")
        settle(second)
        said = [text for text in texts(second) if not text.startswith("global plugin cache")]
        assert said == [
            "error executing wal plugin: KeyboardInterrupt: influxdb3 is shutting down; aborting plugin execution",
            STOPPED,
            "[('home', [{'n': 3, 'time': 3}])]",
        ]
        assert rows(second, "SELECT count(*) AS n FROM home") == [{"n": 4}]
