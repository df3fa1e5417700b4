"""Section 7 of the semantics, through the engine: dry runs show what would be written, and change nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from procengine import Engine
from procengine.model.run import Cause, CauseKind, Response
from procengine.processing.dry_run_record import DryRun
from procengine.processing.event import Event, ScheduleEvent, WriteEvent
from procengine.write.synthetic_rows import synthetic_rows
from tests.engine.looks import request_event, rows, texts

Plugin = Callable[[str, str], str]

SOURCE = """
    def work(influxdb3_local, args):
        cache = influxdb3_local.cache
        cache.put("runs", cache.get("runs", 0) + 1)
        influxdb3_local.info("run", cache.get("runs"), args)
        influxdb3_local.write(LineBuilder("queued").int64_field("n", 1))
        influxdb3_local.write_sync(LineBuilder("synced").int64_field("n", 2), no_sync=False)
        influxdb3_local.write_to_db("other", LineBuilder("home").string_field("n", "text"))
        influxdb3_local.warn(influxdb3_local.query("SELECT n FROM home"))
        if args and args.get("fail"):
            raise ValueError("late")

    def process_writes(influxdb3_local, table_batches, args=None):
        influxdb3_local.info(table_batches)
        work(influxdb3_local, args)

    def process_scheduled_call(influxdb3_local, call_time, args=None):
        work(influxdb3_local, args)

    def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
        work(influxdb3_local, args)
        return "answer", 201
"""

FIRED = Cause(kind=CauseKind.FIRE)
INSTANT_NS = 1_700_000_000_500_000_000


@pytest.fixture
def dry(engine: Engine, plugin: Plugin) -> Callable[..., DryRun]:
    """Dry-run a trigger of each kind on databases that have a row each; nothing may change by it."""
    engine.write("house", "home n=7i")
    engine.write("other", "home n=7i")

    def run(event: Event, spec: str, *, cache_name: str | None = None, **arguments: str) -> DryRun:
        engine.triggers.replace("house", "t", plugin("t", SOURCE), spec, arguments=arguments or None)
        made = engine.triggers.fire("t", event, database="house", dry_run=True, cache_name=cache_name)
        assert [list(one.tables) for one in engine.catalog.databases[1:]] == [["home"], ["home"]]
        assert texts(engine) == []
        assert engine.triggers.statistics("house", "t").runs == 0
        return DryRun.of(made)

    return run


def test_dry_run_of_rows(engine: Engine, dry: Callable[..., DryRun]) -> None:
    """Section 7: lines are collected, synchronous ones first, and checked against the live schema at the end."""
    event = WriteEvent(
        rows=synthetic_rows(
            "home n=1i 1\nfresh f=2 2", catalog=engine.catalog, database="house", default_time_ns=0
        ),
        cause=FIRED,
    )
    shown = dry(event, "all_tables", k="v")
    assert shown.log_lines[0] == "INFO: starting execution of wal plugin."
    assert shown.log_lines[-1].startswith("INFO: finished execution in ")
    assert shown.log_lines[2:-1] == ("INFO: run 1 {'k': 'v'}", "WARN: [{'n': 7}]")
    assert "'fresh'" in shown.log_lines[1]
    assert shown.database_writes == {
        "house": ("synced n=2i", "queued n=1i"),
        "other": ('home n="text"',),
    }
    [error] = shown.errors
    assert error.startswith("line protocol parse error on write to db other: ")
    assert error.endswith(
        "invalid column type for column 'n', expected iox::column_type::field::integer, "
        "got iox::column_type::field::string"
    )
    assert shown.trigger_time is None
    assert rows(engine, "SELECT n FROM home") == [{"n": 7}]


def test_dry_run_of_a_tick(dry: Callable[..., DryRun]) -> None:
    """Section 7: a schedule's dry run also tells its time, in RFC 3339."""
    cause = Cause(kind=CauseKind.FIRE, instant_ns=INSTANT_NS)
    shown = dry(ScheduleEvent(instant_ns=INSTANT_NS, cause=cause), "every:1h")
    started = "INFO: starting execution with scheduled time 2023-11-14 22:13:20.500 UTC"
    assert shown.log_lines[0] == started
    assert shown.trigger_time == "2023-11-14T22:13:20.500Z"


def test_dry_run_of_a_request(dry: Callable[..., DryRun]) -> None:
    """Section 7 (an addition): a request's dry run has its response beside it."""
    shown = dry(request_event(), "request:t")
    assert shown.response == Response(
        status=201, headers=(("Content-Type", "text/html"),), body=b"answer"
    )


def test_dry_run_that_fails(dry: Callable[..., DryRun]) -> None:
    """Section 7: a plugin's failure is the one error; here what it did before is still shown (Differs)."""
    shown = dry(request_event(), "request:t", fail="yes")
    assert shown.errors == ("error executing plugin: Python function call failed: ValueError: late",)
    assert shown.log_lines[-1] == "WARN: [{'n': 7}]"
    assert shown.trigger_time is None


def test_dry_run_caches(engine: Engine, dry: Callable[..., DryRun]) -> None:
    """Section 7: values survive between dry runs of one cache name for 30 minutes; without one they begin anew."""

    def runs(name: str | None) -> str:
        return dry(request_event(), "request:t", cache_name=name).log_lines[1]

    seen = [runs(None), runs("mine"), runs("mine"), runs(None), runs("other")]
    engine.clock.advance(30 * 60)  # type: ignore[attr-defined]
    seen.append(runs("mine"))
    assert seen == [f"INFO: run {number} None" for number in (1, 1, 2, 1, 1, 1)]


def test_dry_run_sees_a_copy_of_the_cache(engine: Engine, plugin: Plugin) -> None:
    """A dry run begins from what its trigger cached, changes objects in place too, and leaves nothing behind."""
    name = plugin(
        "count",
        """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            cache, seen = influxdb3_local.cache, []
            for key, shared in (("mine", False), ("ours", True)):
                numbers = cache.get(key, [], use_global=shared)
                numbers.append(len(numbers))
                cache.put(key, numbers, use_global=shared)
                seen.append(len(numbers))
            cache.delete("gone")
            return {"seen": seen}
        """,
    )
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", name, "request:t")
    engine.triggers.create("house", "u", name, "request:u")

    def seen(trigger: str, *, dry_run: bool) -> bytes:
        run = engine.triggers.fire(trigger, request_event(), dry_run=dry_run)
        assert run.response is not None
        return run.response.body

    first = seen("t", dry_run=False)
    held = [(value.namespace, value.key, value.value) for value in engine.plugin_cache.values()]
    dry_runs = [seen("t", dry_run=True), seen("t", dry_run=True), seen("u", dry_run=True)]
    assert [first, *dry_runs] == [
        b'{"seen": [1, 1]}',
        b'{"seen": [2, 2]}',
        b'{"seen": [2, 2]}',
        b'{"seen": [1, 2]}',
    ]
    now = [(value.namespace, value.key, value.value) for value in engine.plugin_cache.values()]
    assert now == held == [("house/t", "mine", [0]), ("global", "ours", [0])]
    assert seen("t", dry_run=False) == b'{"seen": [2, 2]}'


def test_dry_run_says_what_it_cannot_copy(engine: Engine, plugin: Plugin) -> None:
    """A value that cannot be copied is seen as it is and named in the record."""
    name = plugin(
        "lock",
        """
        import threading

        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            lock = influxdb3_local.cache.get("lock")
            if lock is None:
                influxdb3_local.cache.put("lock", threading.Lock())
            return str(lock is not None)
        """,
    )
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", name, "request:t")
    real = engine.triggers.fire("t", request_event())
    dry_run = engine.triggers.fire("t", request_event(), dry_run=True)
    assert dry_run.response is not None
    assert (dry_run.response.body, real.cache_notes) == (b"True", ())
    assert dry_run.cache_notes == (
        (
            "the value of key 'lock' cannot be copied, the dry run had the trigger's own: "
            "TypeError: cannot pickle '_thread.lock' object"
        ),
    )
