"""What is left of an engine whose process was killed at any moment: all that was acknowledged, once, and no more.

Several threads write, a trigger derives rows and counts them in its cache, the catalog changes all the time, and
snapshots are made one after the other. Some kills come from outside, at random; the others fall into the middle of a
flush, a snapshot or a commit, for the process kills itself there.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from procengine import Engine
from procengine.file_system import LOCAL
from procengine.write.parquet_writer import read_parquet
from tests.crash.forms import LONG
from tests.crash.victim import PLUGIN, WRITERS, Order, change_of, encoded
from tests.engine.looks import WAIT_SECONDS, rows

KILLS = 200 if LONG else 20
KILLS_A_FOLDER = 10
"""After how many kills another folder is taken, so that starts stay quick."""

MOMENTS = (
    ("write", "Segments.append"),
    ("sync", "Segments.append"),
    ("create", "Segments.append"),
    ("write", "SnapshotFiles.write"),
    ("sync", "SnapshotFiles.write"),
    ("replace", "SnapshotFiles.write"),
    ("sync_folder", "SnapshotFiles.write"),
    ("sync", "FileIndex.store"),
    ("replace", "FileIndex.store"),
    ("sync_folder", "FileIndex.store"),
    ("remove", "RetiredFiles.sweep"),
    ("remove", "Segments.retain_from"),
    ("write", "EventLog.write"),
    ("sync", "EventLog.write"),
)
"""In the middle of which calls a process kills itself: of a flush, a snapshot, a commit."""


@dataclass
class Known:
    """What was acknowledged in one folder over all its lives."""

    rows: set[tuple[int, int]] = field(default_factory=set)
    changes: int = 0
    handled: int = 0

    def take(self, line: str) -> None:
        """Take something that a victim said."""
        match line.split():
            case ["row", writer, number]:
                self.rows.add((int(writer), int(number)))
            case ["change", number]:
                self.changes = int(number) + 1
            case ["run", count]:
                self.handled += int(count)


class Victim:
    """The process that forks those that are killed."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.crash.victim"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def live(self, order: Order, known: Known, *, kill_after: int | None) -> Counter[str]:
        """Let one live and die: after so many lines, or else by itself; return what it said, by kind."""
        assert self._process.stdin is not None
        print(encoded(order), file=self._process.stdin)
        pid = int(self._line().removeprefix("began "))
        late = threading.Timer(WAIT_SECONDS, os.kill, (pid, signal.SIGTERM))
        late.start()
        said = Counter[str]()
        while not (line := self._line()).startswith("ended"):
            known.take(line)
            said[line.split()[0]] += 1
            if kill_after is not None and said.total() >= kill_after:
                os.kill(pid, signal.SIGKILL)
                kill_after = None
        late.cancel()
        assert line == f"ended {-signal.SIGKILL}", f"the process ended by itself: {line}"
        return said

    def close(self) -> None:
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the victims' parent is gone, or none died in time"
        return line.rstrip("\n")


@contextmanager
def victim() -> Iterator[Victim]:
    """Run the victims' parent."""
    running = Victim()
    try:
        yield running
    finally:
        running.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.timeout(3600 if LONG else 120)
def test_kills_lose_nothing_acknowledged(quick_folder: Path) -> None:
    """After each kill rows, catalog, caches and plugin state are those acknowledged, or one step further."""
    chance = random.Random(1)
    plugins = quick_folder / "plugins"
    plugins.mkdir()
    (plugins / "derive.py").write_text(PLUGIN)
    total, time_ns = Counter[str](), time.time_ns()
    with victim() as victims:
        for kill in range(KILLS):
            if kill % KILLS_A_FOLDER == 0:
                folder, known = quick_folder / str(kill), Known()
            at, where = MOMENTS[kill // 2 % len(MOMENTS)] if kill % 2 else (None, "")
            order = Order(
                folder=str(folder),
                plugins=str(plugins),
                time_ns=time_ns,
                first=1 + max((number for _, number in known.rows), default=-1),
                change=known.changes,
                kill_at=at,
                kill_in=where,
                kill_after=chance.randrange(8),
            )
            total.update(
                victims.live(order, known, kill_after=chance.randrange(2, 150) if at is None else None)
            )
            check(folder, plugins, known)
    print(f"{KILLS} kills; rows lost: none; acknowledged: {dict(total)}")
    assert total["row"] > KILLS


def check(folder: Path, plugins: Path, known: Known) -> None:
    """Start an engine after a kill and compare what it has; take that for known."""
    with Engine(data_dir=folder, plugin_dir=plugins, environ={}) as engine:
        if engine.catalog.find_database("house") is None:
            assert not known.rows
            return
        stored = check_rows(engine, known)
        check_catalog(engine, known)
        check_caches(engine)
        engine.write("house", "alive ok=t 1", precision="ns")
    known.rows = stored


def check_rows(engine: Engine, known: Known) -> set[tuple[int, int]]:
    home = raw(engine, "home")
    assert all(row["n"] == row["twin"] for row in home), "a row of two writes"
    stored = set(writers_and_numbers(home))
    assert len(stored) == len(home), "a row is there twice"
    assert known.rows <= stored, "an acknowledged row is lost"
    unanswered = stored - known.rows
    assert len({writer for writer, _ in unanswered}) == len(unanswered) <= WRITERS, "a row was invented"
    assert stored == set(writers_and_numbers(raw(engine, "other"))), "a write came back in part"
    by_sql = rows(engine, "SELECT writer, n FROM home")
    assert Counter(writers_and_numbers(by_sql)) == Counter(stored)
    derived = list(writers_and_numbers(raw(engine, "derived")))
    assert len(derived) == len(set(derived)), "a derived row is there twice"
    assert set(derived) <= stored, "a derived row was invented"
    assert len(derived) >= known.handled, "a derived row is lost"
    check_plugin_state(engine, known, len(derived))
    return stored


def check_plugin_state(engine: Engine, known: Known, derived: int) -> None:
    """Compare what the plugin counted with the rows of runs that ended, and with those that it wrote before.

    A run counts as ended when its cache is stored, and that comes after its rows.
    """
    trigger = engine.catalog.database("house").triggers.get("derive")
    if trigger is not None:
        counted = engine.plugin_cache.for_trigger("house", trigger.trigger_id).get("count", default=0)
        assert known.handled <= counted <= derived, "the plugin's cache is of another time"
    else:
        assert not known.handled


def check_catalog(engine: Engine, known: Known) -> None:
    """Compare databases, tables and triggers with those that the acknowledged changes made, or one change more."""
    house = engine.catalog.database("house")
    found = {database.name for database in engine.catalog.databases if database.name.startswith("d")}
    found |= {name for name in house.tables if name.startswith("t")}
    found |= {name for name in house.triggers if name.startswith("g")}
    for changes in (known.changes, known.changes + 1):
        if found == made_by(changes):
            known.changes = changes
            return
    pytest.fail(f"{sorted(found)} after {known.changes} changes, not {sorted(made_by(known.changes))}")


def made_by(changes: int) -> set[str]:
    """Return what the first so many changes left."""
    names: set[str] = set()
    for number in range(changes):
        what, name = change_of(number)
        if what.startswith("create"):
            names.add(name)
        else:
            names.discard(name)
    return names


def check_caches(engine: Engine) -> None:
    """Compare the caches, which are filled at the start, with the rows."""
    if engine.last_caches.find("house", "home", "last") is not None:
        last = rows(engine, "SELECT writer, n FROM last_cache('home', 'last') ORDER BY writer")
        assert last == rows(
            engine, "SELECT writer, max(n) AS n FROM home GROUP BY writer ORDER BY writer"
        )
    if engine.distinct_caches.find("house", "home", "distinct") is not None:
        seen = rows(engine, "SELECT writer FROM distinct_cache('home', 'distinct') ORDER BY writer")
        assert seen == rows(engine, "SELECT DISTINCT writer FROM home ORDER BY writer")


def raw(engine: Engine, table: str) -> list[dict[str, object]]:
    """Return the rows of a table as they lie in files and buffers, each as often as it is there."""
    found = engine.catalog.database("house").tables.get(table)
    if found is None:
        return []
    view = engine.write_buffer.view(found.id)
    batches = (*(read_parquet(LOCAL, file) for file in view.files), *view.batches())
    return [row for batch in batches for row in batch.drop_columns("time").to_pylist()]


def writers_and_numbers(found: list[dict[str, object]]) -> Iterator[tuple[int, int]]:
    for row in found:
        yield int(str(row["writer"])), int(str(row["n"]))
