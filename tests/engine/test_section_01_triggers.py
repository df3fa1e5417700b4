"""Section 1 of the semantics, through the engine: trigger specifications and what becomes of triggers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.errors import NotFoundError
from procengine.model.run import LogLevel, RunOutcome
from procengine.processing.trigger_statistics import TriggerState
from tests.engine.looks import ask, gate_for, rows, settle, texts, wait_until

Plugin = Callable[[str, str], str]

FAILING = """
    def process_writes(influxdb3_local, table_batches, args=None):
        raise ValueError(table_batches[0]["rows"][0]["n"])
    def process_scheduled_call(influxdb3_local, call_time, args=None):
        raise ValueError("tick")
    def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
        raise ValueError("asked")
"""

ECHO = """
    def process_writes(influxdb3_local, table_batches, args=None):
        for batch in table_batches:
            for row in batch["rows"]:
                influxdb3_local.info(args["say"] if args else "saw", row["n"])
"""


def test_trigger_starts_with_the_plugin_as_it_is_then(engine: Engine, plugin: Plugin) -> None:
    """Section 1: starting re-reads the source, so what was changed while it was disabled is what runs."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", ECHO), "table:home")
    engine.triggers.disable("house", "t")
    plugin("t", ECHO.replace('"saw"', '"now sees"'))
    engine.write("house", "home n=1i")
    engine.triggers.enable("house", "t")
    engine.write("house", "home n=2i")
    settle(engine)
    assert texts(engine) == ["now sees 2"]


def test_trigger_names_are_any_text_and_unique_in_their_database(engine: Engine, plugin: Plugin) -> None:
    """Section 1: no rule for characters or length of a name; the same name may stand in two databases."""
    name = "no rule: \N{GREEK SMALL LETTER ALPHA}/" + "x" * 1000
    for database in ("house", "shed"):
        engine.catalog.create_database(database)
        engine.triggers.create(
            database, name, plugin("t", ECHO), "all_tables", arguments={"say": database}
        )
    engine.write("shed", "home n=1i")
    settle(engine)
    assert texts(engine) == ["shed 1"]
    assert [(one.database, one.name) for one in engine.triggers.list()] == [
        ("house", name),
        ("shed", name),
    ]


def test_boot_starts_what_can_start(tmp_path: Path, plugin_dir: Path, plugin: Plugin) -> None:
    """Section 1: at boot a trigger whose plugin is gone is logged and skipped; the others run; it can be mended."""
    options: dict[str, object] = {"plugin_dir": plugin_dir, "data_dir": tmp_path / "data", "environ": {}}
    with Engine(**options) as first:  # type: ignore[arg-type]
        first.catalog.create_database("house")
        first.triggers.create("house", "gone", plugin("gone", ECHO), "all_tables")
        first.triggers.create("house", "t", plugin("t", ECHO), "all_tables")
    (plugin_dir / "gone.py").unlink()
    reason = f"reading plugin file: Plugin not found: {plugin_dir / 'gone.py'}"
    with Engine(**options) as second:  # type: ignore[arg-type]
        assert texts(second, LogLevel.ERROR) == [f"trigger not started: {reason}"]
        statistics = second.triggers.statistics("house", "gone")
        assert (statistics.state, statistics.reason) == (TriggerState.FAILED, reason)
        assert not statistics.trigger.disabled
        second.write("house", "home n=1i")
        settle(second)
        plugin("gone", ECHO)
        second.triggers.enable("house", "gone")
        second.write("house", "home n=2i")
        settle(second)
        seen = [entry.trigger for entry in second.logs.entries() if entry.text.startswith("saw")]
        assert (seen[0], sorted(seen[1:])) == ("t", ["gone", "t"])


def test_boot_keeps_disabled_triggers_disabled(tmp_path: Path, plugin_dir: Path, plugin: Plugin) -> None:
    """Section 1 (as 3.11): error behavior ``disable`` disables for good, and the restart does not revive it."""
    options: dict[str, object] = {"plugin_dir": plugin_dir, "data_dir": tmp_path / "data", "environ": {}}
    with Engine(**options) as first:  # type: ignore[arg-type]
        first.catalog.create_database("house")
        first.triggers.create("house", "t", plugin("t", FAILING), "all_tables", error_behavior="disable")
        first.write("house", "home n=1i")
        settle(first)
        errors = texts(first, LogLevel.ERROR)
        assert errors[0].splitlines()[0] == "error executing wal plugin: ValueError: 1"
        assert errors[1:] == ["trigger disabled after an error: ValueError: 1"]
        assert rows(first, "SELECT disabled FROM system.processing_engine_triggers") == [
            {"disabled": True}
        ]
    with Engine(**options) as second:  # type: ignore[arg-type]
        second.write("house", "home n=2i")
        settle(second)
        assert second.triggers.statistics("house", "t").state is TriggerState.DISABLED
        assert len(texts(second)) == 2  # those of before
        plugin("t", ECHO)
        second.triggers.enable("house", "t")
        second.write("house", "home n=3i")
        settle(second)
        assert texts(second)[2:] == ["saw 3"]


def test_error_behavior_log_drops_the_batch(engine: Engine, plugin: Plugin) -> None:
    """Section 1: ``log`` writes an ERROR row and goes on with the next batch."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", FAILING), "all_tables")
    engine.write("house", "home n=1i")
    engine.write("house", "home n=2i")
    settle(engine)
    assert [text.splitlines()[0] for text in texts(engine)] == [
        "error executing wal plugin: ValueError: 1",
        "error executing wal plugin: ValueError: 2",
    ]


def test_error_behavior_log_of_a_schedule_writes_two_rows(
    engine: Engine, clock: VirtualClock, plugin: Plugin
) -> None:
    """Section 1: a schedule trigger that fails logs twice, and its next tick comes all the same."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", FAILING), "every:10s")
    for _ in range(2):
        clock.advance(10)
        settle(engine)
    assert [text.splitlines()[0] for text in texts(engine)] == [
        "error executing schedule plugin: ValueError: tick",
        "error running scheduled plugin: ValueError: tick",
    ] * 2


def test_error_behavior_retry_repeats_the_same_input(
    engine: Engine, clock: VirtualClock, plugin: Plugin
) -> None:
    """Section 1: ``retry`` runs the same input again, later input waits; here with pauses and a row each time."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", FAILING), "all_tables", error_behavior="retry")
    engine.write("house", "home n=1i")
    assert engine.triggers.wait_caught_up(1, 0) is False
    engine.write("house", "home n=2i")

    def wait_for_attempt(attempt: int) -> None:
        wait_until(engine, lambda: engine.triggers.statistics("house", "t").attempt == attempt)

    for attempt, seconds in ((2, 0.1), (3, 0.2)):
        wait_for_attempt(attempt)
        clock.advance(seconds)
    wait_for_attempt(4)
    assert [text.splitlines()[0] for text in texts(engine)] == [
        "error executing wal plugin: ValueError: 1",
        "attempt 1 failed, retrying in 100ms",
        "error executing wal plugin: ValueError: 1",
        "attempt 2 failed, retrying in 200ms",
        "error executing wal plugin: ValueError: 1",
        "attempt 3 failed, retrying in 400ms",
    ]
    plugin("t", ECHO)
    clock.advance(0.4)
    settle(engine)
    assert texts(engine)[-2:] == ["saw 1", "saw 2"]


def test_refused_queued_lines_are_not_retried(engine: Engine, plugin: Plugin) -> None:
    """Section 1: only a raised exception is a failure; lines that are refused when they are flushed are logged."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.write(LineBuilder("home").string_field("n", "text"))
    """
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", source), "all_tables", error_behavior="retry")
    engine.write("house", "home n=1i")
    settle(engine)
    assert [run.outcome for run in engine.triggers.runs.of(1)] == [RunOutcome.WRITE_ERROR]
    assert engine.triggers.statistics("house", "t").state is TriggerState.ENABLED
    assert texts(engine, LogLevel.ERROR) == [
        (
            "error running wal plugin: error writing back lines to house: Cannot write: line protocol parse failed: "
            "invalid column type for column 'n', expected iox::column_type::field::integer, "
            "got iox::column_type::field::string\n"
            'line 1 of the batch: home n="text"'
        )
    ]


@pytest.mark.parametrize("behavior", ["log", "retry", "disable"])
def test_request_triggers_ignore_the_error_behavior(
    engine: Engine, plugin: Plugin, behavior: str
) -> None:
    """Section 1: a request that fails is logged and answered 500, whatever the behavior; the trigger stays."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", FAILING), "request:t", error_behavior=behavior)
    for _ in range(2):
        assert ask(engine, "t").status == 500
    assert engine.triggers.statistics("house", "t").state is TriggerState.ENABLED
    assert [text.splitlines()[0] for text in texts(engine)] == [
        "error running request plugin: Python function call failed: ValueError: asked"
    ] * 2


def test_asynchronous_runs_overlap_without_a_limit(engine: Engine, plugin: Plugin) -> None:
    """Section 1: an asynchronous trigger has any number of runs at once."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.cache.get("gate", use_global=True).pass_through()
    """
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", source), "all_tables", run_async=True)
    with gate_for(engine) as gate:
        for number in range(20):
            engine.write("house", f"home n={number}i")
        for _ in range(20):
            gate.wait_reached()
        assert engine.triggers.statistics("house", "t").in_flight == 20
    settle(engine)


def test_deleting_a_database_ends_its_triggers(
    engine: Engine, clock: VirtualClock, plugin: Plugin
) -> None:
    """Section 1: they stop for writes, ticks and requests, and a new database of the name does not wake them."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.info("write")
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            influxdb3_local.info("tick")
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            return "answer"
    """
    engine.catalog.create_database("house")
    name = plugin("t", source)
    for trigger, spec in (("w", "all_tables"), ("s", "every:1s"), ("r", "request:r")):
        engine.triggers.create("house", trigger, name, spec)
    engine.catalog.delete_database("house")
    engine.write("house", "home n=1i")
    clock.advance(5)
    settle(engine)
    assert texts(engine) == []
    assert engine.triggers.list() == ()
    with pytest.raises(NotFoundError, match=r"^not found$"):
        ask(engine, "r")


def test_deleted_trigger_leaves_nothing(engine: Engine, plugin: Plugin) -> None:
    """Section 1: a forced delete stops the trigger, drops its cache, and frees the name for a new one."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            count = influxdb3_local.cache.get("count", 0) + 1
            influxdb3_local.cache.put("count", count)
            influxdb3_local.info(count)
    """
    engine.catalog.create_database("house")
    for _ in range(2):
        engine.triggers.create("house", "t", plugin("t", source), "all_tables")
        engine.write("house", "home n=1i")
        settle(engine)
        engine.triggers.delete("house", "t", force=True)
        engine.write("house", "home n=1i")
        settle(engine)
    assert texts(engine) == ["1", "1"]
    assert engine.plugin_cache.values() == ()
