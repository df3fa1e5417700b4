"""A plugin without a trigger can be tried; the answers have the original's shape (semantics, section 7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procengine.cli.engine_target import in_process
from procengine.cli.execution import run_line
from procengine.cli.outcome import Surroundings
from procengine.engine import Engine
from procengine.errors import InvalidInputError
from procengine.model.run import Cause, CauseKind
from procengine.processing.dry_run import dry_run_instant
from procengine.processing.event import ScheduleEvent

NOON_NS = 1_672_488_000_000_000_000

Ask = Callable[[str, str], dict[str, object]]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine in memory with a plugin folder."""
    with Engine(object_store="memory", plugin_dir=tmp_path, environ={}) as running:
        running.write("house", "home temp=1.5 1")
        yield running


@pytest.fixture
def ask(engine: Engine, tmp_path: Path) -> Ask:
    """A function that saves a plugin's code, tests it by a command, and returns the answer."""

    def run(code: str, command: str) -> dict[str, object]:
        (tmp_path / "p.py").write_text(code)
        surroundings = Surroundings(folder=tmp_path, ask=input)
        return json.loads(
            run_line(in_process(engine), f"test {command} -d house p.py", surroundings).text
        )

    return run


def test_rows_answer_has_logs_writes_and_errors(ask: Ask) -> None:
    """Logs carry their level and the engine's own rows; synchronous writes come before queued ones."""
    code = (
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    influxdb3_local.warn('w', args)\n"
        "    influxdb3_local.write(LineBuilder('queued').int64_field('n', 1))\n"
        "    influxdb3_local.write_sync(LineBuilder('now').int64_field('n', 1), False)\n"
        "    influxdb3_local.write_to_db('other', LineBuilder('o').int64_field('n', 1))\n"
    )

    answer = ask(code, "wal_plugin --lp 'home temp=2'")

    assert answer["log_lines"][0] == "INFO: starting execution of wal plugin."
    assert answer["log_lines"][1] == "WARN: w None"
    assert answer["log_lines"][2].startswith("INFO: finished execution in ")
    assert answer["database_writes"] == {"house": ["now n=1i", "queued n=1i"], "other": ["o n=1i"]}
    assert answer["errors"] == []


def test_nothing_is_stored(ask: Ask, engine: Engine) -> None:
    """Neither the rows nor what the plugin writes nor its logs are kept."""
    code = (
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    influxdb3_local.info('x')\n"
        "    influxdb3_local.write(LineBuilder('t').int64_field('n', 1))\n"
    )

    ask(code, "wal_plugin --lp 'home temp=2'")

    assert set(engine.catalog.database("house").tables) == {"home"}
    assert engine.query("SELECT count(*) AS n FROM home", "house")["n"].to_pylist() == [1]
    assert engine.logs.entries(database="house") == ()


def test_dry_runs_and_runs_are_numbered_together(ask: Ask, engine: Engine, tmp_path: Path) -> None:
    """A dry run is run by the engine's own runner, so that no two runs have the same number."""
    code = "def process_scheduled_call(influxdb3_local, call_time, args=None):\n    pass\n"
    (tmp_path / "p.py").write_text(code)
    engine.triggers.create("house", "t", "p.py", "every:1h")

    def fired() -> int:
        event = ScheduleEvent(instant_ns=NOON_NS, cause=Cause(kind=CauseKind.FIRE, instant_ns=NOON_NS))
        return engine.triggers.fire("t", event).run_id

    before = fired()
    ask(code, "schedule_plugin")
    assert fired() == before + 2


def test_failure_leaves_logs_and_writes_empty(ask: Ask) -> None:
    """A plugin that raises answers with the error alone."""
    code = "def process_writes(influxdb3_local, table_batches, args=None):\n    influxdb3_local.info(1)\n    1 / 0\n"

    answer = ask(code, "wal_plugin --lp 'home temp=2'")

    assert answer == {
        "log_lines": [],
        "database_writes": {},
        "errors": ["error executing plugin: ZeroDivisionError: division by zero"],
    }


def test_lines_that_production_would_reject_are_errors(ask: Ask) -> None:
    """What the plugin wrote is checked against the live schema."""
    code = (
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    influxdb3_local.write(LineBuilder('home').string_field('temp', 'hot'))\n"
    )

    answer = ask(code, "wal_plugin --lp 'home temp=2'")

    assert len(answer["errors"]) == 1
    assert "invalid column type for column 'temp'" in answer["errors"][0]


def test_cache_survives_between_tests_by_name(ask: Ask) -> None:
    """Tests share a cache by its name; without one they share another."""
    code = (
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    n = influxdb3_local.cache.get('n', 0) + 1\n"
        "    influxdb3_local.cache.put('n', n)\n"
        "    influxdb3_local.info(n)\n"
    )

    counts = [
        ask(code, f"wal_plugin --lp 'home temp=2' {name}")["log_lines"][1]
        for name in ("", "", "--cache-name a", "--cache-name a", "")
    ]

    assert counts == ["INFO: 1", "INFO: 2", "INFO: 1", "INFO: 2", "INFO: 3"]


def test_schedule_answer_has_its_time(ask: Ask) -> None:
    """The time is the next one of the schedule, with a Z; it is null when the plugin raised."""
    works = "def process_scheduled_call(influxdb3_local, call_time, args=None):\n    pass\n"
    fails = works.replace("pass", "raise ValueError('no')")

    answer = ask(works, "schedule_plugin --schedule '0 30 6 * * *'")

    assert list(answer) == ["trigger_time", "log_lines", "database_writes", "errors"]
    assert answer["trigger_time"].endswith("T06:30:00Z")
    assert ask(fails, "schedule_plugin")["trigger_time"] is None


def test_schedule_is_every_second_unless_said() -> None:
    """The default expression has six fields (the original's documentation shows five)."""
    assert dry_run_instant(None, NOON_NS) == NOON_NS + 1_000_000_000


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        ("* * * * *", "invalid cron syntax: '* * * * *'"),
        ("0 0 0 1 1 * 1999", "cron schedule never triggers"),
    ],
)
def test_schedules_that_cannot_be_are_refused(schedule: str, text: str) -> None:
    """Five fields are refused, and so is an expression whose time has passed."""
    with pytest.raises(InvalidInputError) as caught:
        dry_run_instant(schedule, NOON_NS)

    assert text in str(caught.value)
