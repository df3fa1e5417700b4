"""Triggers under pressure, through the engine: memory stays bounded, it shows, and everything else goes on."""

from __future__ import annotations

import contextlib
import gc
import re
import shutil
import socket
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from procengine import Engine, processing
from procengine.clock import VirtualClock
from procengine.errors import RequestQueueFullError
from procengine.model.run import LogLevel, RunOutcome
from procengine.processing import sliced_waits
from procengine.processing.cancellation import PluginThread
from procengine.processing.trigger_statistics import TriggerState
from procengine.wal import Wal
from procengine.wal.wal import RETAINED_BYTES_ALONE
from tests.engine.looks import (
    WAIT_SECONDS,
    Gate,
    ask,
    gate_for,
    request_event,
    rows,
    settle,
    texts,
    wait_until,
)

Plugin = Callable[[str, str], str]

GATED = """
    def process_writes(influxdb3_local, table_batches, args=None):
        influxdb3_local.cache.get("gate", use_global=True).pass_through()
        influxdb3_local.info(table_batches[0]["rows"][0]["n"])
"""
GATED_REQUEST = """
    def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
        influxdb3_local.cache.get("gate", use_global=True).pass_through()
        return "ok"
"""
GATED_TICK = """
    def process_scheduled_call(influxdb3_local, call_time, args=None):
        influxdb3_local.cache.get("gate", use_global=True).pass_through()
"""
PASS_ON = """
    def process_writes(influxdb3_local, table_batches, args=None):
        n = table_batches[0]["rows"][0]["n"]
        influxdb3_local.write_sync(LineBuilder(args["to"]).int64_field("n", n + 1), False)
"""


@pytest.fixture
def house(plugin_dir: Path, clock: VirtualClock) -> Iterator[Engine]:
    """An engine with a database, in memory, where each write is a flush at once."""
    options = {"plugin_dir": plugin_dir, "environ": {}, "clock": clock, "wal_flush_interval": 0}
    options["request_queue_limit"] = 60
    with Engine(object_store="memory", **options) as engine:
        engine.catalog.create_database("house")
        yield engine


@pytest.fixture
def on_disk(tmp_path: Path, plugin_dir: Path) -> Callable[..., Engine]:
    """Start an engine in a data folder, the same each time unless another is named."""

    def start(folder: str = "data", **options: object) -> Engine:
        return Engine(plugin_dir=plugin_dir, data_dir=tmp_path / folder, environ={}, **options)

    return start


def warning(engine: Engine, name: str = "t") -> str | None:
    """Return a trigger's warning."""
    return engine.triggers.statistics("house", name).warning


def copy_if_there(source: str, target: str) -> None:
    """Copy a file, unless it has just got another name."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)


def passed_over(engine: Engine) -> list[int]:
    """Return the numbers of rows that an engine found to be passed over after a kill."""
    said = re.compile(
        r"rows passed over: about (\d+) (?:was|were) written before the engine ended without being stopped "
        r"\(the number is of 50 ms before\) and not handled by then; nothing is delivered again"
    )
    found = [text for text in texts(engine) if text.startswith("rows passed over")]
    return [int(match[1]) for text in found if (match := said.fullmatch(text))]


def test_a_write_trigger_that_stands_still_is_warned_of(
    house: Engine, clock: VirtualClock, plugin: Plugin
) -> None:
    """Rows that wait for 10 s are a warning, in the statistics and once in the log; so is catching up."""
    house.triggers.create("house", "t", plugin("t", GATED), "all_tables")
    with gate_for(house) as gate:
        house.write("house", "home n=0i")
        gate.wait_reached()
        for number in range(1, 200):
            house.write("house", f"home n={number}i {2 * number}\nhome n={number}i {2 * number + 1}")
        assert warning(house) is None
        clock.advance(12)
        statistics = house.triggers.statistics("house", "t")
        assert statistics.warning is not None
        assert statistics.warning.startswith(
            "it is behind: 399 rows of 200 flushes wait, the oldest for 12 s, and "
        )
        assert statistics.lag.held_bytes > 0
        assert rows(house, "SELECT count(*) AS n FROM home") == [{"n": 399}]
    settle(house)
    assert warning(house) is None
    said = [text for text in texts(house) if not text.isdecimal()]
    assert len(said) == 2
    assert said[0].startswith("it is behind: ")
    assert said[1] == "it has caught up"


def objects_of(package: str) -> Counter[str]:
    """Return how many instances of a package's classes are alive, by class."""
    gc.collect()
    kinds = (type(one) for one in gc.get_objects())
    return Counter(kind.__qualname__ for kind in kinds if str(kind.__module__).startswith(package))


def bytes_held_by(package: ModuleType, work: Callable[[], object]) -> int:
    """Return how many bytes that a package's code took while work was done are held after it."""
    assert package.__file__ is not None
    own = tracemalloc.Filter(True, f"{Path(package.__file__).parent}/*")
    tracemalloc.start()
    try:
        work()
        gc.collect()
        held = tracemalloc.take_snapshot().filter_traces([own])
        return sum(one.size for one in held.statistics("filename"))
    finally:
        tracemalloc.stop()


def test_a_long_backlog_costs_the_trigger_nothing(
    on_disk: Callable[..., Engine],
    plugin: Plugin,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While 200,000 rows wait a trigger holds as much as while 40 do; the log is kept for it, and then let go."""
    monkeypatch.setattr("procengine.storage_part.Wal", partial(Wal, segment_bytes=200_000))
    folder = tmp_path / "data" / "wal"
    lines = "\n".join(f"home n={number}i {number}" for number in range(40))
    with on_disk(wal_flush_interval=0) as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "t", plugin("t", GATED), "table:home")
        write = partial(engine.write, "house", lines, precision="ns")
        with gate_for(engine) as gate:
            write()
            gate.wait_reached()
            few = objects_of("procengine.processing")
            for _ in range(4_499):
                write()
            grown = bytes_held_by(processing, lambda: [write() for _ in range(500)])
            # A trigger's place is noted by a thread of its own, in its own time.
            new = objects_of("procengine.processing") - few
            assert new - Counter({"Place": 1, "VersionFile": 1}) == Counter()
            assert grown < 500 * 8, "something grows with each write"
            lag = engine.triggers.statistics("house", "t").lag
            assert (lag.contents, lag.rows) == (5_000, 200_000)
            segments = set(folder.iterdir())
            assert len(segments) > 5
            engine.snapshot()
            assert segments <= set(folder.iterdir())
            engine.triggers.disable("house", "t")
        write()
        engine.snapshot()
        assert len(segments & set(folder.iterdir())) <= 1


def test_a_schedule_that_cannot_keep_up_is_warned_of(
    house: Engine, clock: VirtualClock, plugin: Plugin
) -> None:
    """Ticks that wait are a number and not a list; from 5 on they are a warning, and none is lost."""
    house.triggers.create("house", "t", plugin("t", GATED_TICK), "every:1s")
    with gate_for(house) as gate:
        clock.advance(1)
        gate.wait_reached()
        clock.advance(4)
        assert warning(house) is None
        clock.advance(296)
        statistics = house.triggers.statistics("house", "t")
        assert statistics.queue_depth == 300
        assert statistics.warning == "it cannot keep up: 300 ticks wait, the first for 299 s"
    settle(house)
    assert house.triggers.statistics("house", "t").runs == 301
    instants = [run.cause.instant_ns for run in house.triggers.runs]
    assert instants == sorted(instants)
    assert texts(house)[-1] == "it has caught up"


def test_a_flood_of_requests_is_refused_in_the_end(house: Engine, plugin: Plugin) -> None:
    """As many requests as the option says wait for a synchronous trigger; the next is told so."""
    house.triggers.create("house", "r", plugin("r", GATED_REQUEST), "request:r")
    answers: list[int] = []
    with gate_for(house) as gate:
        callers = [
            threading.Thread(target=lambda: answers.append(ask(house, "r").status)) for _ in range(61)
        ]
        for caller in callers:
            caller.start()
        gate.wait_reached()
        wait_until(house, lambda: house.triggers.statistics("house", "r").queue_depth == 60)
        assert warning(house, "r") == "60 requests wait; at most 60 may"
        with pytest.raises(RequestQueueFullError) as refused:
            house.triggers.request("r", request_event())
        assert str(refused.value) == (
            "the trigger has 60 requests waiting, as many as may; try again later"
        )
        assert refused.value.http_status == 503
    for caller in callers:
        caller.join(WAIT_SECONDS)
    assert answers == [200] * 61
    assert warning(house, "r") is None


def test_requests_that_wait_end_with_the_trigger(house: Engine, plugin: Plugin) -> None:
    """Disable tells those in line, and does not run them."""
    house.triggers.create("house", "r", plugin("r", GATED_REQUEST), "request:r")
    errors: list[str] = []

    def call() -> None:
        try:
            ask(house, "r")
        except Exception as error:
            errors.append(str(error))

    with gate_for(house) as gate:
        callers = [threading.Thread(target=call) for _ in range(5)]
        for caller in callers:
            caller.start()
        gate.wait_reached()
        wait_until(house, lambda: house.triggers.statistics("house", "r").queue_depth == 4)
        stopping = threading.Thread(target=house.triggers.disable, args=("house", "r"))
        stopping.start()
        wait_until(house, lambda: len(errors) == 4)
    stopping.join(WAIT_SECONDS)
    for caller in callers:
        caller.join(WAIT_SECONDS)
    assert errors == ["the trigger was stopped before its turn came"] * 4


def test_a_thousand_events_do_not_make_a_thousand_threads(house: Engine, plugin: Plugin) -> None:
    """An asynchronous trigger has at most half of the workers; what more comes waits in the log."""
    house.triggers.create("house", "t", plugin("t", GATED), "all_tables", run_async=True)
    with gate_for(house) as gate:
        for number in range(1000):
            house.write("house", f"home n={number}i")
        for _ in range(256):
            gate.wait_reached()
        statistics = house.triggers.statistics("house", "t")
        assert (statistics.in_flight, statistics.lag.contents) == (256, 744)
        workers = [one for one in threading.enumerate() if one.name.startswith("procengine-worker-")]
        assert len(workers) < 300
    settle(house)
    assert sorted(map(int, texts(house))) == list(range(1000))


def test_failed_runs_do_not_pile_up(house: Engine, plugin: Plugin) -> None:
    """Of an asynchronous trigger that retries, so many events wait to be retried as may run, and no more."""
    source = "def process_writes(influxdb3_local, table_batches, args=None): raise ValueError('no')"
    house.triggers.create(
        "house", "t", plugin("t", source), "all_tables", run_async=True, error_behavior="retry"
    )
    for number in range(600):
        house.write("house", f"home n={number}i")
    wait_until(house, lambda: house.triggers.statistics("house", "t").runs >= 256)
    wait_until(house, lambda: not house.triggers.statistics("house", "t").in_flight)
    statistics = house.triggers.statistics("house", "t")
    assert (statistics.runs, statistics.lag.contents) == (256, 344)
    house.triggers.disable("house", "t")


def test_two_triggers_that_feed_each_other_come_to_an_end(house: Engine, plugin: Plugin) -> None:
    """One is paused at the depth limit, with the reason; ingest goes on, and enable lets it go on from then."""
    plugin("pass", PASS_ON)
    house.triggers.create("house", "ab", "pass.py", "table:a", arguments={"to": "b"})
    house.triggers.create("house", "ba", "pass.py", "table:b", arguments={"to": "a"})
    house.write("house", "a n=0i")
    settle(house)
    states = {one.trigger.name: one for one in house.triggers.statistics()}
    assert {name: one.state for name, one in states.items()} == {
        "ab": TriggerState.ENABLED,
        "ba": TriggerState.PAUSED,
    } or {name: one.state for name, one in states.items()} == {
        "ab": TriggerState.PAUSED,
        "ba": TriggerState.ENABLED,
    }
    [paused] = [one for one in states.values() if one.state is TriggerState.PAUSED]
    assert paused.reason is not None
    assert paused.reason.startswith("a chain of 65 writes, each made by a run")
    assert sum(one.runs for one in states.values()) == 65
    house.write("house", "c n=1i")
    assert rows(house, "SELECT n FROM c") == [{"n": 1}]
    house.triggers.enable("house", paused.trigger.name)
    house.write("house", f"{'a' if paused.trigger.name == 'ab' else 'b'} n=0i")
    settle(house)
    assert sum(one.runs for one in house.triggers.statistics()) == 130


def test_a_pause_outlives_a_restart(on_disk: Callable[..., Engine], plugin: Plugin) -> None:
    """The catalog keeps it with its reason until enable; nothing from before is delivered then."""
    plugin("pass", PASS_ON)
    with on_disk(trigger_depth_limit=3) as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "t", "pass.py", "table:a", arguments={"to": "a"})
        engine.write("house", "a n=0i")
        settle(engine)
        reason = engine.triggers.statistics("house", "t").reason
    with on_disk(trigger_depth_limit=3) as engine:
        statistics = engine.triggers.statistics("house", "t")
        assert (statistics.state, statistics.reason) == (TriggerState.PAUSED, reason)
        assert texts(engine)[-1] == f"trigger still paused: {reason}; enable it to go on"
        engine.write("house", "a n=100i")
        settle(engine)
        runs = statistics.runs
        assert engine.triggers.statistics("house", "t").runs == runs
        engine.triggers.enable("house", "t")
        settle(engine)
        assert engine.triggers.statistics("house", "t").runs == runs
        engine.write("house", "a n=200i")
        settle(engine)
        assert engine.triggers.statistics("house", "t").runs > runs
        engine.triggers.enable("house", "t")
    with on_disk() as engine:
        assert engine.triggers.statistics("house", "t").state is TriggerState.ENABLED


@pytest.mark.parametrize("follow", ["home", "other"])
def test_a_trigger_that_lags_too_far_is_paused(
    on_disk: Callable[..., Engine], plugin: Plugin, follow: str
) -> None:
    """Past the limit the log is let go, whether what it wants is still written or only other tables are."""
    with on_disk(trigger_lag_limit="20kB") as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "t", plugin("t", GATED), "table:home")
        with gate_for(engine) as gate:
            engine.write("house", "home n=0i\nhome n=1i 1")
            gate.wait_reached()
            engine.write("house", "home n=2i")
            assert engine.triggers.oldest_needed == 1
            for number in range(60):
                engine.write("house", f"{follow} n={number}i")
            state = lambda: engine.triggers.statistics("house", "t").state  # noqa: E731
            wait_until(engine, lambda: state() is TriggerState.PAUSED)
            assert engine.triggers.oldest_needed is None
        settle(engine)
        reason = "it was so far behind that more than 20 kB of the write-ahead log were kept for it"
        assert engine.triggers.statistics("house", "t").reason == reason
        [said] = texts(engine, LogLevel.ERROR)
        assert said.startswith(f"trigger paused: {reason}, ")
        assert said.endswith(
            " rows that waited are passed over; enable it to go on with what comes then"
        )
        engine.triggers.enable("house", "t")
        engine.write("house", "home n=7i")
        settle(engine)
        assert texts(engine)[-1] == "7"


def test_in_memory_a_trigger_lags_no_further_than_the_log(plugin_dir: Path) -> None:
    """With object store memory the log is a ring, and the limit at most its size."""
    with Engine(plugin_dir=plugin_dir, object_store="memory", environ={}) as engine:
        assert engine.triggers.options.lag_limit_bytes == RETAINED_BYTES_ALONE
    with Engine(
        plugin_dir=plugin_dir, object_store="memory", environ={}, trigger_lag_limit="1MB"
    ) as engine:
        assert engine.triggers.options.lag_limit_bytes == 1_000_000


@pytest.mark.parametrize("snapshot", [False, True])
def test_after_a_kill_the_log_says_what_was_passed_over(
    on_disk: Callable[..., Engine], plugin: Plugin, tmp_path: Path, snapshot: bool
) -> None:
    """The rows of the run in flight and those behind it, in Parquet by then or not; none comes again."""
    engine = on_disk()
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", GATED), "table:home")
    engine.triggers.create("house", "idle", plugin("t", GATED), "table:other")
    with gate_for(engine) as gate:
        for number in range(4):
            engine.write("house", f"home n={number}i\nhome n={number}i 1\nnoise n=1i")
        gate.wait_reached()
        if snapshot:
            engine.snapshot()
            engine.write("house", "home n=9i")
        expected = 9 if snapshot else 8
        found = None
        for copy in range(100):  # what a kill leaves is the files as they are, some 50 ms behind
            shutil.copytree(tmp_path / "data", tmp_path / f"copy{copy}", copy_function=copy_if_there)
            (tmp_path / f"copy{copy}" / "lock").unlink()
            with on_disk(f"copy{copy}") as second:
                settle(second)
                assert len(second.triggers.runs) == 0
                found = passed_over(second)
            if found == [expected]:
                break
        assert found == [expected]
    settle(engine)
    engine.stop()
    with on_disk() as third:
        assert passed_over(third) == []


def test_what_was_handled_is_not_passed_over(on_disk: Callable[..., Engine], plugin: Plugin) -> None:
    """After a stop with nothing left to do the next engine has nothing to say, with or without new rows."""
    source = "def process_writes(influxdb3_local, table_batches, args=None): pass"
    with on_disk() as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "t", plugin("t", source), "table:home")
        for number in range(5):
            engine.write("house", f"home n={number}i\nother n=1i")
        settle(engine)
    for _ in range(2):
        with on_disk() as engine:
            assert passed_over(engine) == []


HELD = """
    import _thread, asyncio, queue, socket, ssl, subprocess, sys, threading, time

    def anonymous_tls(server_side):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("aNULL:@SECLEVEL=0")  # needs no certificate
        return context

    def hold(kind):
        if kind == "loop":
            reached.release()
            while True:
                pass
        elif kind == "sleep":
            time.sleep(1000)
        elif kind == "event":
            threading.Event().wait()
        elif kind == "queue":
            queue.Queue().get()
        elif kind == "future":
            from concurrent.futures import Future
            Future().result()
        elif kind == "semaphore":
            threading.Semaphore(0).acquire()
        elif kind == "join":
            threading.main_thread().join()
        elif kind == "asyncio":
            asyncio.run(asyncio.sleep(1000))
        elif kind == "socket":
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.recv(1)
        elif kind == "file of a socket":
            ours, theirs = socket.socketpair()
            with ours, theirs, ours.makefile("rb") as file:
                file.readline()
        elif kind == "TLS":
            ours, theirs = socket.socketpair()
            others = []
            _thread.start_new_thread(lambda: others.append(anonymous_tls(True).wrap_socket(theirs, True)), ())
            with theirs, anonymous_tls(False).wrap_socket(ours) as secure:
                secure.recv(1)
        elif kind == "accept":
            with socket.create_server(("127.0.0.1", 0)) as server:
                server.accept()
        elif kind == "process":
            with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
                try:
                    process.wait()
                finally:
                    process.kill()
        elif kind == "swallows":
            while True:
                try:
                    time.sleep(1000)
                except BaseException:
                    if entered.is_set():
                        raise
                    entered.set()

    def process_writes(influxdb3_local, table_batches, args=None):
        global entered, reached
        entered = threading.Event()
        reached = influxdb3_local.cache.get("gate", use_global=True).reached
        hold(args["kind"])
"""
"""A plugin that waits in the way that it is told to; ``held`` says when it does."""
KINDS = re.findall(r'kind == "(.*)"', HELD)


@pytest.fixture
def held(house: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A gate that counts as reached when a plugin's wait, of whatever kind, has begun."""
    with gate_for(house) as gate:

        def told(wait: Callable[..., object]) -> Callable[..., object]:
            def wait_and_tell(*args: object) -> object:
                gate.reached.release()
                return wait(*args)

            return wait_and_tell

        monkeypatch.setattr(sliced_waits, "_until", told(sliced_waits._until))
        monkeypatch.setattr(PluginThread, "sleep", told(PluginThread.sleep))
        yield gate


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_waits_is_stopped(house: Engine, plugin: Plugin, held: Gate, kind: str) -> None:
    """Disable ends a run wherever the standard library lets it wait; nothing is left behind."""
    house.triggers.create("house", "t", plugin("t", HELD), "table:home", arguments={"kind": kind})
    house.write("house", "home n=1i")
    held.wait_reached()
    house.triggers.disable("house", "t")
    assert [run.outcome for run in house.triggers.runs] == [RunOutcome.CANCELLED]
    assert not [text for text in texts(house, LogLevel.WARN) if "did not end" in text]
    assert house.stop() == ()


@pytest.mark.parametrize("operation", ["disable", "delete", "stop", "replace", "delete the database"])
def test_each_way_to_stop_works_with_a_run_in_flight(
    house: Engine, plugin: Plugin, held: Gate, operation: str
) -> None:
    """What is in flight is cancelled, what waits is dropped, and the engine goes on."""
    arguments = {"kind": "event"}
    house.triggers.create("house", "t", plugin("t", HELD), "table:home", arguments=arguments)
    for _ in range(5):
        house.write("house", "home n=1i")
    held.wait_reached()
    match operation:
        case "disable":
            house.triggers.disable("house", "t")
        case "delete":
            house.triggers.delete("house", "t", force=True)
        case "stop":
            assert house.stop() == ()
        case "replace":
            house.triggers.replace("house", "t", "t.py", "table:other", arguments=arguments)
        case "delete the database":
            house.catalog.delete_database("house")
    assert [run.outcome for run in house.triggers.runs] == [RunOutcome.CANCELLED]
    if operation != "stop":
        house.write("shed", "home n=1i")
        settle(house)


def test_a_run_that_cannot_be_interrupted_is_named(
    plugin_dir: Path, plugin: Plugin, clock: VirtualClock
) -> None:
    """A bare lock cannot be interrupted: disable and stop say which plugin, thread and line, and go on."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.cache.get("gate", use_global=True).reached.release()
            influxdb3_local.cache.get("lock", use_global=True).acquire()
    """
    lock = threading.Lock()
    lock.acquire()
    options = {"plugin_dir": plugin_dir, "environ": {}, "clock": clock, "shutdown_timeout": "50ms"}
    engine = Engine(object_store="memory", **options)
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", source), "table:home")
    cache = engine.plugin_cache.for_trigger("house", 0)
    cache.put("lock", lock, use_global=True)
    where = r"in (procengine-worker-\d+), for \S+ so far, at line 4 of process_writes in .*t\.py"
    try:
        with gate_for(engine) as gate:
            engine.write("house", "home n=1i")
            gate.wait_reached()
            engine.triggers.disable("house", "t")
        [said] = texts(engine, LogLevel.WARN)
        assert re.fullmatch(f"its run did not end when it was cancelled and goes on {where}", said)
        assert engine.write("house", "home n=2i").row_count == 1
        [stuck] = engine.stop()
        assert (stuck.trigger, stuck.plugin_filename) == ("t", "t.py")
        match = re.fullmatch(rf"trigger t of house \(t\.py\) {where}", str(stuck))
        assert match is not None
    finally:
        lock.release()
    for thread in threading.enumerate():
        if thread.name == match[1]:
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive()


def test_waits_are_what_they_were_after_the_engine(house: Engine) -> None:
    """Outside of plugins, and after the last engine, the standard library is untouched."""
    house.stop()
    assert "recv" not in vars(socket.socket)
    assert threading.Condition.wait.__module__ == "threading"
    assert not hasattr(threading.Thread.join, "__wrapped__")


def test_a_wait_of_a_plugin_ends_as_it_would(house: Engine, plugin: Plugin) -> None:
    """In slices or not: what is waited for comes, a timeout is kept, and nothing that was said is lost."""
    source = """
        import queue, socket, threading

        def process_writes(influxdb3_local, table_batches, args=None):
            words, answers = queue.Queue(), queue.Queue()
            def echo():
                for word in iter(words.get, None):
                    answers.put(word)
            thread = threading.Thread(target=echo)
            thread.start()
            said = []
            for number in range(100):
                words.put(number)
                said.append(answers.get())
            words.put(None)
            thread.join()
            ours, theirs = socket.socketpair()
            with ours, theirs:
                theirs.sendall(b"here")
                got = ours.recv(4)
                ours.settimeout(0.12)
                try:
                    ours.recv(1)
                except TimeoutError as error:
                    late = str(error)
            try:
                answers.get(timeout=0.12)
            except queue.Empty:
                influxdb3_local.info(said == list(range(100)), got, late, threading.Event().wait(0.12))
    """
    house.triggers.create("house", "t", plugin("t", source), "table:home")
    house.write("house", "home n=1i")
    settle(house)
    assert texts(house) == ["True b'here' timed out False"]
