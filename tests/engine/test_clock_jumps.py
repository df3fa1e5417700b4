"""A wall clock that is set back or forward loses nothing, brings nothing back, and removes nothing too early."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from procengine import Engine
from procengine.catalog.definitions import HardDeletion
from procengine.clock import NANOSECONDS_PER_SECOND, VirtualClock
from tests.engine.looks import rows, settle

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
