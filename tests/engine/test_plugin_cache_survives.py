"""The plugin cache through the whole engine: what a restart, a kill, and each change of a trigger leaves of it."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.errors import CorruptFileError, StorageError
from procengine.model.run import LogLevel, Run
from procengine.processing.trigger_statistics import TriggerState
from tests.engine.looks import WAIT_SECONDS, ask, gate_for, rows, settle, texts

Plugin = Callable[[str, str], str]

COUNT = """
class Counter:
    def __init__(self):
        self.n = 0

def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    cache = influxdb3_local.cache
    counter = cache.get("counter")
    if counter is None:
        counter = Counter()
        cache.put("counter", counter)
    counter.n += 1
    cache.put("calls", cache.get("calls", 0, use_global=True) + 1, use_global=True)
    return {"n": counter.n}
"""


class Restarts:
    """An engine on a data folder, started again and again."""

    def __init__(self, folder: Path, plugin_dir: Path, clock: VirtualClock) -> None:
        self.folder, self.plugin_dir, self.clock = folder, plugin_dir, clock
        self.engine = self._start()

    def again(self) -> Engine:
        self.engine.stop()
        self.engine = self._start()
        return self.engine

    def count(self, trigger: str = "t") -> int:
        """Run the counting plugin once more; return what it counts to."""
        return int(ask(self.engine, trigger).body.decode().split(":")[1].strip("} "))

    def held(self) -> list[tuple[str, str]]:
        return [(value.namespace, value.key) for value in self.engine.plugin_cache.values()]

    def _start(self) -> Engine:
        return Engine(plugin_dir=self.plugin_dir, data_dir=self.folder, environ={}, clock=self.clock)


@pytest.fixture
def restarts(tmp_path: Path, plugin_dir: Path, clock: VirtualClock, plugin: Plugin) -> Restarts:
    """An engine whose database ``house`` has a counting trigger ``t``."""
    plugin("count", COUNT)
    restarts = Restarts(tmp_path / "data", plugin_dir, clock)
    restarts.engine.catalog.create_database("house")
    restarts.engine.triggers.create("house", "t", "count.py", "request:t")
    yield restarts  # type: ignore[misc]
    restarts.engine.stop()


def test_a_counter_counts_on_after_a_restart(restarts: Restarts) -> None:
    """Local and global values, an object that was changed in place among them, are there again."""
    counted = []
    for _ in range(3):
        counted += [restarts.count(), restarts.count()]
        restarts.again()
    assert counted == [1, 2, 3, 4, 5, 6]
    assert restarts.held() == [("house/t", "counter"), ("global", "calls")]
    assert texts(restarts.engine, LogLevel.WARN) == []


@pytest.mark.parametrize("how", ["reload", "replace", "arguments", "restart"])
def test_the_cache_is_kept(restarts: Restarts, plugin: Plugin, how: str) -> None:
    """A reload, the same cell again, other arguments, and a restart keep it."""
    assert restarts.count() == 1
    triggers = restarts.engine.triggers
    if how == "reload":
        plugin("count", COUNT + "# corrected\n")
        triggers.reload("house", "t")
    elif how == "restart":
        restarts.again()
    else:
        arguments = {"a": "b"} if how == "arguments" else None
        triggers.replace("house", "t", "count.py", "request:t", arguments=arguments)
    assert restarts.count() == 2


@pytest.mark.parametrize("how", ["disable", "delete", "delete database", "cell disables"])
@pytest.mark.parametrize("restarted", [False, True])
def test_the_cache_is_dropped(restarts: Restarts, how: str, restarted: bool) -> None:
    """Disable, delete and the database's deletion drop the local cache, in memory and on disk; not the global one."""
    assert restarts.count() == 1
    triggers = restarts.engine.triggers
    if how == "disable":
        triggers.disable("house", "t")
    elif how == "delete":
        triggers.delete("house", "t", force=True)
    elif how == "cell disables":
        triggers.replace("house", "t", "count.py", "request:t", disabled=True)
    else:
        restarts.engine.catalog.delete_database("house")
    if restarted:
        restarts.again()
    assert restarts.held() == [("global", "calls")]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("how", ["enable", "cell"])
def test_after_an_error_the_cache_is_kept_until_enable(
    restarts: Restarts, plugin: Plugin, restarted: bool, how: str
) -> None:
    """A trigger that an error disabled keeps its cache for inspection; enabled again it begins with none."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            cache = influxdb3_local.cache
            influxdb3_local.info(cache.get("rows", 0))
            cache.put("rows", 5)
            if args is None:
                raise ValueError("no")
    """
    spec = ("house", "w", plugin("w", source), "all_tables")
    restarts.engine.triggers.create(*spec, error_behavior="disable")
    restarts.engine.write("house", "home n=1i")
    settle(restarts.engine)
    if restarted:
        restarts.again()
    engine = restarts.engine
    assert engine.triggers.statistics("house", "w").state is TriggerState.DISABLED
    assert restarts.held() == [("house/w", "rows")]
    if how == "enable":
        engine.triggers.enable("house", "w")
    else:
        engine.triggers.replace(*spec, error_behavior="disable")
    assert restarts.held() == []
    engine.write("house", "home n=2i")
    settle(engine)
    assert texts(engine, LogLevel.INFO)[-1] == "0"
    assert restarts.held() == [("house/w", "rows")]


def test_time_to_live_goes_on_while_the_engine_is_down(restarts: Restarts, plugin: Plugin) -> None:
    """A value expires by the wall clock."""
    source = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            influxdb3_local.cache.put("short", 1, ttl=10)
            influxdb3_local.cache.put("long", 1, ttl=100)
    """
    restarts.engine.triggers.create("house", "ttl", plugin("ttl", source), "request:ttl")
    ask(restarts.engine, "ttl")
    restarts.engine.stop()
    restarts.clock.advance(10)
    restarts.again()
    assert [(v.key, v.seconds_left) for v in restarts.engine.plugin_cache.values()] == [("long", 90.0)]


def test_a_run_is_durable_before_it_is_known(restarts: Restarts) -> None:
    """When a subscriber hears of a run, and when its response comes, a copy of the files has what it cached."""
    copied: list[list[str]] = []

    def heard(run: Run) -> None:
        copied.append(stored_keys(restarts.folder))

    restarts.engine.triggers.subscribe(heard)
    restarts.count()
    assert copied == [["counter", "calls"]] == [stored_keys(restarts.folder)]


def test_the_runs_table_names_the_keys(restarts: Restarts) -> None:
    """``cache_keys_changed`` has the keys that a run put, deleted or changed in place, also after a restart."""
    restarts.count()
    sql = "SELECT cache_keys_changed AS keys FROM system.processing_engine_runs ORDER BY run_id"
    expected = [{"keys": ["counter", "calls"]}]
    assert rows(restarts.engine, sql) == expected
    assert rows(restarts.again(), sql) == expected


def test_memory_writes_nothing(engine: Engine, plugin: Plugin, tmp_path: Path) -> None:
    """With object store ``memory`` there is no file and no thread for the plugin cache."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("count", COUNT), "request:t")
    ask(engine, "t")
    assert "procengine-state" not in {thread.name for thread in threading.enumerate()}
    assert list(tmp_path.rglob("*.sqlite3*")) == []


def test_the_thread_ends_with_the_engine(restarts: Restarts) -> None:
    """One thread writes the file, and it ends; the file has no log beside it then."""
    restarts.count()
    assert "procengine-state" in {thread.name for thread in threading.enumerate()}
    restarts.engine.stop()
    assert "procengine-state" not in {thread.name for thread in threading.enumerate()}
    files = (restarts.folder / "state").glob("plugin_cache*")
    assert [path.name for path in files] == ["plugin_cache.sqlite3"]


def test_a_damaged_file_is_named_and_can_be_moved_away(restarts: Restarts) -> None:
    """The engine does not start with a damaged plugin cache; without it everything else is there."""
    restarts.count()
    restarts.engine.stop()
    path = restarts.folder / "state" / "plugin_cache.sqlite3"
    path.write_bytes(b"no database" * 500)
    with pytest.raises(CorruptFileError, match="to go on without it, move it and its '-wal' file"):
        restarts.again()
    path.rename(path.with_suffix(".aside"))
    restarts.again()
    assert restarts.count() == 1


def test_a_run_ends_although_the_disk_is_full(
    tmp_path: Path, plugin_dir: Path, clock: VirtualClock, plugin: Plugin
) -> None:
    """The response comes, the log says what is not durable, and stop tries once more."""
    made: list[sqlite3.Connection] = []

    def connect_small(path: Path) -> sqlite3.Connection:
        made.append(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
        return made[-1]

    source = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            influxdb3_local.cache.put("big", bytes(100_000))
            return "done"
    """
    options = {"plugin_dir": plugin_dir, "data_dir": tmp_path / "data", "environ": {}, "clock": clock}
    with Engine(**options, connect_state=connect_small) as engine:  # type: ignore[arg-type]
        engine.catalog.create_database("house")
        engine.triggers.create("house", "t", plugin("big", source), "request:t")
        made[0].execute("PRAGMA max_page_count = 1")
        assert ask(engine, "t").body == b"done"
        (text,) = texts(engine, LogLevel.ERROR)
        assert "not durable yet" in text
        assert "database or disk is full" in text
        made[0].execute("PRAGMA max_page_count = 1000000")
    with Engine(**options) as engine:  # type: ignore[arg-type]
        (value,) = engine.plugin_cache.values()
        assert (value.key, value.value) == ("big", bytes(100_000))


def test_a_trigger_with_a_run_that_goes_on_can_be_deleted(restarts: Restarts, plugin: Plugin) -> None:
    """A run that a delete could not end brings nothing back when it ends at last."""
    source = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            influxdb3_local.cache.put("mine", 1)
            gate = influxdb3_local.cache.get("gate", use_global=True)
            while not gate.let_go.is_set():
                try:
                    gate.let_go.wait(0.01)
                    gate.reached.release()
                except KeyboardInterrupt:
                    pass
    """
    restarts.engine.stop()
    engine = restarts.engine = Engine(
        plugin_dir=restarts.plugin_dir,
        data_dir=restarts.folder,
        environ={},
        clock=restarts.clock,
        shutdown_timeout="10ms",
    )
    trigger = engine.triggers.create("house", "stuck", plugin("stuck", source), "request:stuck")
    with gate_for(engine) as gate:
        caller = threading.Thread(target=lambda: ask(engine, "stuck"))
        caller.start()
        gate.wait_reached()
        engine.triggers.delete("house", "stuck", force=True)
    caller.join(WAIT_SECONDS)
    assert ("house/stuck", "mine") not in restarts.held()
    assert "mine" not in stored_keys(restarts.folder)
    assert trigger.trigger_id not in {value.trigger_id for value in engine.plugin_cache.values()}


CHILD = """
    import os, sys, threading
    from procengine import Engine
    from procengine.model.run import Cause, CauseKind
    from procengine.processing.event import RequestEvent

    engine = Engine(data_dir=sys.argv[1], plugin_dir=sys.argv[2], environ={})

    def ask(name):
        while True:
            event = RequestEvent(query_params={}, headers={}, body=b"", cause=Cause(kind=CauseKind.REQUEST))
            number = engine.triggers.request(name, event).body.decode()
            # One system call, so that a line is there whole or not at all.
            os.write(1, f"{name} {number}\\n".encode())

    threads = [threading.Thread(target=ask, args=(f"t{n}",), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""

PAIR = """
class Log:
    def __init__(self):
        self.numbers = []

def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    cache = influxdb3_local.cache
    log = cache.get("log")
    if log is None:
        log = Log()
        cache.put("log", log)
    number = len(log.numbers)
    log.numbers.append(number)
    cache.put("twin", number)
    cache.put(f"key {number}", number)
    cache.delete(f"key {number - 1}")
    return str(number)
"""


def killed_after(folder: Path, plugin_dir: Path, acknowledged: int) -> dict[str, int]:
    """Run plugins in a process that is killed after so many responses; return the last number of each trigger."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(folder), str(plugin_dir)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    late = threading.Timer(WAIT_SECONDS, process.kill)
    late.start()
    lines = [process.stdout.readline() for _ in range(acknowledged)]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.stdout.close()
    late.cancel()
    assert process.wait(WAIT_SECONDS) == -signal.SIGKILL
    assert all(lines), "the process ended by itself"
    return {name: int(number.strip('"')) for name, number in (line.split() for line in lines)}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_kill_loses_the_runs_in_flight_at_most(
    tmp_path: Path, plugin_dir: Path, plugin: Plugin
) -> None:
    """After each kill every trigger's keys are those of one run: the last answered one, or the one in flight."""
    data = tmp_path / "data"
    plugin("pair", PAIR)
    with Engine(data_dir=data, plugin_dir=plugin_dir, environ={}) as engine:
        engine.catalog.create_database("house")
        for number in range(4):
            engine.triggers.create("house", f"t{number}", "pair.py", f"request:t{number}")
    answered = dict.fromkeys((f"t{number}" for number in range(4)), -1)
    for acknowledged in (1, 40, 150):
        answered |= killed_after(data, plugin_dir, acknowledged)
        with Engine(data_dir=data, plugin_dir=plugin_dir, environ={}) as engine:
            held: dict[str, dict[str, object]] = {name: {} for name in answered}
            for value in engine.plugin_cache.values():
                held[value.namespace.removeprefix("house/")][value.key] = value.value
        for name, keys in held.items():
            last = keys.get("twin", -1)
            assert isinstance(last, int)
            assert last in (answered[name], answered[name] + 1)
            expected = {} if last < 0 else {"twin": last, f"key {last}": last}
            assert {key: value for key, value in keys.items() if key != "log"} == expected
            assert last < 0 or keys["log"].numbers == list(range(last + 1))  # type: ignore[attr-defined]
            answered[name] = last


def stored_keys(folder: Path) -> list[str]:
    """Return the keys in a copy of the plugin cache's files as they are now."""
    look = folder.parent / "look"
    look.mkdir(exist_ok=True)
    for path in look.iterdir():
        path.unlink()
    for path in (folder / "state").glob("plugin_cache*"):
        (look / path.name).write_bytes(path.read_bytes())
    connection = sqlite3.connect(look / "plugin_cache.sqlite3")
    try:
        return [key for (key,) in connection.execute("SELECT key FROM plugin_cache ORDER BY number")]
    finally:
        connection.close()


def test_the_folder_is_refused_where_it_cannot_be_made(
    tmp_path: Path, plugin_dir: Path, clock: VirtualClock
) -> None:
    """Something else in the place of the plugin cache's file is named."""
    (tmp_path / "data" / "state" / "plugin_cache.sqlite3").mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot use the plugin cache"):
        Engine(plugin_dir=plugin_dir, data_dir=tmp_path / "data", environ={}, clock=clock)
