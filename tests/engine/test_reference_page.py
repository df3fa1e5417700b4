"""The reference page of the Processing Engine, paragraph by paragraph, each with a plugin that looks for itself.

Source: docs-v2, content/shared/influxdb3-reference/influxdb3-processing-engine.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from procengine import Engine
from procengine.clock import NANOSECONDS_PER_SECOND, VirtualClock
from procengine.errors import PluginsDisabledError
from procengine.model.run import Cause, CauseKind, LogLevel, RunOutcome
from procengine.model.run_limits import RunLimits
from procengine.processing.event import ScheduleEvent
from procengine.processing.trigger_statistics import TriggerState
from tests.engine.looks import ask, request_event, rows, settle, texts, wait_until

Plugin = Callable[[str, str], str]

TELLS_ITS_CONTEXT = """
    import json

    def process_writes(influxdb3_local, table_batches, args=None):
        tables = [(batch["table_name"], [row["n"] for row in batch["rows"]]) for batch in table_batches]
        influxdb3_local.info(f"written {tables}")

    def process_scheduled_call(influxdb3_local, call_time, args=None):
        influxdb3_local.info(f"called at {call_time:%H:%M:%S}")

    def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
        return {"params": query_params, "agent": request_headers["agent"], "body": json.loads(request_body)}
"""


@pytest.fixture
def house(engine: Engine) -> Engine:
    """An engine with the database ``house``."""
    engine.catalog.create_database("house")
    return engine


# Enable and disable the Processing Engine

WHAT_IT_TAKES = """
import json, sys, threading
from pathlib import Path
from procengine import Engine

options = {"plugin_dir": Path(sys.argv[1])} if len(sys.argv) > 1 else {}
with Engine(object_store="memory", environ={}, **options) as engine:
    engine.write("house", "home temp=1")
    assert engine.query("SELECT temp FROM home", "house").num_rows == 1
    resident = next(
        int(line.split()[1])
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    print(json.dumps({
        "modules": sorted(name for name in sys.modules if name.startswith(("procengine", "croniter"))),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "kilobytes": resident,
    }))
"""


def what_it_takes(*words: str) -> dict[str, object]:
    """Return the modules, the threads and the memory of an engine in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", WHAT_IT_TAKES, *words], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_disabled_the_machinery_is_neither_loaded_nor_started(tmp_path: Path) -> None:
    """Without a plugin directory no module and no thread of the plugins is there, and memory is saved."""
    on, off = what_it_takes(str(tmp_path / "plugins")), what_it_takes()
    assert not [
        name
        for name in off["modules"]  # type: ignore[attr-defined]
        if name.startswith(
            ("procengine.processing", "procengine.plugin_part", "procengine.state", "cron")
        )
    ]
    assert set(off["threads"]) <= set(on["threads"])  # type: ignore[call-overload]
    assert off["kilobytes"] < on["kilobytes"]  # type: ignore[operator]


def test_disabled_plugin_operations_say_why_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A folder that exists turns nothing on; writes and queries are served."""
    (tmp_path / "plugins").mkdir()
    with Engine(object_store="memory", environ={}) as engine:
        with pytest.raises(PluginsDisabledError, match=r"^No plugin directory configured$"):
            _ = engine.triggers
        engine.write("house", "home n=1i")
        assert len(rows(engine, "SELECT n FROM home")) == 1


# Architecture


def test_plugins_share_one_python_process(house: Engine, plugin: Plugin) -> None:
    """What one plugin changes in a module, another finds changed."""
    for name in ("sets", "gets"):
        source = f"""
            import json
            def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
                if {name!r} == "sets":
                    json.left_by_a_plugin = 7
                return {{"found": getattr(json, "left_by_a_plugin", None)}}
        """
        house.triggers.create("house", name, plugin(name, source), f"request:{name}")
    try:
        ask(house, "sets")
        assert json.loads(ask(house, "gets").body) == {"found": 7}
    finally:
        del json.left_by_a_plugin  # type: ignore[attr-defined]


# Event processing flow


def test_each_type_of_event_brings_its_context(
    house: Engine, clock: VirtualClock, plugin: Plugin
) -> None:
    """Writes bring rows and their table, schedules the time of the call, requests all of the request."""
    filename = plugin("context", TELLS_ITS_CONTEXT)
    for name, spec in (("w", "table:home"), ("a", "all_tables"), ("s", "every:10s"), ("r", "request:r")):
        house.triggers.create("house", name, filename, spec)
    house.write("house", "home n=1i\nhome n=2i")
    house.write("house", "shed n=3i")
    settle(house)
    written = sorted(text for text in texts(house) if text.startswith("written"))
    assert written == [
        "written [('home', [1, 2])]",
        "written [('home', [1, 2])]",
        "written [('shed', [3])]",
    ]
    clock.advance(10)
    settle(house)
    assert texts(house)[-1] == "called at 22:13:30"
    event = request_event(params={"a": "b"}, headers={"agent": "test"}, body=b"[1]")
    said = json.loads(house.triggers.request("r", event).body)
    assert said == {"params": {"a": "b"}, "agent": "test", "body": [1]}
    for one in house.triggers.statistics():  # and all wait for the next event
        assert (one.in_flight, one.queue_depth, one.state) == (0, 0, TriggerState.ENABLED)


def test_a_plugin_queries_writes_and_caches(house: Engine, clock: VirtualClock, plugin: Plugin) -> None:
    """On its event it can ask the database, write to it, and keep something for the next."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            count = influxdb3_local.query("SELECT count(*) AS n FROM home")[0]["n"]
            runs = influxdb3_local.cache.get("runs", 0) + 1
            influxdb3_local.cache.put("runs", runs)
            influxdb3_local.write(LineBuilder("seen").int64_field("rows", count).int64_field("runs", runs))
    """
    house.triggers.create("house", "w", plugin("w", source), "table:home")
    for number in range(2):
        house.write("house", f"home n={number}i")
        settle(house)
        clock.advance(1)
    seen = rows(house, "SELECT rows, runs FROM seen ORDER BY time")
    assert seen == [{"rows": 1, "runs": 1}, {"rows": 2, "runs": 2}]


# Key components: plugin registry


def test_the_registry_knows_files_and_who_uses_them(house: Engine, plugin: Plugin) -> None:
    """Plugins are indexed by file name and place, each with the triggers that use it."""
    shared = plugin("shared", TELLS_ITS_CONTEXT)
    for name, spec in (("one", "table:a"), ("two", "table:b")):
        house.triggers.create("house", name, shared, spec)
    found = rows(house, "SELECT plugin_name, file_name, file_path FROM system.plugin_files", "_internal")
    assert {(row["plugin_name"], row["file_name"]) for row in found} == {
        ("one", "shared.py"),
        ("two", "shared.py"),
    }
    assert {row["file_path"] for row in found} == {str(house.plugins.folder / "shared.py")}


# Key components: memory management


def test_each_plugin_runs_in_a_context_of_its_own(house: Engine, plugin: Plugin) -> None:
    """Globals of one plugin, and its local cache, are not those of another, nor of its next run."""
    source = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            before = (globals().get("left"), influxdb3_local.cache.get("left"))
            globals()["left"] = args["name"]
            influxdb3_local.cache.put("left", args["name"])
            return {"before": before}
    """
    filename = plugin("isolated", source)
    for name in ("one", "two"):
        house.triggers.create("house", name, filename, f"request:{name}", arguments={"name": name})
    assert json.loads(ask(house, "one").body) == {"before": [None, None]}
    assert json.loads(ask(house, "two").body) == {"before": [None, None]}
    assert json.loads(ask(house, "one").body) == {"before": [None, "one"]}


def test_resource_limits_end_a_run(house: Engine, plugin: Plugin) -> None:
    """A run past its time is ended, and recorded as such."""
    source = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            while True:
                pass
    """
    limits = RunLimits(wall_ns=NANOSECONDS_PER_SECOND // 10)
    house.triggers.create("house", "r", plugin("r", source), "request:r", limits=limits)
    assert ask(house, "r").status == 500
    assert house.triggers.statistics("house", "r").errors == 1


# Reliability features


@pytest.mark.parametrize("behavior", ["log", "retry", "disable"])
def test_error_handling(house: Engine, clock: VirtualClock, plugin: Plugin, behavior: str) -> None:
    """A failure is logged and passed over, run again until it succeeds, or the trigger is disabled."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            times = influxdb3_local.cache.get("times", 0, use_global=True) + 1
            influxdb3_local.cache.put("times", times, use_global=True)
            if times == 1:
                raise ValueError("at first")
            influxdb3_local.info("ran")
    """
    house.triggers.create("house", "w", plugin("w", source), "table:home", error_behavior=behavior)
    house.write("house", "home n=1i")
    if behavior == "retry":
        wait_until(house, lambda: house.triggers.statistics("house", "w").attempt == 2)
        clock.advance(60)
        wait_until(house, lambda: texts(house, LogLevel.INFO) == ["ran"])
        return
    settle(house)
    assert "ValueError: at first" in texts(house, LogLevel.ERROR)[0]
    house.write("house", "home n=2i")
    settle(house)
    assert texts(house, LogLevel.INFO) == ([] if behavior == "disable" else ["ran"])
    assert house.triggers.get("house", "w").disabled == (behavior == "disable")


def test_execution_tracking(house: Engine, plugin: Plugin) -> None:
    """How long runs took, what they used, read and wrote, is a table."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.query("SELECT * FROM home")
            influxdb3_local.write(LineBuilder("out").int64_field("n", 1))
    """
    house.triggers.create("house", "w", plugin("w", source), "table:home")
    house.write("house", "home n=1i\nhome n=2i")
    settle(house)
    (run,) = rows(
        house,
        "SELECT trigger_name, rows_in, query_count, outcome, "
        "arrow_cast(duration, 'Int64') AS duration_ns, arrow_cast(cpu_time, 'Int64') AS cpu_time_ns "
        "FROM system.processing_engine_runs",
    )
    assert (run["trigger_name"], run["rows_in"], run["query_count"]) == ("w", 2, 1)
    assert run["outcome"] == RunOutcome.SUCCESS.value
    assert isinstance(run["duration_ns"], int)
    assert isinstance(run["cpu_time_ns"], int)


def test_state_persistence(tmp_path: Path) -> None:
    """What a plugin cached is there after a restart."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "counts.py").write_text(
        "def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):\n"
        "    times = influxdb3_local.cache.get('times', 0) + 1\n"
        "    influxdb3_local.cache.put('times', times)\n"
        "    return {'times': times}\n"
    )
    for expected in (1, 2):
        with Engine(data_dir=tmp_path / "data", plugin_dir=plugins, environ={}) as engine:
            if expected == 1:
                engine.catalog.create_database("house")
                engine.triggers.create("house", "r", "counts.py", "request:r")
            assert json.loads(ask(engine, "r").body) == {"times": expected}


# Extension capabilities


def test_shared_api(house: Engine, plugin: Plugin) -> None:
    """Each kind of plugin finds the same operations."""
    source = """
        def seen(influxdb3_local):
            return sorted(name for name in dir(influxdb3_local) if not name.startswith("_"))
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.info(seen(influxdb3_local))
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            influxdb3_local.info(seen(influxdb3_local))
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            influxdb3_local.info(seen(influxdb3_local))
    """
    filename = plugin("api", source)
    for name, spec in (("w", "table:home"), ("s", "every:1h"), ("r", "request:r")):
        house.triggers.create("house", name, filename, spec)
    house.write("house", "home n=1i")
    settle(house)
    house.triggers.fire("s", ScheduleEvent(instant_ns=0, cause=Cause(kind=CauseKind.FIRE)))
    ask(house, "r")
    first, *others = texts(house, LogLevel.INFO)
    assert others == [first, first]
    for operation in ("cache", "error", "info", "query", "warn", "write", "write_sync"):
        assert f"'{operation}'" in first
