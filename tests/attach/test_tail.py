"""The new rows of a server's table come to the triggers here, each once, whatever happens to the server."""

from __future__ import annotations

import ast
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from procengine import Engine
from procengine.attach.attachment import Attachment
from procengine.attach.tail import Tail
from procengine.attach.tail_options import TailOptions
from procengine.clock import VirtualClock
from procengine.errors import AlreadyExistsError, InvalidInputError, NotFoundError
from tests.attach.conftest import SECONDS, START_NS, Plugin, Remote, StrictServer

SECOND = 1_000_000_000
GIVEN = """
def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            influxdb3_local.info(batch["table_name"], sorted(row.items()))
            line = LineBuilder("given").tag("room", row["room"]).float64_field("temp", row.get("temp", 0.0))
            influxdb3_local.write(line.time_ns(row["time"]))
"""


def lines(*rows: tuple[str, int, float]) -> str:
    """Return lines of rooms, seconds from the start, and temperatures."""
    return "\n".join(f"home,room={room} temp={temp} {START_NS + at * SECOND}" for room, at, temp in rows)


def watch(engine: Engine, database: str, plugin: Plugin) -> None:
    """Have a trigger keep what it is given."""
    engine.triggers.create(database, "watch", plugin("watch", GIVEN), "table:home")


def given(engine: Engine, attached: Attachment) -> list[tuple[str, int, float]]:
    """Return what the trigger was given, in the order of time, twice what it was given twice."""
    assert engine.wait_idle(SECONDS)
    table = engine.logs.table(attached.name)
    rows = []
    for text in table["log_text"].to_pylist() if table is not None else ():
        if text.startswith("home ["):
            row = dict(ast.literal_eval(text.removeprefix("home ")))
            rows.append((row["room"], (row["time"] - START_NS) // SECOND, row["temp"]))
    return sorted(rows, key=lambda row: (row[1], row[0]))


def follow(attached: Attachment, **options: Any) -> Tail:
    """Follow the table from the start on; return the tail after its first look."""
    tail = attached.tail("home", TailOptions(since_ns=START_NS, **options))
    assert tail.wait_for_looks(1, SECONDS)
    return tail


def looked(tail: Tail, clock: VirtualClock, seconds: float = 5.0) -> None:
    """Let time pass, and the tail look."""
    before = tail.state.looks
    clock.advance(seconds)
    assert tail.wait_for_looks(before + 1, SECONDS)


@pytest.fixture
def attached(engine: Engine, remote: Remote, plugin: Plugin) -> Attachment:
    """The server's database, with a trigger here."""
    found = engine.attach(remote.url, remote.token, remote.database)
    watch(engine, remote.database, plugin)
    return found


def test_new_rows_are_given_as_if_written(
    engine: Engine, attached: Attachment, remote: Remote, clock: VirtualClock
) -> None:
    """Rows from the beginning on reach the trigger with tags and fields, older do not; the server is as it was."""
    tail = follow(attached)
    assert given(engine, attached) == []
    remote.write(lines(("Attic", 1, 20.5), ("Hall", 2, 18.0)))
    looked(tail, clock)
    assert given(engine, attached) == [("Attic", 1, 20.5), ("Hall", 2, 18.0)]
    assert attached.query_scratch("SELECT room FROM given ORDER BY time").to_pylist() == [
        {"room": "Attic"},
        {"room": "Hall"},
    ]
    assert remote.query("SELECT count(*) AS n FROM home") == [{"n": 4}]
    assert {
        one["table_name"] for one in remote.query("SHOW TABLES") if one["table_schema"] == "iox"
    } == {"home"}
    state = tail.state
    assert (state.rows, state.rejected, state.failure, state.paused) == (2, 0, None, False)
    assert state.behind_ns == 0


def test_attach_begins_tails(
    engine: Engine, remote: Remote, clock: VirtualClock, plugin: Plugin
) -> None:
    """`attach(..., tail=[...])` follows tables from now on."""
    attached = engine.attach(remote.url, remote.token, remote.database, tail=["home"])
    (tail,) = attached.tails
    assert tail.wait_for_looks(1, SECONDS)
    watch(engine, remote.database, plugin)
    remote.write(lines(("Attic", 3, 1.0)))
    looked(tail, clock)
    assert given(engine, attached) == [("Attic", 3, 1.0)]
    (row,) = engine.query("SELECT tailed_tables FROM system.attached_databases", "_internal").to_pylist()
    assert row == {"tailed_tables": "home"}


def test_late_rows_come_within_the_overlap_and_none_twice(
    engine: Engine, attached: Attachment, remote: Remote, clock: VirtualClock
) -> None:
    """A row is late by at most the overlap; what was given is not given again, nor with another value."""
    clock.advance(100)
    tail = follow(attached, overlap_seconds=10)
    remote.write(lines(("Attic", 50, 1.0)))
    looked(tail, clock)
    remote.write(lines(("Hall", 41, 2.0), ("Cellar", 39, 3.0), ("Attic", 50, 9.0)))
    looked(tail, clock)
    looked(tail, clock)
    assert given(engine, attached) == [("Hall", 41, 2.0), ("Attic", 50, 1.0)]


def test_a_row_of_the_future_hides_none(
    engine: Engine, attached: Attachment, remote: Remote, clock: VirtualClock
) -> None:
    """A time that is yet to come does not move the tail past the present."""
    tail = follow(attached, overlap_seconds=1)
    remote.write(lines(("Attic", 1_000_000, 1.0)))
    looked(tail, clock)
    remote.write(lines(("Hall", 6, 2.0)))
    looked(tail, clock)
    looked(tail, clock)
    assert given(engine, attached) == [("Hall", 6, 2.0), ("Attic", 1_000_000, 1.0)]


def test_many_rows_come_in_pages(
    engine: Engine, attached: Attachment, remote: Remote, clock: VirtualClock
) -> None:
    """More rows than a page, also of one instant, are all given, once."""
    rows = [(f"r{number}", at, float(number)) for at in range(1, 5) for number in range(7)]
    rows += [("x", at, 0.5) for at in range(5, 20)]
    remote.write(lines(*rows))
    clock.advance(30)
    tail = follow(attached, page_rows=3)
    assert tail.state.failure is None
    assert given(engine, attached) == sorted(rows, key=lambda row: (row[1], row[0]))
    looked(tail, clock)
    assert tail.state.rows == len(rows)


def test_rows_that_are_kept_here_no_longer_do_not_come_again(
    engine: Engine, attached: Attachment, remote: Remote, clock: VirtualClock
) -> None:
    """A retention period bounds what a tail keeps here; within the overlap, too, what it ended is not new."""
    tail = follow(attached, overlap_seconds=1000)
    remote.write(lines(("Attic", 1, 1.0)))
    looked(tail, clock)
    engine.catalog.set_retention_period(attached.name, 60 * SECOND)
    looked(tail, clock, 100)
    assert attached.query_scratch("SELECT * FROM home").num_rows == 0
    remote.write(lines(("Hall", 100, 2.0)))
    looked(tail, clock)
    assert given(engine, attached) == [("Attic", 1, 1.0), ("Hall", 100, 2.0)]


def test_a_paused_tail_goes_on_from_where_it_was(
    engine: Engine, attached: Attachment, remote: Remote, clock: VirtualClock
) -> None:
    """While it is paused nothing is given, and how far it is behind grows; then all of it comes."""
    tail = follow(attached, overlap_seconds=0)
    tail.pause()
    remote.write(lines(("Attic", 1, 1.0)))
    clock.advance(120)
    assert (tail.state.paused, tail.state.looks, tail.state.behind_ns) == (True, 1, 120 * SECOND)
    tail.resume()
    assert tail.wait_for_looks(2, SECONDS)
    assert given(engine, attached) == [("Attic", 1, 1.0)]
    assert tail.state.behind_ns == 0


def test_what_was_written_through_here_is_not_given_twice(
    engine: Engine, remote: Remote, clock: VirtualClock, plugin: Plugin
) -> None:
    """Rows that the server has from this engine have run the triggers when they were written."""
    attached = engine.attach(remote.url, remote.token, remote.database, read_only=False)
    watch(engine, remote.database, plugin)
    tail = follow(attached)
    engine.write(remote.database, lines(("Attic", 1, 1.0)), precision="ns")
    remote.write(lines(("Hall", 2, 2.0)))
    looked(tail, clock)
    assert given(engine, attached) == [("Attic", 1, 1.0), ("Hall", 2, 2.0)]


def test_rows_that_do_not_fit_are_counted(
    engine: Engine, attached: Attachment, remote: Remote, clock: VirtualClock
) -> None:
    """A column of another type here keeps rows out, which the tail's state says; others go on."""
    engine.write(remote.database, "home,room=Here note=1.0 5\nhome,room=Here temp=0.0 5", precision="ns")
    tail = follow(attached)
    remote.write(f'home,room=Attic note="text" {START_NS + SECOND}')
    looked(tail, clock)
    assert (tail.state.rejected, tail.state.rows) == (1, 0)
    assert tail.state.rejection is not None
    assert "'note'" in tail.state.rejection
    remote.write(lines(("Hall", 2, 2.0)))
    looked(tail, clock)
    assert (tail.state.rejected, tail.state.rows, tail.state.failure) == (1, 1, None)


def rooms(*rooms: str) -> pa.Table:
    """Return rows as the strict server has them, one a second."""
    times = [START_NS + (number + 1) * SECOND for number in range(len(rooms))]
    columns: dict[str, Any] = {
        "room": list(rooms),
        "temp": [1.0] * len(rooms),
        "time": pa.array(times, pa.timestamp("ns")),
    }
    return pa.table(columns)


def test_a_server_that_is_away_is_asked_less_and_less_often(
    engine: Engine, strict: StrictServer, clock: VirtualClock, plugin: Plugin
) -> None:
    """Pauses double up to a minute; when it is back, what came meanwhile is given, and the pace is the first."""
    strict.rows, strict.tags = rooms("a"), ("room",)
    attached = engine.attach(strict.url, "T", "p")
    watch(engine, "p", plugin)
    tail = follow(attached)
    strict.error = flight.FlightUnavailableError("down for a while")
    looked(tail, clock)
    for pause in (5, 10, 20, 40, 60, 60):
        before = tail.state.looks
        clock.advance(pause - 0.5)
        assert tail.state.looks == before
        looked(tail, clock, 0.5)
        assert tail.state.failure is not None
        assert "down for a while" in tail.state.failure
    assert tail.state.behind_ns > 190 * SECOND
    strict.error, strict.rows = None, rooms("a", "b", "c")
    looked(tail, clock, 60)
    assert [row[0] for row in given(engine, attached)] == ["a", "b", "c"]
    assert (tail.state.failure, tail.state.behind_ns) == (None, 0)
    looked(tail, clock, 5)


def test_a_table_that_is_not_there_yet_is_waited_for(
    engine: Engine, attached: Attachment, remote: Remote, clock: VirtualClock
) -> None:
    """The tail says that the server has no such table, and follows it once it has."""
    tail = attached.tail("later", TailOptions(since_ns=START_NS))
    assert tail.wait_for_looks(1, SECONDS)
    assert tail.state.failure is not None
    assert "'public.iox.later' not found" in tail.state.failure
    remote.write(f"later x=1 {START_NS + SECOND}")
    looked(tail, clock, 60)
    assert (tail.state.failure, tail.state.rows) == (None, 1)


def test_stopping_does_not_wait_for_the_server(engine: Engine, strict: StrictServer) -> None:
    """A tail ends while the server is silent; the engine's fixture finds no thread left."""
    attached = engine.attach(strict.url, "T", "p")
    strict.go_on.clear()
    strict.is_waiting.clear()
    attached.tail("home")
    assert strict.is_waiting.wait(SECONDS)
    attached.end_tail("home")
    assert strict.left.wait(SECONDS)
    assert attached.tails == ()


def test_another_engine_goes_on_from_there(
    engine: Engine, attached: Attachment, remote: Remote, clock: VirtualClock
) -> None:
    """The terms of an attachment bring its tails along, from where they are."""
    tail = follow(attached, every_seconds=7)
    remote.write(lines(("Attic", 5, 1.0)))
    clock.advance(10)
    looked(tail, clock, 7)
    terms = attached.terms
    engine.detach(attached.name)
    with Engine(object_store="memory", environ={}, clock=clock) as other:
        (again,) = other.attachments.attach_again(terms).tails
        assert again.options.every_seconds == 7
        assert again.options.since_ns == START_NS + 5 * SECOND
        assert again.wait_for_looks(1, SECONDS)
        assert other.query("SELECT count(*) AS n FROM home", terms.name).to_pylist() == [{"n": 3}]


def test_a_table_is_followed_once(attached: Attachment) -> None:
    """A second tail of a table, and the end of none, are refused."""
    attached.tail("home")
    with pytest.raises(AlreadyExistsError, match=r"'home' of .* is followed already"):
        attached.tail("home")
    attached.end_tail("home")
    with pytest.raises(NotFoundError, match=r"'home' of .* is not followed"):
        attached.end_tail("home")
    attached.tail("home")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"every_seconds": 0.05}, "cannot look every 0.05 s; accepted: 0.1 s or more"),
        ({"every_seconds": float("nan")}, "cannot look every nan s"),
        ({"overlap_seconds": -1}, "cannot be -1 s; accepted: 0 s or more"),
        ({"page_rows": 0}, "0 rows at a time; accepted: 1 or more"),
    ],
)
def test_options_that_make_no_sense_are_refused(said: dict[str, Any], text: str) -> None:
    """Each is named, with what is accepted."""
    with pytest.raises(InvalidInputError, match=text):
        TailOptions(**said)
