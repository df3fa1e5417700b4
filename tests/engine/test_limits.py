"""Limits of runs, through the engine: what ends a run, what is recorded, and what follows.

The plugins here never end by themselves, so that a limit ends them however busy the machine is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from procengine import Engine
from procengine.errors import TriggerBusyError
from procengine.model.byte_size import MIB
from procengine.model.duration import MILLISECOND, SECOND
from procengine.model.run import LogEntry, LogLevel, Run, RunOutcome
from procengine.model.run_limits import RunLimits
from procengine.processing import limit_watch
from procengine.processing.trigger_statistics import TriggerState
from tests.engine.looks import WAIT_SECONDS, ask, gate_for, request_event, settle, texts, wait_until

Plugin = Callable[[str, str], str]

BUSY = """
    def process_writes(influxdb3_local, table_batches, args=None):
        while True:
            pass
"""
ASLEEP = """
    import time

    def process_writes(influxdb3_local, table_batches, args=None):
        time.sleep(1000)
"""
GROWING = """
    import time

    def process_writes(influxdb3_local, table_batches, args=None):
        kept = []
        while True:
            kept.append(bytearray(b"x" * (1 << 20)))
            time.sleep(0.001)
"""
SHORT = RunLimits(wall_ns=20 * MILLISECOND)


@pytest.fixture
def house(engine: Engine) -> Engine:
    """An engine with a database."""
    engine.catalog.create_database("house")
    return engine


def last_run(engine: Engine) -> Run:
    """Write a row, wait until the triggers are done, and return the last run."""
    engine.write("house", "home n=1i")
    settle(engine)
    return list(engine.triggers.runs)[-1]


@pytest.mark.parametrize("source", [BUSY, ASLEEP])
def test_a_run_past_its_wall_time_is_ended(house: Engine, plugin: Plugin, source: str) -> None:
    """Whether it computes or sleeps; the failure says limit, value and measurement, and where the plugin stood."""
    house.triggers.create("house", "t", plugin("t", source), "table:home", limits=SHORT)
    run = last_run(house)
    assert run.outcome is RunOutcome.LIMIT_EXCEEDED
    assert run.failure is not None
    assert run.failure.type_name == "RunLimitExceeded"
    assert run.failure.message.startswith(
        "RunLimitExceeded: wall time limit of 20ms exceeded: the run went on for "
    )
    assert run.failure.line_number in {3, 4, 5}
    assert "process_writes" in run.failure.traceback_text
    [text] = texts(house, LogLevel.ERROR)
    assert text.startswith(f"error executing wal plugin: {run.failure.message}\nTraceback")
    statistics = house.triggers.statistics("house", "t")
    assert (statistics.runs, statistics.errors, statistics.failing) == (1, 1, True)


def test_cpu_time_is_that_of_the_run_alone(house: Engine, plugin: Plugin) -> None:
    """Waiting takes none: a run that sleeps past the limit succeeds, one that computes is ended."""
    source = """
        import time

        def process_writes(influxdb3_local, table_batches, args=None):
            began = time.monotonic()
            time.sleep(0.1)
            while table_batches[0]["rows"][0]["n"]:
                pass
    """
    limits = RunLimits(cpu_ns=50 * MILLISECOND)
    house.triggers.create("house", "t", plugin("t", source), "table:home", limits=limits)
    house.write("house", "home n=0i")
    house.write("house", "home n=1i")
    settle(house)
    slept, computed = house.triggers.runs
    assert (slept.outcome, computed.outcome) == (RunOutcome.SUCCESS, RunOutcome.LIMIT_EXCEEDED)
    assert slept.duration_ns >= 100 * MILLISECOND
    assert computed.cpu_ns >= 50 * MILLISECOND
    assert computed.failure is not None
    assert "CPU time limit of 50ms exceeded: the run's thread used " in computed.failure.message


def test_cpu_time_of_a_plugins_threads_is_not_counted(house: Engine, plugin: Plugin) -> None:
    """A run that waits for a thread of its own, which computes for longer than the limit, keeps within it."""
    source = """
        import threading
        import time

        def compute():
            began = time.thread_time()
            while time.thread_time() - began < 0.25:
                pass

        def process_writes(influxdb3_local, table_batches, args=None):
            thread = threading.Thread(target=compute)
            thread.start()
            thread.join()
    """
    limits = RunLimits(cpu_ns=200 * MILLISECOND)
    house.triggers.create("house", "t", plugin("t", source), "table:home", limits=limits)
    run = last_run(house)
    assert run.outcome is RunOutcome.SUCCESS
    assert run.cpu_ns < 200 * MILLISECOND
    assert run.duration_ns >= 250 * MILLISECOND


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is not told here")
def test_a_run_past_its_memory_is_ended(house: Engine, plugin: Plugin) -> None:
    """Growth is sampled while the run goes on; its peak is in the record, and in that of one that kept within."""
    limits = RunLimits(memory_bytes=24 * MIB)
    house.triggers.create("house", "grows", plugin("t", GROWING), "table:home", limits=limits)
    run = last_run(house)
    assert run.outcome is RunOutcome.LIMIT_EXCEEDED
    assert run.failure is not None
    assert "memory limit of 25.2 MB exceeded: memory grew by " in run.failure.message
    assert run.peak_memory_bytes is not None
    assert run.peak_memory_bytes > 24 * MIB
    small = "def process_request(influxdb3_local, *rest): return 'ok'"
    limits = RunLimits(memory_bytes=1 << 40)
    house.triggers.create("house", "small", plugin("small", small), "request:small", limits=limits)
    ask(house, "small")
    assert list(house.triggers.runs)[-1].peak_memory_bytes is not None


def test_arrow_memory_counts(house: Engine, plugin: Plugin) -> None:
    """What Arrow's pool gives out counts, though the process may have had the memory before."""
    source = """
        import time
        import pyarrow as pa

        def process_writes(influxdb3_local, table_batches, args=None):
            kept = []
            while True:
                kept.append(pa.allocate_buffer(4 << 20))
                time.sleep(0.001)
    """
    limits = RunLimits(memory_bytes=64 * MIB)
    house.triggers.create("house", "t", plugin("t", source), "table:home", limits=limits)
    assert last_run(house).outcome is RunOutcome.LIMIT_EXCEEDED


def test_a_run_with_a_memory_limit_is_alone(house: Engine, plugin: Plugin) -> None:
    """It waits for the runs in flight, and others wait for it, so that what grows is its own."""
    waits = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            influxdb3_local.cache.get("gate", use_global=True).pass_through()
            influxdb3_local.info(args["name"])
            return "ok"
    """
    says = """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.info("alone")
    """
    house.triggers.create(
        "house", "r", plugin("r", waits), "request:r", arguments={"name": "first"}, run_async=True
    )
    house.triggers.create(
        "house", "m", plugin("m", says), "table:home", limits=RunLimits(memory_bytes=1 << 40)
    )
    with gate_for(house) as gate:
        caller = threading.Thread(target=ask, args=(house, "r"))
        caller.start()
        gate.wait_reached()
        house.write("house", "home n=1i")
        wait_until(house, lambda: house.triggers.statistics("house", "m").in_flight == 1)
        assert texts(house) == []
    caller.join(WAIT_SECONDS)
    settle(house)
    assert texts(house) == ["first", "alone"]


def test_past_a_limit_the_error_behavior_applies(house: Engine, plugin: Plugin) -> None:
    """Unlike a run that was cancelled by stop, one past a limit is an error: here it disables the trigger."""
    house.triggers.create(
        "house", "t", plugin("t", BUSY), "table:home", limits=SHORT, error_behavior="disable"
    )
    last_run(house)
    assert house.triggers.get("house", "t").disabled
    assert any(
        text.startswith("trigger disabled after an error: RunLimitExceeded") for text in texts(house)
    )


def test_past_a_limit_a_run_is_retried(house: Engine, plugin: Plugin) -> None:
    """With retry the same rows come again after a pause."""
    house.triggers.create(
        "house", "t", plugin("t", BUSY), "table:home", limits=SHORT, error_behavior="retry"
    )
    house.write("house", "home n=1i")
    wait_until(house, lambda: house.triggers.statistics("house", "t").attempt == 2)
    assert house.triggers.statistics("house", "t").state is TriggerState.RETRYING
    house.clock.advance(1)  # type: ignore[attr-defined]
    wait_until(house, lambda: len(house.triggers.runs) == 2)
    assert [run.attempt for run in house.triggers.runs] == [1, 2]
    house.triggers.disable("house", "t")


def test_a_request_past_its_limit_is_answered(house: Engine, plugin: Plugin) -> None:
    """Its caller gets 500 and the reason."""
    source = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            while True:
                pass
    """
    house.triggers.create("house", "r", plugin("r", source), "request:r", limits=SHORT)
    answer = ask(house, "r")
    assert answer.status == 500
    assert b"wall time limit of 20ms exceeded" in answer.body


def test_a_plugin_that_swallows_the_interrupt_is_ended_all_the_same(
    house: Engine, plugin: Plugin
) -> None:
    """A bare except does not save it, and what it raises instead is still a limit exceeded."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            try:
                while True:
                    pass
            except BaseException as error:
                influxdb3_local.cache.put("seen", [type(error).__name__, str(error)])
                raise ValueError("something else")
    """
    house.triggers.create("house", "t", plugin("t", source), "table:home", limits=SHORT)
    run = last_run(house)
    assert run.outcome is RunOutcome.LIMIT_EXCEEDED
    [seen] = [entry.value for entry in house.plugin_cache.values()]
    assert seen[0] == "KeyboardInterrupt"
    assert seen[1].startswith("wall time limit of 20ms exceeded")


def test_a_run_that_ends_in_time_is_left_alone(house: Engine, plugin: Plugin) -> None:
    """Limits that are kept change nothing, and the next run has them whole."""
    source = "def process_writes(influxdb3_local, table_batches, args=None): influxdb3_local.info('ran')"
    limits = RunLimits(wall_ns=1000 * SECOND, cpu_ns=1000 * SECOND)
    house.triggers.create("house", "t", plugin("t", source), "table:home", limits=limits)
    for _ in range(50):
        house.write("house", "home n=1i")
    settle(house)
    assert {run.outcome for run in house.triggers.runs} == {RunOutcome.SUCCESS}


def test_stop_cancels_a_limited_run(house: Engine, plugin: Plugin) -> None:
    """Disable ends it as any other: cancelled, no limit exceeded."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.cache.get("gate", use_global=True).reached.release()
            while True:
                pass
    """
    limits = RunLimits(wall_ns=1000 * SECOND)
    house.triggers.create("house", "t", plugin("t", source), "table:home", limits=limits)
    with gate_for(house) as gate:
        house.write("house", "home n=1i")
        gate.wait_reached()
        house.triggers.disable("house", "t")
    assert [run.outcome for run in house.triggers.runs] == [RunOutcome.CANCELLED]


def test_runs_bounds_workers_and_callers(house: Engine, plugin: Plugin) -> None:
    """At most so many runs of an asynchronous trigger go on, requests included; the others wait in line."""
    source = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            influxdb3_local.cache.get("gate", use_global=True).pass_through()
    """
    house.triggers.create(
        "house", "r", plugin("r", source), "request:r", run_async=True, limits=RunLimits(runs=2)
    )
    with gate_for(house) as gate:
        callers = [threading.Thread(target=ask, args=(house, "r")) for _ in range(5)]
        for caller in callers:
            caller.start()
        gate.wait_reached()
        gate.wait_reached()
        wait_until(house, lambda: house.triggers.statistics("house", "r").queue_depth == 3)
        assert house.triggers.statistics("house", "r").in_flight == 2
    for caller in callers:
        caller.join(WAIT_SECONDS)
    assert len(house.triggers.runs) == 5


def test_a_run_cannot_wait_for_its_own_slot(house: Engine, plugin: Plugin) -> None:
    """A run that asks its own trigger, which may run once at a time, is told so and does not wait for ever."""
    source = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            return influxdb3_local.cache.get("ask", use_global=True)()
    """
    house.triggers.create(
        "house", "r", plugin("r", source), "request:r", run_async=True, limits=RunLimits(runs=1)
    )
    refused: list[str] = []

    def again() -> str:
        with pytest.raises(TriggerBusyError) as error:
            house.triggers.request("r", request_event())
        refused.append(str(error.value))
        return "ok"

    house.plugin_cache.for_trigger("house", 0).put("ask", again, use_global=True)
    assert ask(house, "r").status == 200
    assert refused == ["trigger r runs at most 1 at a time and this thread is inside a run of it"]


def test_limits_survive_a_restart_and_fall_back_to_the_engine(
    tmp_path: Path, plugin_dir: Path, plugin: Plugin
) -> None:
    """A trigger's limits are in the catalog; what it says nothing of is the engine's option."""
    options = {"plugin_dir": plugin_dir, "data_dir": tmp_path / "data", "environ": {}}
    with Engine(**options) as engine:  # type: ignore[arg-type]
        engine.catalog.create_database("house")
        limits = RunLimits(memory_bytes=1 << 40)
        engine.triggers.create("house", "t", plugin("t", BUSY), "table:home", limits=limits)
    with Engine(**options, plugin_wall_time_limit="20ms") as engine:  # type: ignore[arg-type]
        assert engine.triggers.get("house", "t").limits == limits
        run = last_run(engine)
        assert run.outcome is RunOutcome.LIMIT_EXCEEDED
        assert run.failure is not None
        assert "wall time limit of 20ms" in run.failure.message


def test_without_limits_nothing_watches(house: Engine, plugin: Plugin) -> None:
    """The watching thread starts with the first run that has limits, and ends with the engine."""
    source = "def process_writes(influxdb3_local, table_batches, args=None): pass"
    names = lambda: {thread.name for thread in threading.enumerate()}  # noqa: E731
    house.triggers.create("house", "t", plugin("t", source), "table:home")
    last_run(house)
    assert "procengine-limits" not in names()
    house.triggers.replace("house", "t", "t.py", "table:home", limits=RunLimits(wall_ns=SECOND))
    last_run(house)
    assert "procengine-limits" in names()
    house.stop()
    assert "procengine-limits" not in names()


def test_a_run_past_its_limit_that_nothing_can_stop_is_named(
    house: Engine, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trigger's log says in which thread it goes on, and at which line, while it does."""
    monkeypatch.setattr(limit_watch, "STUCK_NS", 10 * MILLISECOND)
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.cache.get("lock", use_global=True).acquire()
    """
    house.triggers.create("house", "t", plugin("t", source), "table:home", limits=SHORT)
    lock, named = threading.Lock(), threading.Event()
    house.plugin_cache.for_trigger("house", 0).put("lock", lock, use_global=True)
    append = house.logs.append

    def watch(entry: LogEntry, **how: bool) -> None:
        append(entry, **how)
        if "cannot be interrupted" in entry.text:
            named.set()

    monkeypatch.setattr(house.logs, "append", watch)
    with lock:
        house.write("house", "home n=1i")
        assert named.wait(WAIT_SECONDS)
    settle(house)
    [said] = [text for text in texts(house) if "cannot be interrupted" in text]
    assert said.startswith(
        "a run that exceeded a limit cannot be interrupted and goes on in procengine-worker-"
    )
    assert " at line 3 of process_writes in " in said
    assert [run.outcome for run in house.triggers.runs] == [RunOutcome.LIMIT_EXCEEDED]


def test_limits_hold_for_fired_events(house: Engine, plugin: Plugin) -> None:
    """An event sent by hand runs on the caller's thread, under the same limits."""
    source = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            while True:
                pass
    """
    house.triggers.create("house", "r", plugin("r", source), "request:r", limits=SHORT)
    assert house.triggers.fire("r", request_event()).outcome is RunOutcome.LIMIT_EXCEEDED


def test_a_limit_is_a_row_of_the_runs(house: Engine, plugin: Plugin) -> None:
    """``system.processing_engine_runs`` has the outcome, the kind of error, and the text with all figures."""
    house.triggers.create("house", "t", plugin("t", BUSY), "table:home", limits=SHORT)
    last_run(house)
    sql = "SELECT outcome, error_type, error_message FROM system.processing_engine_runs"
    [row] = house.query(sql, "house").to_pylist()
    assert (row["outcome"], row["error_type"]) == ("limit_exceeded", "RunLimitExceeded")
    assert "wall time limit of 20ms exceeded: the run went on for " in row["error_message"]
