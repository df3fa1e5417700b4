"""`write_test`: a run becomes a file that pytest passes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from procengine import Engine
from procengine.errors import InvalidInputError
from procengine.model.run import Cause, CauseKind, Run
from procengine.processing.event import RequestEvent
from procengine.processing.query_rows import query_rows
from procengine.processing.run_details import RunDetails
from procengine.testing import WrittenTest, write_test
from tests.engine.looks import ask, settle

PLUGIN = """
import time

def process_writes(influxdb3_local, table_batches, args=None):
    seen = influxdb3_local.cache.get("seen", [])
    for batch in table_batches:
        for row in batch["rows"]:
            seen = [*seen, row.get("n")]
            influxdb3_local.info("say", args["word"], row.get("text"))
            influxdb3_local.write(LineBuilder("out").tag("of", row["room"]).int64_field("n", row.get("n", 0)))
    influxdb3_local.cache.put("seen", seen)
    influxdb3_local.cache.put("shared", len(seen), use_global=True)
    rows = influxdb3_local.query("SELECT max(n) AS most FROM home WHERE room = $room", {"room": "a b"})
    influxdb3_local.info(rows)

def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.info("at", call_time)
    influxdb3_local.cache.put("when", time.perf_counter())

def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    raise RuntimeError("never")
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine with the plugin's three triggers."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "it.py").write_text(PLUGIN)
    with Engine(environ={}, plugin_dir=folder, data_dir=tmp_path / "data") as engine:
        engine.catalog.create_database("house")
        for name, spec in (("on rows", "table:home"), ("hourly", "every:1h"), ("asks", "request:asks")):
            engine.triggers.create("house", name, "it.py", spec, arguments={"word": "yes, no"})
        yield engine


def written(engine: Engine, run: Run, path: Path, **settings: bool) -> WrittenTest:
    """Write a test of a run, its queries asked of the engine."""

    def query(sql: str, database: str, params: Mapping[str, object] | None) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = query_rows(engine.query(sql, database, params))
        return rows

    details = engine.triggers.runs.details(run.run_id)
    assert details is not None
    return write_test(details, path, engine.plugins.folder / "it.py", query=query, **settings)


def passes(*paths: Path) -> str:
    """Run files by pytest, in a process of its own; return what it printed."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, paths)],
        cwd=paths[0].parent,
        env={"PYTHONPATH": str(root), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_runs_of_all_kinds_become_tests_that_pass(engine: Engine, tmp_path: Path) -> None:
    """Rows of all types, an earlier cache, queries and their answers, a schedule and a failed request."""
    engine.write("house", 'home,room=a\\ b n=1i,u=2u,x=0.5,ok=t,text="q\\"\\\\,= "\nhome,room=c n=3i')
    settle(engine)
    engine.write("house", "home,room=a\\ b n=9i")
    settle(engine)
    first, second = engine.triggers.runs
    ask(engine, "asks")
    asked = list(engine.triggers.runs)[-1]
    made = [
        written(engine, run, tmp_path / f"test_{number}.py")
        for number, run in enumerate((first, second, asked))
    ]
    assert [one.name for one in made] == ["test_on_rows_run_1", "test_on_rows_run_2", "test_asks_run_3"]
    assert made[1].notes == ()
    text = made[1].path.read_text()
    assert "cache={'seen': [1, 3]}" in text
    assert "global_cache={'shared': 2}" in text
    assert "assert run.lines == {'house': ['out,of=a\\\\ b n=9i']}" in text
    assert "plugin.answer(" in text
    assert "3 passed" in passes(*(one.path for one in made))


def test_writing_a_test_leaves_what_is_cached_alone(tmp_path: Path) -> None:
    """A plugin that changes a cached object in place changes a copy, and comes out the same each time."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "it.py").write_text(
        "def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):\n"
        "    hot = influxdb3_local.cache.get('hot', use_global=True)\n"
        "    return {'was hot': hot.pop('Attic', None) if hot else None}\n"
    )
    with Engine(environ={}, plugin_dir=folder) as engine:
        engine.catalog.create_database("house")
        trigger = engine.triggers.create("house", "asks", "it.py", "request:asks")
        event = RequestEvent(query_params={}, headers={}, body=b"", cause=Cause(kind=CauseKind.FIRE))
        run = engine.triggers.fire("asks", event, dry_run=True)
    held = {"hot": {"Attic": 24}}
    details = RunDetails(run=run, trigger=trigger, event=event)
    made = write_test(details, tmp_path / "test_it.py", folder / "it.py", cached_global=held)

    assert held == {"hot": {"Attic": 24}}
    text = made.path.read_text()
    assert "global_cache={'hot': {'Attic': 24}}" in text
    assert "assert run.json() == {'was hot': 24}" in text
    assert not any("each time" in note for note in made.notes)
    passes(made.path)


def test_a_written_test_fails_when_the_plugin_changes(engine: Engine, tmp_path: Path) -> None:
    """It asserts what the run wrote."""
    engine.write("house", "home,room=c n=3i")
    settle(engine)
    made = written(engine, next(iter(engine.triggers.runs)), tmp_path / "test_it.py")
    plugin = engine.plugins.folder / "it.py"
    plugin.write_text(PLUGIN.replace('int64_field("n"', 'int64_field("m"'))
    with pytest.raises(AssertionError, match=r"assert run\.lines =="):
        passes(made.path)


def test_what_differs_each_time_is_left_out_and_told(engine: Engine, tmp_path: Path) -> None:
    """A cached clock's value cannot be asserted; the test says so, and passes."""
    engine.triggers.fire("hourly", _hourly())
    made = written(engine, list(engine.triggers.runs)[-1], tmp_path / "test_hourly.py")
    assert made.notes == ("cache is not asserted: it comes out differently each time",)
    assert "# Not as it was: cache is not asserted" in made.path.read_text()
    passes(made.path)


def test_another_outcome_than_that_of_the_run_is_told(engine: Engine, tmp_path: Path) -> None:
    """When the plugin or what it finds has changed since, the notes say in what."""
    engine.write("house", "home,room=c n=3i")
    settle(engine)
    run = next(iter(engine.triggers.runs))
    plugin = engine.plugins.folder / "it.py"
    plugin.write_text(PLUGIN.replace("say", "tell").replace('"out"', '"other"'))
    made = written(engine, run, tmp_path / "test_it.py")
    assert made.notes == ("the run wrote other lines", "the run logged other lines")


def test_a_file_that_is_there_is_left_alone(engine: Engine, tmp_path: Path) -> None:
    """Unless it is to be replaced."""
    engine.triggers.fire("hourly", _hourly())
    run = list(engine.triggers.runs)[-1]
    path = tmp_path / "test_it.py"
    path.write_text("mine")
    with pytest.raises(InvalidInputError, match="is there; give another path"):
        written(engine, run, path)
    assert path.read_text() == "mine"
    written(engine, run, path, replace=True)
    assert "def test_hourly_run_" in path.read_text()


def _hourly() -> object:
    from procengine.model.run import Cause, CauseKind
    from procengine.processing.event import ScheduleEvent

    return ScheduleEvent(instant_ns=0, cause=Cause(kind=CauseKind.FIRE))
