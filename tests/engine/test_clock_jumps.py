"""A wall clock that is set back or forward loses nothing, brings nothing back, and removes nothing too early."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

from procengine import Engine
from procengine.catalog.definitions import HardDeletion
from procengine.clock import NANOSECONDS_PER_SECOND, VirtualClock
from procengine.model.run import RunOutcome
from tests.engine.looks import WAIT_SECONDS, ask, gate_for, rows, settle

START_NS = 1_700_000_000 * NANOSECONDS_PER_SECOND
HOUR_NS = 3600 * NANOSECONDS_PER_SECOND
DAY_NS = 24 * HOUR_NS


class JumpingClock(VirtualClock):
    """A virtual clock that can also be set back; what was due before stays owed until it is due again."""

    def jump(self, by_ns: int) -> None:
        if by_ns >= 0:
            self.advance_to(self.now_ns() + by_ns)
        else:
            self._now_ns += by_ns


@pytest.fixture
def jumping() -> JumpingClock:
    """A clock for an engine."""
    return JumpingClock(START_NS)


@pytest.mark.parametrize("by_ns", [-DAY_NS, -1, DAY_NS, 3650 * DAY_NS])
def test_jump_between_writes(tmp_path: Path, jumping: JumpingClock, by_ns: int) -> None:
    """Rows are flushed, taken into files and found after a restart, whichever way the clock was set meanwhile."""
    with Engine(data_dir=tmp_path, environ={}, clock=jumping) as engine:
        engine.write("house", "home n=1i")
        jumping.jump(by_ns)
        engine.write("house", "home n=2i")
        engine.snapshot()
        jumping.jump(-by_ns)
        engine.write("house", "home n=3i,new=1i")
        assert [row["n"] for row in rows(engine, "SELECT n FROM home ORDER BY n")][-2:] == [2, 3]
        stored = rows(engine, "SELECT n, time FROM home ORDER BY time, n")
    jumping.jump(by_ns)
    with Engine(data_dir=tmp_path, environ={}, clock=jumping) as engine:
        assert rows(engine, "SELECT n, time FROM home ORDER BY time, n") == stored
        engine.write("house", "home n=4i 4", precision="ns")
        assert {row["n"] for row in rows(engine, "SELECT n FROM home")} >= {2, 3, 4}


def test_jump_and_what_was_deleted(tmp_path: Path, jumping: JumpingClock) -> None:
    """What is gone stays gone when the clock is set back; what is to go later stays until the clock says so."""
    with Engine(data_dir=tmp_path, environ={}, clock=jumping) as engine:
        engine.write("house", "gone n=1i 1\nlater n=1i 1\nhome n=1i 1", precision="ns")
        engine.snapshot()
        gone = engine.catalog.database("house").tables["gone"].id
        later = engine.catalog.database("house").tables["later"].id
        engine.catalog.delete_table("house", "gone", HardDeletion.NOW)
        engine.catalog.delete_table("house", "later", jumping.now_ns() + DAY_NS)
        assert {file.table_id for file in engine.write_buffer.files()} >= {later}
        jumping.jump(-2 * DAY_NS)
    for by_ns, has_later in ((0, True), (DAY_NS, True), (2 * DAY_NS, False), (-5 * DAY_NS, False)):
        jumping.jump(by_ns)
        with Engine(data_dir=tmp_path, environ={}, clock=jumping) as engine:
            held = {file.table_id for file in engine.write_buffer.files()}
            assert gone not in held
            assert (later in held) is has_later
            assert rows(engine, "SELECT n FROM home") == [{"n": 1}]


def test_jump_and_replaced_files(tmp_path: Path, jumping: JumpingClock) -> None:
    """A replaced file stays for the queries that were planned over it, however far the clock is set forward."""
    with Engine(data_dir=tmp_path, environ={}, clock=jumping) as engine:
        for number in (1, 2):
            engine.write("house", f"home n={number}i {number}", precision="ns")
            engine.snapshot()
        jumping.jump(DAY_NS)
        engine.write_buffer.compact()
        assert len(engine.write_buffer.files()) == 1
        assert len(list(tmp_path.rglob("*.parquet"))) == 2


CACHES = {
    "last_cache": "SELECT count(*) AS n FROM last_cache('home')",
    "distinct_cache": "SELECT count(*) AS n FROM distinct_cache('home')",
}


def found_in_caches(engine: Engine) -> dict[str, object]:
    """Return how many values each kind of cache shows."""
    found: dict[str, object] = {name: rows(engine, sql)[0]["n"] for name, sql in CACHES.items()}
    return found | {"plugin_cache": len(engine.plugin_cache.values())}


ALL_THERE = {"last_cache": 2, "distinct_cache": 2, "plugin_cache": 2}
NOTHING = dict.fromkeys(ALL_THERE, 0)


@pytest.mark.parametrize("looked_at", [True, False])
@pytest.mark.parametrize("restarted", [True, False])
def test_jump_and_times_to_live(
    tmp_path: Path, jumping: JumpingClock, looked_at: bool, restarted: bool
) -> None:
    """A value lives as long as the clock says: set back it stays, set forward it goes, and new ones are whole."""

    def fill(engine: Engine) -> None:
        now_ns = jumping.now_ns()
        engine.write("house", f"home,room=a n=1i {now_ns}\nhome,room=b n=2i {now_ns}", precision="ns")
        for key in ("one", "two"):
            engine.plugin_cache.put(key, 1, ttl_seconds=3600)

    def restart_if_asked(engine: Engine) -> Engine:
        if not restarted:
            return engine
        engine.stop()
        return start()

    def start() -> Engine:
        return Engine(data_dir=tmp_path / "data", plugin_dir=tmp_path, environ={}, clock=jumping)

    engine = start()
    try:
        engine.write("house", f"home,room=a n=0i {START_NS - 1}", precision="ns")
        engine.last_caches.create("house", "home", key_columns=["room"], ttl_seconds=3600)
        engine.distinct_caches.create("house", "home", columns=["room"], max_age_seconds=3600)
        fill(engine)
        for by_ns, there in (
            (0, True),
            (-DAY_NS, True),
            (DAY_NS + HOUR_NS // 2, True),
            (HOUR_NS, False),
        ):
            jumping.jump(by_ns)
            engine = restart_if_asked(engine)
            if looked_at or by_ns == HOUR_NS:
                assert found_in_caches(engine) == (ALL_THERE if there else NOTHING), by_ns
        jumping.jump(HOUR_NS)
        engine.plugin_cache.sweep()
        jumping.jump(-DAY_NS)
        engine = restart_if_asked(engine)
        fill(engine)
        assert found_in_caches(engine) == ALL_THERE
        jumping.jump(HOUR_NS)
        engine.plugin_cache.sweep()
        assert found_in_caches(engine)["plugin_cache"] == 0
        assert not any(namespace.entries for namespace in engine.plugin_cache._snapshot())
    finally:
        engine.stop()


GATED = """
def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    influxdb3_local.cache.get("gate", use_global=True).pass_through()
    return "ok"
"""


@pytest.mark.parametrize("by_ns", [-DAY_NS, DAY_NS])
def test_jump_in_a_run(tmp_path: Path, jumping: JumpingClock, by_ns: int) -> None:
    """No limit ends a run because the clock was set; its start is the clock's time, its duration is not."""
    (tmp_path / "wait.py").write_text(GATED)
    with Engine(
        data_dir=tmp_path / "data",
        plugin_dir=tmp_path,
        environ={},
        clock=jumping,
        plugin_wall_time_limit="1h",
    ) as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "wait", "wait.py", "request:wait")
        starts = []
        for _ in range(2):
            starts.append(jumping.now_ns())
            with gate_for(engine) as gate:
                caller = threading.Thread(target=ask, args=(engine, "wait"))
                caller.start()
                gate.wait_reached()
                jumping.jump(by_ns)
            caller.join(WAIT_SECONDS)
        before = [(run.run_id, run.started_ns, run.outcome) for run in engine.triggers.runs]
        assert before == [(number + 1, start, RunOutcome.SUCCESS) for number, start in enumerate(starts)]
        assert all(
            0 < run.duration_ns < HOUR_NS and run.queue_wait_ns < HOUR_NS for run in engine.triggers.runs
        )
    with Engine(data_dir=tmp_path / "data", plugin_dir=tmp_path, environ={}, clock=jumping) as engine:
        assert [(run.run_id, run.started_ns, run.outcome) for run in engine.triggers.runs] == before
        sql = "SELECT run_id FROM system.processing_engine_runs ORDER BY run_id"
        assert rows(engine, sql) == [{"run_id": 1}, {"run_id": 2}]


PLUGIN = """
def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.write(LineBuilder("ticks").int64_field("n", 1).time_ns(int(call_time.timestamp()) * 10**9))
"""


def test_jump_and_schedules(tmp_path: Path, jumping: JumpingClock) -> None:
    """No tick comes twice when the clock is set back, and none is left out when it is set forward."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "tick.py").write_text(PLUGIN)
    with Engine(plugin_dir=plugins, object_store="memory", environ={}, clock=jumping) as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "tick", "tick.py", "every:10m")
        for by_ns in (HOUR_NS, -HOUR_NS, HOUR_NS, 2 * HOUR_NS, -HOUR_NS // 2):
            jumping.jump(by_ns)
            settle(engine)
        found = rows(engine, "SELECT time FROM ticks ORDER BY time")
        runs = engine.triggers.statistics("house", "tick").runs
    times = [int(str(row["time"])) for row in found]
    assert len(times) == runs == 3 * 6
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {600 * 10**9}
