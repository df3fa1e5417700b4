"""Triggers over real plugins: files in a folder, the real runner, cache and logs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from procengine.catalog import Catalog
from procengine.errors import PluginSourceError
from procengine.model.duration import SECOND
from procengine.model.run import Cause, CauseKind, LogEntry, LogLevel, RunOutcome
from procengine.model.trigger import Trigger
from procengine.model.write_result import WriteResult
from procengine.processing.event import RequestEvent, ScheduleEvent, WriteEvent
from procengine.processing.log_view import LogView
from procengine.processing.trigger_statistics import TriggerState
from procengine.processing.triggers import Triggers
from tests.processing.doubles import TIMEOUT, MemoryLog, some_rows
from tests.processing.plugin_doubles import PluginBench


class PluginTriggers(PluginBench):
    """A folder of plugins with triggers over it; what plugins write is flushed and offered again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.catalog = Catalog(None, clock=self.clock)
        self.catalog.start()
        self.database_id = self.catalog.create_database("db").id
        self.log = MemoryLog()
        self.triggers = Triggers(
            self.catalog,
            self.runner,
            LogView(read=self.log.read),
            self.clock,
            check_plugin=self.registry.check,
            log=self._log_row,
            drop_cache=lambda trigger: self.caches.drop_trigger(trigger.database, trigger.trigger_id),
        )
        self.writes.write_lines = self._write_lines  # type: ignore[method-assign]
        self.runner.start()
        self.triggers.start()

    def close(self) -> None:
        self.triggers.stop()
        super().close()
        self.catalog.close()

    def write(self, table: str, *, depth: int = 0) -> int:
        """Flush one row of a table."""
        rows = some_rows(self.database_id, table, depth=depth)
        contents = self.log.append(rows, now_ns=self.clock.now_ns())
        self.triggers.offer(contents)
        return contents.sequence_number

    def wait_idle(self) -> None:
        """Wait until nothing runs."""
        assert self.triggers.wait_idle(TIMEOUT)

    def logged(self) -> list[str]:
        """Return the rows of the log that are not the engine's start and finish rows."""
        texts = [entry.text for entry in self.logs.entries()]
        return [
            text for text in texts if not text.startswith(("starting execution", "finished execution"))
        ]

    def _write_lines(self, database: str, lines: str, *, no_sync: bool, depth: int) -> WriteResult:
        table = lines.split(" ", maxsplit=1)[0]
        return WriteResult(
            database=database, tables={table: 1}, wal_sequence_number=self.write(table, depth=depth)
        )

    def _log_row(self, trigger: Trigger, level: LogLevel, text: str) -> None:
        self.logs.append(
            LogEntry(
                time_ns=self.clock.now_ns(),
                database=trigger.database,
                trigger=trigger.name,
                level=level,
                text=text,
            )
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PluginTriggers]:
    """Plugins and triggers that run."""
    bench = PluginTriggers(tmp_path)
    yield bench
    bench.close()


def test_a_write_reaches_its_plugin_and_what_that_writes_the_next(bench: PluginTriggers) -> None:
    """A chain of two triggers: rows of `a` make rows of `b`, which the second one sees one run deeper."""
    chain = """
        def process_writes(influxdb3_local, table_batches, args=None):
            for batch in table_batches:
                influxdb3_local.info(batch["table_name"], len(batch["rows"]))
                if args:
                    line = LineBuilder(args["to"]).int64_field("n", 1)
                    influxdb3_local.write(line)
    """
    bench.save(chain, "chain.py")
    bench.triggers.create("db", "first", "chain.py", "table:a", arguments={"to": "b"})
    bench.triggers.create("db", "second", "chain.py", "table:b")
    written = bench.write("a")
    bench.wait_idle()
    assert bench.triggers.wait_caught_up(written + 1, TIMEOUT)
    # The second may end before the first, which waits for its own rows too.
    runs = sorted((run.trigger, run.cause.depth) for run in bench.triggers.runs)
    assert runs == [("first", 0), ("second", 1)]
    assert bench.logged() == ["a 1", "b 1"]


def test_a_plugin_that_writes_to_its_own_table_is_paused(bench: PluginTriggers) -> None:
    """The kernel lives: after 64 writes of its own the trigger pauses, and the log says why."""
    bench.save(
        """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.write(LineBuilder("a").int64_field("n", 1))
        """
    )
    bench.triggers.create("db", "t", "plugin.py", "all_tables")
    bench.write("a")
    bench.wait_idle()
    assert bench.triggers.statistics("db", "t").state is TriggerState.PAUSED
    assert len(bench.triggers.runs) == 65
    assert bench.logged()[0].startswith("trigger paused: a chain of 65 writes")


def test_create_refuses_a_plugin_without_its_entry_point(bench: PluginTriggers) -> None:
    """The entry point of the specification's kind must be there before anything is kept."""
    bench.save("def process_writes(influxdb3_local, table_batches, args=None): pass")
    with pytest.raises(PluginSourceError, match="the process_scheduled_call function is not present"):
        bench.triggers.create("db", "t", "plugin.py", "every:1s")
    assert bench.triggers.list() == ()


def test_a_corrected_file_ends_the_retries(bench: PluginTriggers) -> None:
    """An attempt runs the plugin as it is then."""
    bench.save(
        """
        def process_writes(influxdb3_local, table_batches, args=None):
            raise ValueError("wrong")
        """
    )
    failed = threading.Event()
    bench.triggers.subscribe(lambda run: failed.set())
    bench.triggers.create("db", "t", "plugin.py", "all_tables", error_behavior="retry")
    bench.write("a")
    assert failed.wait(TIMEOUT)
    while bench.triggers.statistics("db", "t").state is not TriggerState.RETRYING:
        failed.wait(0.001)
    bench.save(
        """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.info("right now")
        """
    )
    bench.clock.advance(1)
    bench.wait_idle()
    assert [run.outcome for run in bench.triggers.runs] == [RunOutcome.ERROR, RunOutcome.SUCCESS]
    assert bench.logged()[-1] == "right now"


def test_the_cache_outlives_a_change_and_not_a_disable(bench: PluginTriggers) -> None:
    """Replacing a plugin keeps its local cache; disabling the trigger drops it, as the original does."""
    count = """
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            cache = influxdb3_local.cache
            cache.put("n", cache.get("n", 0) + STEP)
            influxdb3_local.info(cache.get("n"))
    """
    event = ScheduleEvent(instant_ns=SECOND, cause=Cause(kind=CauseKind.FIRE))
    bench.save(count.replace("STEP", "1"))
    bench.triggers.replace("db", "t", "plugin.py", "every:1h")
    bench.triggers.fire("t", event)
    bench.save(count.replace("STEP", "10"))
    bench.triggers.replace("db", "t", "plugin.py", "every:2h")
    bench.triggers.fire("t", event)
    bench.triggers.disable("db", "t")
    bench.triggers.fire("t", event)
    assert bench.logged() == ["1", "11", "10"]


def test_disable_interrupts_a_plugin_that_loops(bench: PluginTriggers) -> None:
    """A busy loop is broken out of where it stands, and disable returns."""
    bench.save(
        """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.info("looping")
            while True:
                pass
        """
    )
    looping = threading.Event()
    bench.logs.subscribe(lambda entry: looping.set() if entry.text == "looping" else None)
    bench.triggers.create("db", "t", "plugin.py", "all_tables")
    bench.write("a")
    assert looping.wait(TIMEOUT)
    bench.triggers.disable("db", "t")
    assert [run.outcome for run in bench.triggers.runs] == [RunOutcome.CANCELLED]
    assert bench.triggers.statistics("db", "t").errors == 0


def test_a_request_is_answered_by_its_plugin(bench: PluginTriggers) -> None:
    """The plugin's result is the response; its exception is a 500 with the original's text."""
    bench.save(
        """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            return {"got": request_body.decode(), "n": 1 // int(query_params["n"])}
        """
    )
    bench.triggers.create("db", "t", "plugin.py", "request:hook")

    def event(n: str) -> RequestEvent:
        return RequestEvent(
            query_params={"n": n}, headers={}, body=b"x", cause=Cause(kind=CauseKind.REQUEST)
        )

    response = bench.triggers.request("hook", event("1"))
    assert (response.status, response.body) == (200, b'{"got": "x", "n": 1}')
    failed = bench.triggers.request("hook", event("0"))
    assert failed.status == 500
    assert b"ZeroDivisionError" in failed.body


def test_a_dry_run_writes_nothing(bench: PluginTriggers) -> None:
    """A fired dry run shows the lines that it would write; nothing is flushed."""
    bench.save(
        """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.write(LineBuilder("b").int64_field("n", len(table_batches[0]["rows"])))
        """
    )
    bench.triggers.create("db", "t", "plugin.py", "table:a")
    event = WriteEvent(rows=(some_rows(bench.database_id, "a", 3),), cause=Cause(kind=CauseKind.FIRE))
    run = bench.triggers.fire("t", event, dry_run=True)
    assert (run.outcome, dict(run.lines)) == (RunOutcome.SUCCESS, {"db": ("b n=3i",)})
    assert bench.log.kept == {}
