"""A run whole: its event, what it wrote and asked word for word, and what it changed in the plugin cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procengine import Engine
from procengine.model.run import Cause, CauseKind, Run
from procengine.model.trigger import ErrorBehavior
from procengine.processing.event import RequestEvent, ScheduleEvent, WriteEvent
from procengine.processing.run_details import RecentRuns, RunDetails
from procengine.processing.run_trace import MOST_CALLS
from procengine.processing.table_batches import table_batches
from tests.engine.looks import settle

Plugin = Callable[[str, str], str]
Start = Callable[..., Engine]

NS = Cause(kind=CauseKind.FIRE)


@pytest.fixture
def start(tmp_path: Path, plugin_dir: Path) -> Iterator[Start]:
    """Start engines on one data folder; stop those that are left."""
    engines: list[Engine] = []

    def started(**options: object) -> Engine:
        engine = Engine(plugin_dir=plugin_dir, data_dir=tmp_path / "data", environ={}, **options)
        engines.append(engine)
        return engine

    yield started
    for engine in engines:
        engine.stop()


def house(engine: Engine, name: str, spec: str = "table:t", **options: object) -> None:
    """Make a database with one trigger."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "w", name, spec, **options)  # type: ignore[arg-type]


def last(engine: Engine) -> RunDetails:
    """Return the details of the run that ended last."""
    settle(engine)
    run: Run = list(engine.triggers.runs)[-1]
    details = engine.triggers.runs.details(run.run_id)
    assert details is not None
    assert details.run is run
    return details


def test_run_details_have_the_rows_of_a_write_by_reference(start: Start, plugin: Plugin) -> None:
    """The event is the very one that the plugin got: rows of the flush, not a copy of them."""
    engine = start()
    name = plugin("w", "def process_writes(local, batches, args=None):\n    pass\n")
    house(engine, name, arguments={"limit": "3"})
    engine.write("house", "t,room=a f=1i 5\nt,room=b f=2i 6\nother f=1 7")
    details = last(engine)
    assert isinstance(details.event, WriteEvent)
    (batch,) = table_batches(details.event.rows)
    assert batch["rows"] == [
        {"room": "a", "f": 1, "time": 5_000_000_000},
        {"room": "b", "f": 2, "time": 6_000_000_000},
    ]
    sequence_number = details.run.cause.wal_sequence_number
    assert sequence_number is not None
    (rows,) = [one for one in engine.wal.contents(sequence_number).rows if one.table == "t"]
    assert details.event.rows[0] is rows
    assert details.trigger is not None
    assert dict(details.trigger.arguments or {}) == {"limit": "3"}
    assert details.missing == ()


def test_run_details_have_writes_and_queries_word_for_word(start: Start, plugin: Plugin) -> None:
    """Writes stand in the order in which they were made, with what became of them; queries have their parameters."""
    engine = start()
    name = plugin(
        "w",
        """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.query("SELECT f FROM t WHERE f = CAST($f AS BIGINT)", {"f": "2"})
            try:
                influxdb3_local.query("SELECT nothing FROM t")
            except Exception:
                pass
            influxdb3_local.write(LineBuilder("late").int64_field("n", 1).time_ns(1))
            influxdb3_local.write(LineBuilder("late").int64_field("n", 2).time_ns(2))
            influxdb3_local.write_to_db("other", LineBuilder("x").int64_field("n", 3).time_ns(3))
            influxdb3_local.write_sync(LineBuilder("now").int64_field("n", 4).time_ns(4), False)
            try:
                influxdb3_local.write_sync(LineBuilder("now").string_field("n", "a"), False)
            except Exception:
                pass
        """,
    )
    house(engine, name)
    engine.write("house", "t f=1i 1\nt f=2i 2")
    details = last(engine)
    good, bad = details.queries
    assert (good.sql, good.database) == ("SELECT f FROM t WHERE f = CAST($f AS BIGINT)", "house")
    assert (good.params, good.row_count, good.fault) == ({"f": "2"}, 1, None)
    assert good.duration_ns > 0
    assert bad.row_count is None
    assert "nothing" in (bad.fault or "")
    assert [(one.database, one.lines, one.queued, dict(one.rows)) for one in details.writes] == [
        ("house", "now n=4i 4", False, {"now": 1}),
        ("house", 'now n="a"', False, {}),
        ("house", "late n=1i 1\nlate n=2i 2", True, {"late": 2}),
        ("other", "x n=3i 3", True, {"x": 1}),
    ]
    assert [one.fault is None for one in details.writes] == [True, False, True, True]


def test_run_details_have_what_a_failed_run_queued_in_vain(start: Start, plugin: Plugin) -> None:
    """Lines that were dropped because the run failed can be read."""
    engine = start()
    name = plugin(
        "w",
        """
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            influxdb3_local.write(LineBuilder("out").int64_field("n", 1))
            raise ValueError("no")
        """,
    )
    house(engine, name, "every:1h")
    engine.triggers.fire("w", ScheduleEvent(instant_ns=7, cause=NS))
    details = last(engine)
    assert details.event == ScheduleEvent(instant_ns=7, cause=NS)
    assert dict(details.dropped) == {"house": ("out n=1i",)}
    assert details.writes == ()


def test_run_details_have_the_request(start: Start, plugin: Plugin) -> None:
    """The method, parameters, headers and body are those that the plugin got."""
    engine = start()
    name = plugin("w", "def process_request(local, query, headers, body, args=None):\n    return 'x'\n")
    house(engine, name, "request:hook")
    event = RequestEvent(
        query_params={"a": "1"}, headers={"h": "2"}, body=b"three", method="PUT", cause=NS
    )
    engine.triggers.request("hook", event)
    assert last(engine).event is event


COUNTS = """
    def process_scheduled_call(influxdb3_local, call_time, args=None):
        cache = influxdb3_local.cache
        seen = cache.get("seen", [])
        seen.append(call_time.second)
        cache.put("seen", seen)
        cache.put("last", call_time.second, use_global=True)
        if len(seen) > 1:
            cache.delete("first")
        else:
            cache.put("first", "x" * 300)
"""


@pytest.mark.parametrize("store", ["file", "memory"])
def test_run_details_tell_the_cache_difference(start: Start, plugin: Plugin, store: str) -> None:
    """Values are shown as they were before and after, also such as the plugin changes in place.

    With object store memory nothing is pickled, so that a value changed in place is as it is now.
    """
    engine = start(object_store=store)
    house(engine, plugin("w", COUNTS), "every:1h")
    for second in (1, 2, 3):
        engine.triggers.fire("w", ScheduleEvent(instant_ns=second * 10**9, cause=NS))
    _, second, third = (engine.triggers.runs.details(run.run_id) for run in engine.triggers.runs)
    assert second is not None
    assert third is not None
    shown = {
        one.key: (one.before and one.before.text, one.after and one.after.text) for one in second.cache
    }
    assert shown["last"] == ("1", "2")
    assert shown["first"] == (repr("x" * 300), None)
    if store == "file":
        assert shown["seen"] == ("[1]", "[1, 2]")
        assert {one.key for one in third.cache} == {"seen", "last"}
    else:
        (seen,) = [one for one in second.cache if one.key == "seen"]
        assert seen.before is not None
        assert not seen.before.is_kept
        assert "not kept" in seen.before.text
        assert seen.after is not None
        assert not seen.after.is_exact


def test_run_details_say_what_an_earlier_engine_took_along(start: Start, plugin: Plugin) -> None:
    """Of a run of an engine before only its record is left, and the details name what is missing."""
    engine = start()
    name = plugin(
        "w",
        """
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.query("SELECT 1")
            influxdb3_local.write(LineBuilder("out").int64_field("n", 1))
        """,
    )
    house(engine, name)
    engine.write("house", "t f=1 1")
    run = last(engine).run
    engine.stop()
    again = start()
    details = again.triggers.runs.details(run.run_id)
    assert details is not None
    assert isinstance(details.event, WriteEvent)  # the log has the rows until their snapshot
    assert [rows.table for rows in details.event.rows] == ["t"]
    assert (details.writes, details.queries) == ((), ())
    assert details.missing == (
        "not kept any more: the lines that it wrote, its queries (of the newest runs alone)",
    )
    gone = RunDetails.of_record(run)  # what is said once the log has let go of them
    assert gone.event is None
    (missing,) = gone.missing
    assert missing == (
        "not kept any more: its input rows, the lines that it wrote, its queries (of the newest runs alone); "
        f"its rows came with flush {run.cause.wal_sequence_number} of the write-ahead log"
    )


def test_run_details_take_no_rows_of_a_trigger_that_is_another_by_now(
    start: Start, plugin: Plugin
) -> None:
    """Rows of the log are a run's only as long as its trigger is there to say which."""
    engine = start()
    house(engine, plugin("w", "def process_writes(local, batches, args=None):\n    pass\n"))
    engine.write("house", "t f=1 1")
    run = last(engine).run
    engine.triggers.delete("house", "w", force=True)
    engine.stop()
    details = start().triggers.runs.details(run.run_id)
    assert details is not None
    assert details.event is None


def test_run_details_of_an_unknown_run_are_none(start: Start) -> None:
    """There is nothing to say of a run that is not in the history."""
    assert start().triggers.runs.details(12_345) is None


def test_run_details_bound_what_one_run_keeps(start: Start, plugin: Plugin) -> None:
    """A run that queries without end is kept in part, and says how much is not."""
    engine = start()
    text = f"""
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            for _ in range({MOST_CALLS + 5}):
                influxdb3_local.write_sync(LineBuilder("out").int64_field("n", 1).time_ns(1), True)
        """
    house(engine, plugin("w", text), "every:1h")
    engine.triggers.fire("w", ScheduleEvent(instant_ns=7, cause=NS))
    details = last(engine)
    assert len(details.writes) == MOST_CALLS
    assert details.missing == ("5 more writes and queries are not kept",)


def kept_after(start: Start, plugin: Plugin, recent: RecentRuns, *, failing: int) -> list[int]:
    """Return which of ten runs are kept, of which the first ``failing`` fail; numbered from 0."""
    engine = start()
    text = f"""
        def process_writes(influxdb3_local, table_batches, args=None):
            if table_batches[0]["rows"][0]["f"] < {failing}:
                raise ValueError("no")
        """
    house(engine, plugin("w", text), "table:t", error_behavior=ErrorBehavior.LOG)
    engine.plugin_runner._recent = recent
    for value in range(10):
        engine.write("house", f"t f={value}")
        settle(engine)
    runs = list(engine.triggers.runs)
    return [number for number, run in enumerate(runs) if recent.find(run.run_id) is not None]


def test_run_details_keep_failed_runs_longer(start: Start, plugin: Plugin) -> None:
    """The newest runs are kept, and beside them a number of failed ones."""
    recent = RecentRuns(most_runs=3, most_failed_runs=2)
    assert kept_after(start, plugin, recent, failing=4) == [2, 3, 7, 8, 9]
    assert len(recent) == 5


def test_run_details_stay_within_their_bytes(start: Start, plugin: Plugin) -> None:
    """Whatever their number, runs go when what they hold takes too much; the newest one stays."""
    recent = RecentRuns(most_bytes=1)
    assert kept_after(start, plugin, recent, failing=0) == [9]
    assert recent.size_bytes > 1
