"""Section 3 of the semantics, through the engine: when schedule triggers fire and what time they are told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.model.run import LogLevel
from procengine.processing.trigger_statistics import TriggerState
from tests.engine.looks import gate_for, rows, settle, texts

Plugin = Callable[[str, str], str]

TOLD = """
    def process_scheduled_call(influxdb3_local, call_time, args=None):
        influxdb3_local.info(call_time.isoformat(), call_time.tzinfo)
"""


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process's zone is New York's, five hours behind UTC in winter."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("new_york")
def test_cron_is_utc_and_call_time_is_local(engine: Engine, clock: VirtualClock, plugin: Plugin) -> None:
    """Section 3: cron is read in UTC, with SUN=1 (section 1); ``call_time`` is naive, in the process's zone."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", TOLD), "cron:0 0 12 * * 1")
    statistics = engine.triggers.statistics("house", "t")
    assert statistics.next_fire_ns == 1_700_395_200_000_000_000, "Sunday 2023-11-19T12:00:00Z"
    clock.advance(7 * 86_400)
    settle(engine)
    assert texts(engine) == ["2023-11-19T07:00:00 None"]
    assert [e.text for e in engine.logs.entries() if e.text.startswith("starting")] == [
        "starting execution with scheduled time 2023-11-19 12:00:00 UTC"
    ]


def test_cron_fires_strictly_after_its_start(
    engine: Engine, clock: VirtualClock, plugin: Plugin
) -> None:
    """Section 3: at a match the next one is the first; one call each second after that."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", TOLD), "cron:* * * * * *")
    settle(engine)
    assert texts(engine) == []
    clock.advance(3)
    settle(engine)
    assert len(texts(engine)) == 3


def test_every_fires_on_multiples_of_its_period(
    engine: Engine, clock: VirtualClock, plugin: Plugin
) -> None:
    """Section 3: multiples since the epoch, the first strictly after the start; whole seconds are told."""
    source = """
        from datetime import timezone
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            influxdb3_local.info(call_time.astimezone(timezone.utc).isoformat())
    """
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", source), "every:1m 30s")  # the clock is at 22:13:20
    clock.advance(200)
    settle(engine)
    assert texts(engine) == [
        "2023-11-14T22:13:30+00:00",
        "2023-11-14T22:15:00+00:00",
        "2023-11-14T22:16:30+00:00",
    ]


def test_fractions_of_a_second_are_cut_off(engine: Engine, clock: VirtualClock, plugin: Plugin) -> None:
    """Section 3: ``call_time`` has whole seconds, whatever the period."""
    source = """
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            influxdb3_local.info(call_time.second, call_time.microsecond)
    """
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", source), "every:400ms")
    clock.advance(1)
    settle(engine)
    assert texts(engine) == ["20 0", "20 0"]


def test_missed_ticks_are_replayed_one_by_one(
    engine: Engine, clock: VirtualClock, plugin: Plugin
) -> None:
    """Section 3: no overlap; what was missed is called back to back with its own time, nothing left out."""
    source = """
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            influxdb3_local.info(call_time.second)
            influxdb3_local.cache.get("gate", use_global=True).pass_through()
    """
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", source), "every:1s")
    with gate_for(engine) as gate:
        clock.advance(1)
        gate.wait_reached()
        clock.advance(4)
        statistics = engine.triggers.statistics("house", "t")
        assert (statistics.in_flight, statistics.queue_depth) == (1, 4)
    settle(engine)
    assert texts(engine) == ["21", "22", "23", "24", "25"]


def test_asynchronous_ticks_overlap(engine: Engine, clock: VirtualClock, plugin: Plugin) -> None:
    """Section 3: every tick starts on time, whatever runs."""
    source = """
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            influxdb3_local.cache.get("gate", use_global=True).pass_through()
    """
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", source), "every:1s", run_async=True)
    with gate_for(engine) as gate:
        clock.advance(3)
        for _ in range(3):
            gate.wait_reached()
        assert engine.triggers.statistics("house", "t").in_flight == 3
    settle(engine)


def test_downtime_is_not_caught_up(
    tmp_path: Path, plugin_dir: Path, clock: VirtualClock, plugin: Plugin
) -> None:
    """Section 3: ticks between a stop and the next start do not come."""
    source = """
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            influxdb3_local.write(LineBuilder("tick").int64_field("second", call_time.second))
    """
    options: dict[str, object] = {
        "plugin_dir": plugin_dir,
        "data_dir": tmp_path / "data",
        "environ": {},
        "clock": clock,
    }
    with Engine(**options) as first:  # type: ignore[arg-type]
        first.catalog.create_database("house")
        first.triggers.create("house", "t", plugin("t", source), "every:10s")
        clock.advance(10)
        settle(first)
    clock.advance(25)
    with Engine(**options) as second:  # type: ignore[arg-type]
        clock.advance(10)
        settle(second)
        found = rows(second, "SELECT second FROM tick ORDER BY time")
        assert [row["second"] for row in found] == [30, 0]


def test_cron_without_a_future_ends(engine: Engine, clock: VirtualClock, plugin: Plugin) -> None:
    """Section 3: after its last match it ends, still enabled in the catalog; here the state says so (Differs)."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", TOLD), "cron:0 0 0 1 1 ? 2024")
    clock.advance(366 * 86_400)
    settle(engine)
    statistics = engine.triggers.statistics("house", "t")
    assert (statistics.state, statistics.runs, statistics.next_fire_ns) == (TriggerState.ENDED, 1, None)
    assert rows(engine, "SELECT disabled FROM system.processing_engine_triggers") == [
        {"disabled": False}
    ]
    assert texts(engine, LogLevel.WARN) == [
        "trigger ended: cron:0 0 0 1 1 ? 2024 matches no time to come"
    ]
