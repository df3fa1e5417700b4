"""Run history, logs and statistics, over restarts."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from procengine import Engine
from procengine.cli.engine_target import in_process
from procengine.cli.execution import run_line
from procengine.cli.outcome import Surroundings
from procengine.clock import VirtualClock
from procengine.errors import QueryError
from procengine.file_system import AppendFile, LocalFileSystem
from procengine.model.result_format import ResultFormat
from procengine.model.run import Cause, CauseKind, Run, RunOutcome
from procengine.processing.event import ScheduleEvent
from procengine.query.runs_table import ProcessingEngineRuns
from tests import readme
from tests.engine.conftest import START_NS
from tests.engine.looks import ask, rows, settle

Plugin = Callable[[str, str], str]
Start = Callable[..., Engine]

WRITES = """
    def process_writes(influxdb3_local, table_batches, args=None):
        for batch in table_batches:
            for row in batch["rows"]:
                influxdb3_local.info("row", row["f"])
                if row["f"] < 0:
                    raise ValueError("negative")
                influxdb3_local.query("SELECT 1")
                influxdb3_local.write(LineBuilder("out").int64_field("n", 1))
"""


@pytest.fixture
def start(tmp_path: Path, plugin_dir: Path) -> Start:
    """Start an engine on one data folder."""

    def started(**options: object) -> Engine:
        return Engine(plugin_dir=plugin_dir, data_dir=tmp_path / "data", environ={}, **options)

    return started


def house(engine: Engine, name: str) -> None:
    """Make a database with a trigger for the table ``t``."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "w", name, "table:t")


def write(engine: Engine, *values: int) -> None:
    """Write values one by one, and wait for what each causes."""
    for value in values:
        engine.write("house", f"t f={value}")
        settle(engine)


def wait_written(engine: Engine) -> None:
    """Wait until the history is on disk."""
    pause = threading.Event()
    while engine.triggers.runs.statistics().waiting_rows or engine.logs.statistics().waiting_rows:
        pause.wait(0.001)


def kept(run: Run) -> Run:
    """Return a run as it comes back from disk: without the live exception."""
    failure = run.failure and replace(run.failure, exception=None)
    return replace(run, failure=failure)


RUNS = "SELECT run_id, outcome FROM system.processing_engine_runs ORDER BY run_id"


def test_runs_and_logs_are_there_after_a_restart(start: Start, plugin: Plugin) -> None:
    """The run history and the logs reach back to engines before, and run ids go on."""
    name = plugin("w", WRITES)
    with start() as first:
        house(first, name)
        write(first, 1, -1)
        before = [kept(run) for run in first.triggers.runs]
        texts = [entry.text for entry in first.logs.entries()]
    with start() as second:
        assert list(second.triggers.runs) == before
        assert [entry.text for entry in second.logs.entries()] == texts
        write(second, 2)
        assert [(row["run_id"], row["outcome"]) for row in rows(second, RUNS)] == [
            (1, "success"),
            (2, "error"),
            (3, "success"),
        ]
        logged = rows(second, "SELECT log_text FROM system.processing_engine_logs")
        assert len(logged) == len(texts) + 3


def test_a_run_from_disk_is_whole(start: Start, plugin: Plugin) -> None:
    """What comes back is the run as it was, log lines included, but for the live exception."""
    name = plugin("w", WRITES)
    with start() as first:
        house(first, name)
        write(first, 1, -1)
        before = [kept(run) for run in first.triggers.runs.select()]
        assert [len(run.logs) for run in before] == [3, 3]
    with start() as second:
        assert list(second.triggers.runs.select()) == before
        [failed] = second.triggers.runs.select(outcome=RunOutcome.ERROR)
        assert failed.failure is not None
        assert (failed.failure.message, failed.failure.line_number) == ("ValueError: negative", 7)


def test_the_columns_of_a_run(start: Start, plugin: Plugin) -> None:
    """One row a run, with its cause, its cost, what it read and wrote, and why it failed."""
    with start() as engine:
        house(engine, plugin("w", WRITES))
        write(engine, 1, -1)
        shown = engine.query(
            "SELECT * FROM system.processing_engine_runs ORDER BY run_id LIMIT 0", "house"
        )
        assert sorted(shown.column_names) == sorted(ProcessingEngineRuns.schema.names)
        first, failed = rows(engine, "SELECT * FROM system.processing_engine_runs ORDER BY run_id")
    expected = {
        "trigger_name": "w",
        "plugin_filename": "w.py",
        "trigger_kind": "write",
        "cause": "write",
        "wal_sequence_number": 1,
        "scheduled_time": None,
        "depth": 0,
        "peak_memory_bytes": None,
        "rows_in": 1,
        "rows_written": 1,
        "written": [{"database": "house", "table": "out", "rows": 1}],
        "query_count": 1,
        "log_line_count": 3,
        "outcome": "success",
        "error_type": None,
        "error_message": None,
        "write_errors": [],
        "cache_keys_changed": [],
        "attempt": 1,
    }
    assert {name: first[name] for name in expected} == expected
    assert first["duration"] > first["duration"] * 0
    assert (failed["error_type"], failed["error_message"]) == ("ValueError", "ValueError: negative")
    assert (failed["error_filename"], failed["error_line"]) == (failed["error_filename"], 7)
    assert "raise ValueError" in str(failed["traceback"])


def test_what_runs_wrote_can_be_queried_by_table(start: Start, plugin: Plugin) -> None:
    """``written`` is a list of structs: SQL takes it apart."""
    with start() as engine:
        house(engine, plugin("w", WRITES))
        write(engine, 1, 2)
        sql = (
            "SELECT w['table'] AS name, sum(w['rows']) AS written FROM "
            "(SELECT unnest(written) AS w FROM system.processing_engine_runs) GROUP BY 1"
        )
        assert rows(engine, sql) == [{"name": "out", "written": 2}]


def test_the_readmes_query_of_runs(start: Start, plugin: Plugin) -> None:
    """The README's query finds the failed runs of the last hour, by trigger; its table names every column."""
    with start() as engine:
        house(engine, plugin("w", WRITES))
        write(engine, 1, -1)
        [row] = rows(engine, readme.query("runs"))
        assert (row["trigger_name"], row["runs"], row["rows_written"]) == ("w", 1, 0)
    section = readme.TEXT.split("## Runs and logs\n")[1].split("\n## ")[0]
    assert [name for name in ProcessingEngineRuns.schema.names if f"`{name}`" not in section] == []


@pytest.mark.parametrize("form", [one.value for one in ResultFormat if one is not ResultFormat.PARQUET])
def test_the_command_line_shows_runs(start: Start, plugin: Plugin, form: str) -> None:
    """``show system`` lists the table, and shows its rows; in CSV no lists of structs, as on a server."""
    with start() as engine:
        house(engine, plugin("w", WRITES))
        write(engine, 1)
        surroundings = Surroundings(folder=Path(), ask=str)
        listed = run_line(
            in_process(engine), "show system table-list --database house", surroundings
        ).text
        assert "processing_engine_runs" in listed
        line = f"show system table --database house --format {form} processing_engine_runs"
        if form == ResultFormat.CSV.value:
            with pytest.raises(QueryError, match=r"Nested type List\(.*\) is not supported in CSV"):
                _ = run_line(in_process(engine), line, surroundings).text
            line += " --select outcome,rows_written"
        shown = run_line(in_process(engine), line, surroundings).text
    assert "success" in shown
    assert ("outcome,rows_written\n" if form == ResultFormat.CSV.value else "out") in shown


def test_each_cause_is_told(engine: Engine, plugin: Plugin, clock: VirtualClock) -> None:
    """A tick has its scheduled time, a request none, a synthetic event is told from a real one."""
    tick = plugin("tick", "def process_scheduled_call(local, call_time, args=None): pass")
    answer = plugin("answer", "def process_request(local, q, h, b, args=None): return 'yes'")
    engine.catalog.create_database("house")
    engine.triggers.create("house", "tick", tick, "every:1s")
    engine.triggers.create("house", "answer", answer, "request:answer")
    clock.advance(1)
    settle(engine)
    ask(engine, "answer")
    fired = ScheduleEvent(instant_ns=5, cause=Cause(kind=CauseKind.FIRE, instant_ns=5))
    engine.triggers.fire("tick", fired)
    sql = (
        "SELECT trigger_kind, cause, scheduled_time, wal_sequence_number FROM system.processing_engine_runs "
        "ORDER BY run_id"
    )
    assert [tuple(row.values()) for row in rows(engine, sql)] == [
        ("schedule", "tick", START_NS + 10**9, None),
        ("request", "request", None, None),
        ("schedule", "fire", 5, None),
    ]


def test_the_log_table_has_the_originals_columns(start: Start, plugin: Plugin) -> None:
    """Section 10: four columns, and each database its own lines; also over restarts."""
    schema = pa.schema(
        [
            pa.field("event_time", pa.timestamp("ns"), nullable=False),
            pa.field("trigger_name", pa.utf8(), nullable=False),
            pa.field("log_level", pa.utf8(), nullable=False),
            pa.field("log_text", pa.utf8(), nullable=False),
        ]
    )
    sql = "SELECT event_time, trigger_name, log_level, log_text FROM system.processing_engine_logs"
    columns = (
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = 'system' AND table_name = 'processing_engine_logs'"
    )
    with start() as first:
        house(first, plugin("w", WRITES))
        first.catalog.create_database("garden")
        write(first, 1)
    with start() as second:
        found = second.query(sql, "house")
        assert found.schema == schema
        assert found["log_level"].to_pylist() == ["INFO"] * 3
        assert second.query(sql, "garden").num_rows == 0
        assert [row["column_name"] for row in rows(second, columns)] == schema.names


def test_dry_runs_are_no_history(start: Start, plugin: Plugin) -> None:
    """A dry run is among the runs in memory, and neither in the table nor there after a restart."""
    name = plugin("tick", "def process_scheduled_call(local, call_time, args=None): pass")
    event = ScheduleEvent(instant_ns=0, cause=Cause(kind=CauseKind.FIRE))
    with start() as first:
        first.catalog.create_database("house")
        first.triggers.create("house", "tick", name, "every:1h")
        first.triggers.fire("tick", event, dry_run=True)
        first.triggers.fire("tick", event)
        assert [run.dry_run for run in first.triggers.runs] == [True, False]
        assert [run.dry_run for run in first.triggers.runs.select()] == [False]
        assert len(rows(first, RUNS)) == 1
    with start() as second:
        assert [run.dry_run for run in second.triggers.runs] == [False]


def test_in_memory_the_newest_runs_are_the_table(engine: Engine, plugin: Plugin) -> None:
    """Object store memory: what is in memory can be queried, dry runs left out."""
    house(engine, plugin("w", WRITES))
    write(engine, 1)
    assert rows(engine, RUNS) == [{"run_id": 1, "outcome": "success"}]


def test_statistics_go_on_over_restarts(start: Start, plugin: Plugin) -> None:
    """Counts, percentiles, the last run and the last failure of a trigger outlive the engine."""
    name = plugin("w", WRITES)
    with start() as first:
        house(first, name)
        write(first, 1, 2, -1)
        before = first.triggers.statistics("house", "w")
        assert (before.runs, before.errors, before.failing) == (3, 1, True)
    with start() as second:
        after = second.triggers.statistics("house", "w")
        failure = before.last_failure and replace(before.last_failure, exception=None)
        assert after == replace(before, last_failure=failure)
        write(second, 3)
        assert second.triggers.statistics("house", "w").runs == 4


def test_a_success_ends_the_failing_state(start: Start, plugin: Plugin) -> None:
    """A trigger whose last run succeeded is not failing, before and after a restart; the failure is still told."""
    name = plugin("w", WRITES)
    with start() as first:
        house(first, name)
        write(first, -1, 1)
        assert not first.triggers.statistics("house", "w").failing
    with start() as second:
        statistics = second.triggers.statistics("house", "w")
        assert (statistics.failing, statistics.last_outcome) == (False, RunOutcome.SUCCESS)
        assert statistics.last_failure is not None


def test_a_trigger_made_anew_begins_anew(start: Start, plugin: Plugin) -> None:
    """Runs belong to a trigger's id: one made under an old name has none, now and after a restart."""
    name = plugin("w", WRITES)
    with start() as first:
        house(first, name)
        write(first, 1, -1)
        old = first.triggers.delete("house", "w", force=True)
        new = first.triggers.create("house", "w", name, "table:t")
        assert first.triggers.statistics("house", "w").runs == 0
    with start() as second:
        statistics = second.triggers.statistics("house", "w")
        assert (statistics.runs, statistics.failing, statistics.p50_ns) == (0, False, None)
        assert len(second.triggers.runs.select(trigger_id=old.trigger_id)) == 2
        assert second.triggers.runs.select(trigger_id=new.trigger_id) == ()
        assert len(second.logs.entries("house", "w", trigger_id=old.trigger_id)) == 6
        assert second.logs.entries("house", "w", trigger_id=new.trigger_id) == ()
        ids = rows(second, "SELECT DISTINCT trigger_id FROM system.processing_engine_runs")
        assert ids == [{"trigger_id": old.trigger_id}]


def test_a_database_made_anew_tells_its_triggers_apart(start: Start, plugin: Plugin) -> None:
    """What the triggers of a deleted database did is kept under their ids; another database shows none of it."""
    name = plugin("w", WRITES)
    with start() as engine:
        house(engine, name)
        write(engine, 1)
        engine.catalog.create_database("garden")
        assert rows(engine, RUNS, "garden") == []
        engine.catalog.delete_database("house")
        house(engine, name)
        write(engine, 2)
        assert engine.triggers.statistics("house", "w").runs == 1
        ids = rows(engine, "SELECT trigger_id FROM system.processing_engine_runs ORDER BY run_id")
        assert [row["trigger_id"] == engine.triggers.get("house", "w").trigger_id for row in ids] == [
            False,
            True,
        ]


def test_all_triggers_at_once(engine: Engine, plugin: Plugin) -> None:
    """Without a name the statistics of all triggers come, each under its own name."""
    house(engine, plugin("w", WRITES))
    engine.triggers.create("house", "other", "w.py", "table:elsewhere")
    write(engine, 1)
    assert {one.trigger.name: one.runs for one in engine.triggers.statistics()} == {"w": 1, "other": 0}


def test_history_is_bounded_and_counts_are_not(start: Start, plugin: Plugin, tmp_path: Path) -> None:
    """The oldest rows go when the files are too large; how many runs there were is known all the same."""
    name = plugin("tick", "def process_scheduled_call(local, call_time, args=None): pass")
    event = ScheduleEvent(instant_ns=0, cause=Cause(kind=CauseKind.FIRE))
    bounds = {"run_history_bytes": 60_000, "processing_engine_log_bytes": 40_000}
    with start(**bounds) as first:
        first.catalog.create_database("house")
        first.triggers.create("house", "tick", name, "every:1h")
        for number in range(3_000):
            first.triggers.fire("tick", event)
            if number % 200 == 0:
                wait_written(first)
        assert first.triggers.runs.statistics().lost_rows == 0
    with start(**bounds) as second:
        ids = [row["run_id"] for row in rows(second, RUNS)]
        assert ids == list(range(3_001 - len(ids), 3_001))
        assert 0 < len(ids) < 3_000
        assert second.triggers.statistics("house", "tick").runs == 3_000
        for folder, limit in (("runs", 60_000), ("logs", 40_000)):
            files = (tmp_path / "data" / "state" / folder).glob("*.rows")
            assert sum(file.stat().st_size for file in files) <= limit


def test_runs_are_found_beyond_memory(start: Start, plugin: Plugin) -> None:
    """Runs by trigger, outcome and time come from disk where memory does not reach, the newest so many."""
    name = plugin("w", WRITES)
    clock = VirtualClock(START_NS)
    event = ScheduleEvent(instant_ns=0, cause=Cause(kind=CauseKind.FIRE))
    tick = plugin("tick", "def process_scheduled_call(local, call_time, args=None): local.info('ran')")
    with start(clock=clock) as engine:
        house(engine, name)
        engine.triggers.create("house", "tick", tick, "every:1h", disabled=True)
        write(engine, 1, -1)
        clock.advance(60)
        for _ in range(1_200):
            engine.triggers.fire("tick", event)
        runs = engine.triggers.runs
        assert len(runs) == 1_000
        assert [run.run_id for run in runs.select(trigger="w")] == [1, 2]
        assert [len(run.logs) for run in runs.select(trigger="w")] == [3, 3]
        assert [run.run_id for run in runs.select(outcome=RunOutcome.ERROR)] == [2]
        assert [run.run_id for run in runs.select(limit=2)] == [1_201, 1_202]
        assert len(runs.select(since_ns=START_NS + 1, limit=None)) == 1_200
        assert len(runs.select(limit=None)) == 1_202
        assert runs.select(database="garden") == ()
        found = runs.find(1)
        assert found is not None
        assert found.rows_in == 1
        assert runs.find(9_999) is None


class FullDisk(LocalFileSystem):
    """Refuses what is new under ``state``, while it is full."""

    full = False

    def create(self, path: Path) -> AppendFile:
        if self.full and "state" in path.parts:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return super().create(path)


def test_a_full_disk_hurts_no_run(
    start: Start, plugin: Plugin, caplog: pytest.LogCaptureFixture
) -> None:
    """Runs go on, are seen, and are written once there is room; a line of Python's log says so."""
    name = plugin("w", WRITES)
    files = FullDisk()
    files.full = True
    with start(file_system=files) as first:
        house(first, name)
        write(first, 1, -1)
        assert [row["outcome"] for row in rows(first, RUNS)] == ["success", "error"]
        assert first.triggers.statistics("house", "w").runs == 2
        files.full = False
    assert "the disk refuses them" in caplog.text
    with start() as second:
        assert [row["outcome"] for row in rows(second, RUNS)] == ["success", "error"]


KILLED = """
import sys
import threading
from procengine import Engine

engine = Engine(plugin_dir=sys.argv[1], data_dir=sys.argv[2], environ={})
engine.catalog.create_database("house")
engine.triggers.create("house", "w", "w.py", "table:t")
for value in range(20):
    engine.write("house", f"t f={value}")
    engine.wait_idle(20)
pause = threading.Event()
while engine.triggers.runs.statistics().waiting_rows or engine.logs.statistics().waiting_rows:
    pause.wait(0.001)
print("written", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_leaves_its_history(
    start: Start, plugin: Plugin, plugin_dir: Path, tmp_path: Path
) -> None:
    """What the history thread has written is there after SIGKILL: runs, logs and counts."""
    plugin("w", WRITES)
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(plugin_dir), str(tmp_path / "data")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"written\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with start() as engine:
        assert [row["run_id"] for row in rows(engine, RUNS)] == list(range(1, 21))
        assert len(engine.logs.entries(database="house")) == 60
        assert engine.triggers.statistics("house", "w").runs == 20
