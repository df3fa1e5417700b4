"""After any restart the caches hold what a query finds, wherever its rows lie: in files, in the log, or in both."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from procengine import Engine
from procengine.clock import VirtualClock
from tests.crash.unsynced_files import UnsyncedFiles
from tests.engine.conftest import START_NS

COUNT = 3
HOUR_NS = 3_600 * 10**9

Row = tuple[str, int, int | None, str | None]
"""Series, time (nanoseconds after the start), and two fields, of which at least one has a value."""

FIELDS = st.tuples(st.none() | st.integers(0, 9), st.none() | st.sampled_from("xyz")).filter(any)
ROWS = st.tuples(st.sampled_from("ab"), st.integers(0, 4), FIELDS).map(lambda it: (it[0], it[1], *it[2]))
STEPS = st.lists(
    st.lists(ROWS, min_size=1, max_size=4) | st.sampled_from(["snapshot", "restart", "pass"]),
    min_size=1,
    max_size=12,
)
"""Writes of some rows, snapshots, restarts, and a minute that passes."""


class House:
    """An engine that is started again and again, its caches created at the first start."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock(START_NS)
        self._folder = folder
        self.engine = self._started()
        self.engine.catalog.create_database("house")
        self.write([("a", 0, 0, "x")])
        self.engine.last_caches.create("house", "t", count=COUNT, ttl_seconds=10**6)
        self.engine.distinct_caches.create("house", "t", columns=["series", "s"])

    def _started(self) -> Engine:
        return Engine(
            data_dir=self._folder,
            environ={},
            clock=self.clock,
            wal_flush_interval="0s",
            file_system=UnsyncedFiles(),
        )

    def restart(self) -> None:
        self.engine.stop()
        self.engine = self._started()

    def write(self, rows: Sequence[Row]) -> None:
        lines = []
        for series, time, v, s in rows:
            fields = [f"v={v}i"] * (v is not None) + [f's="{s}"'] * (s is not None)
            lines.append(f"t,series={series} {','.join(fields)} {START_NS + time}")
        self.engine.write("house", "\n".join(lines), precision="ns")

    def take(self, step: list[Row] | str) -> None:
        match step:
            case "snapshot":
                self.engine.snapshot()
            case "restart":
                self.restart()
            case "pass":
                self.clock.advance(60)
            case list():
                self.write(step)

    def last(self) -> list[dict[str, object]]:
        return self._rows("SELECT series, time, v, s FROM last_cache('t') ORDER BY series, time")

    def last_by_query(self) -> list[dict[str, object]]:
        rows = self._rows("SELECT series, time, v, s FROM t ORDER BY series, time")
        by_series = itertools.groupby(rows, lambda row: row["series"])
        return [row for _, group in by_series for row in [*group][-COUNT:]]

    def distinct(self) -> list[dict[str, object]]:
        return self._rows("SELECT series, s FROM distinct_cache('t') ORDER BY series, s")

    def distinct_by_query(self) -> list[dict[str, object]]:
        return self._rows("SELECT DISTINCT series, s FROM t ORDER BY series, s")

    def lives(self) -> list[int]:
        """Return when each row was inserted, of each series the newest first."""
        [cache] = self.engine.last_caches.of_database("house")
        tables = (cache.history({"series": frozenset(series)}) for series in "ab")
        return [time.value for table in tables for time in table["inserted"].to_pylist()]

    def _rows(self, sql: str) -> list[dict[str, object]]:
        return self.engine.query(sql, "house").to_pylist()


@contextmanager
def house() -> Iterator[House]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        made = House(Path(folder))
        try:
            yield made
        finally:
            made.engine.stop()


def test_caches_after_restarts_merge_files_and_log() -> None:
    """A row that one file has, another replaces and the log completes is the one that a query finds."""
    with house() as it:
        it.write([("b", 1, 1, "x")])
        it.take("snapshot")
        it.write([("b", 1, 2, None)])
        it.take("snapshot")
        it.write([("b", 1, None, "z"), ("b", 0, 7, None)])
        for step in ("restart", "snapshot", "restart"):
            it.take(step)
            if step == "restart":
                shown = [(row["v"], row["s"]) for row in it.last() if row["series"] == "b"]
                assert shown == [(7, None), (2, "z")]
                assert it.last() == it.last_by_query()
                assert it.distinct() == it.distinct_by_query()


def test_caches_after_restarts_have_rows_that_came_late() -> None:
    """A running cache takes no row that is not later than its series' newest, as the original; a restart takes it."""
    with house() as it:
        it.write([("a", 8, 1, None)])
        it.write([("a", 7, 2, None), ("a", 8, 3, None)])
        assert [row["v"] for row in it.last()] == [0, 1]
        it.restart()
        assert [row["v"] for row in it.last()] == [0, 2, 3]


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_caches_after_restarts_are_what_a_query_finds(steps: list[list[Row] | str]) -> None:
    """Repeated and late rows included, and whatever was written, snapshotted and restarted before."""
    with house() as it:
        for step in steps:
            it.take(step)
        for _ in range(2):
            it.restart()
            assert it.last() == it.last_by_query()
            assert it.distinct() == it.distinct_by_query()
            it.take("snapshot")


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_caches_are_the_same_before_and_after_restarts(steps: list[list[Row] | str]) -> None:
    """Of rows that come in the order of their times, caches, restarts and queries agree at every moment."""
    times = itertools.count(1)
    with house() as it:
        for step in steps:
            if isinstance(step, list):
                it.write([(series, next(times), v, s) for series, _, v, s in step])
            else:
                it.take(step)
            before = it.last(), it.distinct()
            assert before == (it.last_by_query(), it.distinct_by_query())
        lives = it.lives()
        in_files = bool(it.engine.write_buffer.files())
        it.restart()
        assert (it.last(), it.distinct()) == before
        assert it.lives() == lives or in_files
