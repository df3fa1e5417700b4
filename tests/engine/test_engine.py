"""The engine as a whole: what is on, what survives, what a full or foreign data folder does."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.errors import (
    ConfigError,
    DataFolderLockedError,
    LineProtocolError,
    PartialWriteError,
    PluginsDisabledError,
    QueryError,
    StoppedError,
)

WRITER = """
def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            line = LineBuilder("seen").tag("room", row["room"]).float64_field("temp", row["temp"])
            influxdb3_local.write(line.time_ns(row["time"]))
"""


def rows(engine: Engine, sql: str, database: str = "house") -> list[dict[str, object]]:
    """Return a query's rows, times as integers."""
    table = engine.query(sql, database)
    if "time" in table.column_names:
        place = table.column_names.index("time")
        table = table.set_column(place, "time", table.column("time").cast(pa.int64()))
    return table.to_pylist()


def test_engine_without_plugin_dir_imports_nothing_of_the_plugin_part() -> None:
    """While off, no module of the plugin machinery is imported and none of its threads runs; writes go on."""
    script = textwrap.dedent("""
        import sys, threading
        from procengine import Engine
        with Engine(object_store="memory", environ={}) as engine:
            engine.write("house", "home temp=1")
            assert engine.query("SELECT temp FROM home", "house").num_rows == 1
            assert engine.query("SELECT * FROM system.processing_engine_logs", "house").num_rows == 0
            off = ("procengine.processing", "procengine.plugin_part", "croniter")
            print([name for name in sys.modules if name.startswith(off)])
            print(sorted(thread.name for thread in threading.enumerate() if "worker" in thread.name))
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n[]\n", done.stderr


@pytest.mark.parametrize("part", ["triggers", "plugins", "plugin_cache", "logs"])
def test_engine_without_plugin_dir_answers_plugin_operations(part: str) -> None:
    """While off, plugin operations answer `No plugin directory configured` (section 6)."""
    with (
        Engine(object_store="memory", environ={}) as engine,
        pytest.raises(PluginsDisabledError, match=r"^No plugin directory configured$"),
    ):
        getattr(engine, part)


def test_engine_reads_the_environment_and_its_unset_variables(tmp_path: Path) -> None:
    """INFLUXDB3_PLUGIN_DIR turns the plugin part on; INFLUXDB3_UNSET_VARS hides it; empty is refused."""
    variable = {"INFLUXDB3_PLUGIN_DIR": str(tmp_path / "plugins")}
    with Engine(environ=variable) as engine:
        assert engine.plugins.folder == tmp_path / "plugins"
    with (
        Engine(environ=variable | {"INFLUXDB3_UNSET_VARS": "INFLUXDB3_PLUGIN_DIR"}) as engine,
        pytest.raises(PluginsDisabledError),
    ):
        _ = engine.triggers
    with pytest.raises(ConfigError, match="unset the variable INFLUXDB3_PLUGIN_DIR"):
        Engine(environ={"INFLUXDB3_PLUGIN_DIR": ""})


def test_engine_stop_leaves_no_thread(
    plugin_dir: Path, tmp_path: Path, plugin: Callable[[str, str], str]
) -> None:
    """All threads of an engine end with it."""
    before = set(threading.enumerate())
    engine = Engine(plugin_dir=plugin_dir, data_dir=tmp_path / "data", environ={})
    engine.write("house", "home,room=a temp=1")
    engine.triggers.create("house", "w", plugin("w", WRITER), "table:home")
    engine.write("house", "home,room=b temp=2")
    assert engine.wait_idle(10)
    engine.stop()
    engine.stop()
    left = [
        thread.name
        for thread in set(threading.enumerate()) - before
        if thread.name.startswith("procengine")
    ]
    assert left == []


def test_engine_stopped_refuses_writes_and_queries(engine: Engine) -> None:
    """A stopped engine says so."""
    engine.stop()
    with pytest.raises(StoppedError, match="the engine is stopped"):
        engine.write("house", "home temp=1")
    with pytest.raises(StoppedError, match="the engine is stopped"):
        engine.query("SELECT 1", "house")


def test_engine_keeps_rows_schema_and_triggers_over_a_restart(
    plugin_dir: Path, tmp_path: Path, plugin: Callable[[str, str], str]
) -> None:
    """Rows, those in Parquet and those in the log, columns and triggers are there after a restart; nothing twice."""
    options: dict[str, object] = {"plugin_dir": plugin_dir, "data_dir": tmp_path / "data", "environ": {}}
    with Engine(**options) as first:  # type: ignore[arg-type]
        first.write("house", "home,room=a temp=1 1\nhome,room=b temp=2 2", precision="s")
        first.snapshot()
        first.write("house", "home,room=a hum=5i 1\nhome,room=c temp=3 3", precision="s")
        first.triggers.create("house", "w", plugin("w", WRITER), "table:home", arguments={"k": "v"})
        expected = rows(first, "SELECT * FROM home ORDER BY time")
    with Engine(**options) as second:  # type: ignore[arg-type]
        assert rows(second, "SELECT * FROM home ORDER BY time") == expected
        assert [row["hum"] for row in expected] == [5, None, None]
        trigger = second.triggers.get("house", "w")
        assert (trigger.plugin_filename, trigger.spec, trigger.arguments) == (
            "w.py",
            "table:home",
            {"k": "v"},
        )
        assert second.wait_idle(10)
        assert "seen" not in second.catalog.database("house").tables
        second.write("house", "home,room=d temp=4 4", precision="s")
        assert second.wait_idle(10)
        assert rows(second, "SELECT room, temp FROM seen") == [{"room": "d", "temp": 4.0}]


def test_engine_memory_store_keeps_nothing(tmp_path: Path) -> None:
    """With object store memory nothing is written to the data folder."""
    with Engine(object_store="memory", data_dir=tmp_path / "data", environ={}) as engine:
        engine.write("house", "home temp=1")
        engine.snapshot()
        assert rows(engine, "SELECT temp FROM home") == [{"temp": 1.0}]
    assert not (tmp_path / "data").exists()


def test_engine_second_on_one_folder_is_refused(tmp_path: Path) -> None:
    """A data folder has one engine at a time; the refusal leaves no thread behind, and the first goes on."""
    with Engine(data_dir=tmp_path, environ={}) as first:
        before = threading.active_count()
        with pytest.raises(DataFolderLockedError, match="stop that engine, or give another data_dir"):
            Engine(data_dir=tmp_path, environ={})
        assert threading.active_count() == before
        first.write("house", "home temp=1")


def test_engine_failed_start_lets_the_folder_go(tmp_path: Path) -> None:
    """When a part cannot start, what was started before it is stopped, and the folder is free again."""
    (tmp_path / "data").mkdir()
    (tmp_path / "not-a-folder").write_text("")
    with pytest.raises(OSError, match="not-a-folder"):
        Engine(data_dir=tmp_path / "data", plugin_dir=tmp_path / "not-a-folder", environ={})
    with Engine(data_dir=tmp_path / "data", environ={}) as engine:
        engine.write("house", "home temp=1")


def test_engine_partial_write_stores_the_good_lines(engine: Engine) -> None:
    """With accept_partial good lines are stored and the error names the others by line and column (section 11)."""
    with pytest.raises(PartialWriteError) as caught:
        engine.write("house", "home temp=1 1\nhome temp=\nhome temp=3 3", precision="s")
    assert caught.value.result.row_count == 2
    assert [error.line_number for error in caught.value.errors] == [2]
    assert [row["temp"] for row in rows(engine, "SELECT temp FROM home ORDER BY time")] == [1.0, 3.0]


def test_engine_all_or_nothing_write(engine: Engine) -> None:
    """Without accept_partial one bad line rejects all, and leaves no table behind (section 11)."""
    with pytest.raises(LineProtocolError):
        engine.write("house", "home temp=1\nhome temp=", accept_partial=False)
    assert engine.catalog.find_database("house") is None or not engine.catalog.database("house").tables


def test_engine_takes_data_frames_and_arrow(engine: Engine) -> None:
    """DataFrames and Arrow tables are written with their tags; null cells are absent columns."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            "time": pd.to_datetime([1, 2], unit="s"),
            "room": ["a", "b"],
            "temp": [1.5, None],
            "n": [1, 2],
        }
    )
    engine.write("house", frame, table="home", tags=["room"])
    table = pa.table({"time": pa.array([3], pa.timestamp("s")), "room": ["c"], "temp": [2.5]})
    engine.write("house", table, table="home", tags=["room"])
    assert rows(engine, "SELECT * FROM home ORDER BY time") == [
        {"n": 1, "room": "a", "temp": 1.5, "time": 1_000_000_000},
        {"n": 2, "room": "b", "temp": None, "time": 2_000_000_000},
        {"n": None, "room": "c", "temp": 2.5, "time": 3_000_000_000},
    ]


def test_engine_no_sync_rows_are_there_after_a_flush(engine: Engine) -> None:
    """A no_sync write is answered without a sequence number, and durable after flush."""
    result = engine.write("house", "home temp=1", no_sync=True)
    assert result.wal_sequence_number is None
    engine.flush()
    assert rows(engine, "SELECT temp FROM home") == [{"temp": 1.0}]


def test_engine_duplicates_merge_per_field(tmp_path: Path) -> None:
    """Same tags and time merge per field, the last that is not null wins, at query and in Parquet (section 11)."""
    with Engine(data_dir=tmp_path, environ={}) as engine:
        engine.write("house", "home,room=a temp=1,hum=1 1", precision="s")
        engine.write("house", "home,room=a temp=2 1", precision="s")
        expected = [{"hum": 1.0, "room": "a", "temp": 2.0, "time": 1_000_000_000}]
        assert rows(engine, "SELECT * FROM home") == expected
        engine.snapshot()
        assert rows(engine, "SELECT * FROM home") == expected
        engine.write("house", "home,room=a hum=3 1", precision="s")
        expected[0]["hum"] = 3.0
        assert rows(engine, "SELECT * FROM home") == expected
        engine.snapshot()
        assert rows(engine, "SELECT * FROM home") == expected
        assert rows(engine, "SELECT count(*) AS n FROM home") == [{"n": 1}]


def test_engine_table_batch_shares_the_buffers_of_the_table(
    engine: Engine, plugin: Callable[[str, str], str]
) -> None:
    """A table batch's Arrow shares buffer addresses with the table buffer: nothing is copied."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            batch = table_batches[0].to_arrow()
            address = batch.column("temp").chunk(0).buffers()[1].address if hasattr(
                batch.column("temp"), "chunk") else batch.column("temp").buffers()[1].address
            influxdb3_local.cache.put("address", address)
    """
    engine.catalog.create_database("house")
    trigger = engine.triggers.create("house", "w", plugin("w", textwrap.dedent(source)), "all_tables")
    engine.write("house", "home,room=a temp=1\nhome,room=b temp=2")
    assert engine.wait_idle(10)
    table = engine.catalog.database("house").tables["home"]
    held = engine.write_buffer.view(table.id).rows[0].batch.column("temp").buffers()[1].address
    assert engine.plugin_cache.for_trigger("house", trigger.trigger_id).get("address") == held


def test_engine_self_feeding_plugin_is_paused(engine: Engine, plugin: Callable[[str, str], str]) -> None:
    """A plugin that writes to the table it watches is paused with its reason; the engine lives on."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.write(LineBuilder("home").float64_field("temp", 1.0))
    """
    engine.catalog.create_database("house")
    engine.triggers.create("house", "loop", plugin("loop", textwrap.dedent(source)), "table:home")
    engine.write("house", "home temp=1")
    assert engine.wait_idle(30)
    statistics = engine.triggers.statistics("house", "loop")
    assert statistics.reason is not None
    assert "64" in statistics.reason
    assert statistics.runs == 65, "the outside write and 64 that followed from it"
    engine.write("house", "other temp=1")


def test_engine_schedules_follow_the_virtual_clock(
    engine: Engine, clock: VirtualClock, plugin: Callable[[str, str], str]
) -> None:
    """Schedules fire at multiples of their period as the clock is moved, one call a tick (section 3)."""
    source = """
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            influxdb3_local.write(LineBuilder("tick").tag("at", call_time.isoformat()).bool_field("ok", True))
    """
    engine.catalog.create_database("house")
    engine.triggers.create("house", "tick", plugin("tick", textwrap.dedent(source)), "every:10s")
    clock.advance(35)
    assert engine.wait_idle(10)
    assert rows(engine, "SELECT count(*) AS n FROM tick") == [{"n": len(range(10, 36, 10))}]


def test_engine_system_tables_of_a_database(engine: Engine, plugin: Callable[[str, str], str]) -> None:
    """The schema `system` shows triggers, arguments, columns and files of the queried database (section 10)."""
    engine.write("house", "home,room=a temp=1")
    engine.triggers.create("house", "w", plugin("w", WRITER), "table:home", arguments={"k": "v"})
    assert rows(engine, "SELECT * FROM system.processing_engine_triggers") == [
        {
            "disabled": False,
            "error_behavior": "log",
            "plugin_filename": "w.py",
            "trigger_name": "w",
            "trigger_specification": '{"single_table_wal_write":{"table_name":"home"}}',
        }
    ]
    assert rows(engine, "SELECT * FROM system.processing_engine_trigger_arguments") == [
        {"argument_key": "k", "argument_value": "v", "trigger_name": "w"}
    ]
    shown = rows(engine, "SELECT key, data_type FROM system.influxdb_schema ORDER BY key")
    assert [tuple(row.values()) for row in shown] == [
        ("room", "tag"),
        ("temp", "float"),
        ("time", "time"),
    ]


def test_engine_internal_system_tables(engine: Engine, plugin: Callable[[str, str], str]) -> None:
    """Queries against `_internal` see databases, tables, nodes and plugin files as well (section 10)."""
    engine.write("house", "home,room=a temp=1")
    engine.triggers.create("house", "w", plugin("w", WRITER), "table:home")
    files = rows(engine, "SELECT plugin_name, file_name FROM system.plugin_files", "_internal")
    assert files == [{"plugin_name": "w", "file_name": "w.py"}]
    databases = rows(engine, "SELECT database_name FROM system.databases ORDER BY 1", "_internal")
    assert [row["database_name"] for row in databases] == ["_internal", "house"]
    tables = rows(
        engine, "SELECT table_name FROM system.tables WHERE database_name = 'house'", "_internal"
    )
    assert tables == [{"table_name": "home"}]
    nodes = rows(engine, "SELECT node_id, mode FROM system.nodes", "_internal")
    assert nodes == [{"node_id": "procengine", "mode": ["all"]}]
    with pytest.raises(QueryError, match=r"system\.plugin_files"):
        engine.query("SELECT * FROM system.plugin_files", "house")
