"""Queries of an attached database are the server's to answer, and look like local ones."""

from __future__ import annotations

import _thread
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight

from procengine import Engine
from procengine.attach.remote_database import address_with_port
from procengine.clock import VirtualClock
from procengine.errors import (
    AlreadyExistsError,
    DatabaseNotFoundError,
    InvalidInputError,
    NotFoundError,
    QueryError,
    StoppedError,
)
from procengine.model.column import ColumnType
from procengine.model.run import Cause, CauseKind, RunOutcome
from procengine.processing.event import RequestEvent
from procengine.remote import RefusedByServerError, UnreachableServerError
from tests.attach.conftest import SECONDS, Plugin, Remote, StrictServer

ASK = """
def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    rows = influxdb3_local.query(query_params["sql"], {"room": "Attic"} if "$room" in query_params["sql"] else None)
    influxdb3_local.write(LineBuilder("seen").int64_field("rows", len(rows)).time_ns(5))
    return {"rows": rows}
"""


def event(**params: str) -> RequestEvent:
    return RequestEvent(
        query_params=params, headers={}, body=b"", cause=Cause(kind=CauseKind.FIRE, depth=0)
    )


def test_a_query_is_answered_by_the_server(engine: Engine, remote: Remote) -> None:
    """The rows, their types and the parameters are as those of a query here."""
    engine.attach(remote.url, remote.token, remote.database)
    engine.write("here", 'home,room=Attic temp=24.5,n=3i,u=4u,open=true,note="a b" 1', precision="ns")
    asked = ("SELECT * FROM home WHERE room = $room AND n < $n", {"room": "Attic", "n": 10})
    found, expected = (
        engine.query(asked[0], remote.database, asked[1]),
        engine.query(asked[0], "here", asked[1]),
    )
    assert found.to_pylist() == expected.to_pylist()
    assert found.schema.equals(expected.schema)


def test_show_tables_shows_the_servers(engine: Engine, remote: Remote) -> None:
    """What lists tables goes to the server, too; the catalog here names what is attached, without its token."""
    engine.attach(remote.url, remote.token, remote.database, name="p")
    tables = engine.query("SHOW TABLES", "p").to_pylist()
    assert "home" in {row["table_name"] for row in tables}
    assert "p" in {one.name for one in engine.catalog.databases}
    (row,) = engine.query("SELECT * FROM system.attached_databases", "_internal").to_pylist()
    assert (row["database_name"], row["url"], row["remote_database_name"]) == (
        "p",
        remote.url,
        remote.database,
    )
    assert (row["read_only"], row["queries"], row["failed_queries"]) == (True, 1, 0)
    assert (
        remote.token not in f"{row} {engine.attachments.all()!r} {engine.attachments.get('p').terms!r}"
    )


def test_a_plugin_reads_the_server_and_writes_here(
    engine: Engine, remote: Remote, plugin: Plugin
) -> None:
    """A run whose trigger's database is attached queries the server; what it writes is here alone."""
    attached = engine.attach(remote.url, remote.token, remote.database)
    engine.triggers.create(remote.database, "ask", plugin("ask", ASK), "request:ask")
    run = engine.triggers.fire("ask", event(sql="SELECT room, temp FROM home WHERE room = $room"))
    assert run.outcome is RunOutcome.SUCCESS, run.failure
    assert run.response is not None
    assert run.response.body == b'{"rows": [{"room": "Attic", "temp": 24.5}]}'
    assert attached.query_scratch("SELECT rows FROM seen").to_pylist() == [{"rows": 1}]
    assert [
        row["table_name"] for row in remote.query("SHOW TABLES") if row["table_schema"] == "iox"
    ] == ["home"]


def test_a_write_here_triggers_here_and_leaves_the_server_alone(
    engine: Engine, remote: Remote, plugin: Plugin
) -> None:
    """Rows that are written to an attached database run its triggers, and are in the scratch database."""
    query = "local.query('SELECT count(*) AS n FROM home')"
    source = f"def process_writes(local, table_batches, args=None):\n    local.info({query})\n"
    attached = engine.attach(remote.url, remote.token, remote.database)
    engine.triggers.create(remote.database, "t", plugin("t", source), "table:home")
    engine.write(remote.database, "home,room=Cellar temp=1 3", precision="ns")
    assert engine.wait_idle(SECONDS)
    logs = engine.logs.table(remote.database)["log_text"].to_pylist()
    assert "[{'n': 2}]" in logs
    assert attached.query_scratch("SELECT room FROM home").to_pylist() == [{"room": "Cellar"}]
    assert remote.query("SELECT count(*) AS n FROM home") == [{"n": 2}]


def test_detached_names_are_local_again(engine: Engine, remote: Remote) -> None:
    """After `detach` the name finds the scratch database, and can be attached anew."""
    attached = engine.attach(remote.url, remote.token, remote.database)
    engine.write(remote.database, "m x=1 1")
    engine.detach(remote.database)
    assert engine.query("SELECT x FROM m", remote.database).to_pylist() == [{"x": 1.0}]
    with pytest.raises(StoppedError, match="attached no longer"):
        attached.query("SELECT 1")
    with pytest.raises(NotFoundError, match="attached: none is"):
        engine.detach(remote.database)
    engine.attach(remote.url, remote.token, remote.database)
    with pytest.raises(QueryError, match=r"'public\.iox\.m' not found"):
        engine.query("SELECT x FROM m", remote.database)


def test_the_servers_refusals_are_told_in_its_words(engine: Engine, remote: Remote) -> None:
    """A faulty statement is a QueryError with the text of the server, and nothing of the client's."""
    engine.attach(remote.url, remote.token, remote.database)
    engine.write("here", "home,room=Cellar temp=1")
    for sql in (
        "SELECT * FROM nope",
        "SELEC",
        "DROP TABLE home",
        "SELECT $a",
        "SELECT no_such(temp) FROM home",
        "SELECT temp FROM home WHERE time > 5",
    ):
        with pytest.raises(QueryError) as here:
            engine.query(sql, "here")
        with pytest.raises(QueryError) as there:
            engine.query(sql, remote.database)
        assert str(there.value) == str(here.value)
    assert engine.attachments.get(remote.database).failed_queries == 6


def test_a_plugin_gets_the_originals_error(engine: Engine, remote: Remote, plugin: Plugin) -> None:
    """A query that the server refuses raises influxdb3_py_api's QueryError in the plugin."""
    engine.attach(remote.url, remote.token, remote.database)
    engine.triggers.create(remote.database, "ask", plugin("ask", ASK), "request:ask")
    run = engine.triggers.fire("ask", event(sql="SELECT * FROM nope"))
    assert run.failure is not None
    assert run.failure.type_name == "QueryError"
    assert run.failure.message.startswith(
        "Python function call failed: QueryError: error: error while planning query: Error during planning"
    )
    assert run.failure.message.endswith(f"executing query on {remote.database}: SELECT * FROM nope")


def test_attach_asks_first(engine: Engine, remote: Remote) -> None:
    """A database, token or server that is not there is said at once; nothing is attached, or made, then."""
    with pytest.raises(DatabaseNotFoundError, match="nowhere"):
        engine.attach(remote.url, remote.token, "nowhere")
    with pytest.raises(RefusedByServerError, match="does not accept the token"):
        engine.attach(remote.url, "apiv3_bad", remote.database)
    with pytest.raises(UnreachableServerError, match=r"cannot reach http://127\.0\.0\.1:1"):
        engine.attach("http://127.0.0.1:1", None, remote.database)
    assert engine.attachments.all() == ()
    assert {one.name for one in engine.catalog.databases} == {"_internal"}


def test_a_name_is_attached_once(engine: Engine, remote: Remote) -> None:
    """A second database by the name is refused; by another name the same can be attached again."""
    engine.attach(remote.url, remote.token, remote.database, name="p")
    with pytest.raises(AlreadyExistsError, match="cannot attach by the name 'p'"):
        engine.attach(remote.url, remote.token, remote.database, name="p")
    engine.attach(remote.url, remote.token, remote.database, name="q")
    assert [one.name for one in engine.attachments.all()] == ["p", "q"]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"url": "ftp://x"}, "accepted: a URL such as"),
        ({"url": "http://me:secret@127.0.0.1:1"}, "the token is given beside it"),
        ({"url": "http://127.0.0.1:port"}, "cannot attach from"),
        ({"name": "_internal"}, "the engine's own"),
        ({"name": "a b"}, "invalid character in database"),
        ({"timeout_seconds": 0.0}, "timeout_seconds cannot be 0"),
        ({"token": "two\nlines"}, "characters that no token has"),
    ],
)
def test_bad_input_is_named(engine: Engine, said: dict[str, object], text: str) -> None:
    """What cannot be attached is said before anything is asked."""
    words = {"url": "http://127.0.0.1:1", "token": "t", "database": "p"} | said
    with pytest.raises(InvalidInputError, match=text):
        engine.attach(**words)  # type: ignore[arg-type]
    assert engine.attachments.all() == ()


def test_rows_that_break_off_are_no_result(engine: Engine, strict: StrictServer) -> None:
    """A server that fails after some rows makes an error, in its words."""
    engine.attach(strict.url, "T", "p")
    strict.rows_then = flight.FlightInternalError("out of memory")
    with pytest.raises(QueryError, match="out of memory"):
        engine.query("SELECT 1", "p")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://db", "http://db:80"),
        ("https://db/", "https://db:443"),
        ("http://db:8181/x", "http://db:8181"),
        ("http://[::1]:8181", "http://[::1]:8181"),
    ],
)
def test_a_port_that_is_not_said_is_the_schemes(url: str, address: str) -> None:
    """The client would take 443 for both."""
    assert address_with_port(url) == address


def test_an_expired_token_is_said(engine: Engine, strict: StrictServer) -> None:
    """A server that accepted the token and no longer does is told as that, by each query."""
    engine.attach(strict.url, "T", "p")
    strict.error = flight.FlightUnauthenticatedError("token expired")
    with pytest.raises(RefusedByServerError, match=r"does not accept the token \(token expired\)"):
        engine.query("SELECT 1", "p")
    strict.error = None
    assert engine.query("SELECT 1", "p").to_pylist() == [{"x": 1}]


def test_the_ticket_is_the_originals(engine: Engine, strict: StrictServer) -> None:
    """The statement goes out unchanged, its parameters beside it."""
    engine.attach(strict.url, "T", "prod", name="p")
    engine.query("SELECT $a", "p", {"a": "x", "b": 1.5, "c": None, "d": True})
    assert strict.asked[-1] == {
        "database": "prod",
        "sql_query": "SELECT $a",
        "query_type": "sql",
        "params": {"a": "x", "b": 1.5, "c": None, "d": True},
    }


def test_tags_are_known_by_their_metadata(engine: Engine, strict: StrictServer) -> None:
    """A column that the server says to be a tag is a dictionary here; other text stays text."""
    tag = pa.field("t", pa.utf8(), metadata={"iox::column::type": "iox::column_type::tag"})
    strict.rows = pa.table([["a", None], ["x", "y"]], schema=pa.schema([tag, pa.field("s", pa.utf8())]))
    engine.attach(strict.url, "T", "p")
    found = engine.query("SELECT 1", "p")
    assert found.schema.types == [ColumnType.TAG.arrow_type, pa.utf8()]
    assert found.to_pylist() == [{"t": "a", "s": "x"}, {"t": None, "s": "y"}]


def test_a_server_that_does_not_answer_is_left_in_time(engine: Engine, strict: StrictServer) -> None:
    """The time limit ends a query, says so, and leaves the next one its chance."""
    engine.attach(strict.url, "T", "p", timeout_seconds=0.5)
    strict.go_on.clear()
    with pytest.raises(UnreachableServerError, match=r"did not answer within 0\.5 s"):
        engine.query("SELECT 1", "p")
    strict.go_on.set()
    assert engine.query("SELECT 1", "p").num_rows == 1


def test_the_stop_button_ends_a_query(engine: Engine, strict: StrictServer) -> None:
    """An interrupt on the main thread is raised, and the server hears that nobody waits any more."""
    engine.attach(strict.url, "T", "p")
    strict.go_on.clear()
    strict.is_waiting.clear()
    # A process that a shell began in the background ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        strict.is_waiting.wait(SECONDS)
        _thread.interrupt_main()

    pressing = threading.Thread(target=interrupt)
    pressing.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            engine.query("SELECT 1", "p")
    finally:
        signal.signal(signal.SIGINT, before)
    pressing.join()
    assert strict.left.wait(SECONDS)


def test_a_cancelled_run_leaves_its_query(
    engine: Engine, clock: VirtualClock, strict: StrictServer, plugin: Plugin
) -> None:
    """A run that waits for the server ends when its trigger is disabled."""
    source = "def process_scheduled_call(local, call_time, args=None):\n    local.query('SELECT 1')\n"
    engine.attach(strict.url, "T", "p")
    strict.go_on.clear()
    strict.is_waiting.clear()
    engine.triggers.create("p", "slow", plugin("slow", source), "every:1s")
    clock.advance(1.0)
    assert strict.is_waiting.wait(SECONDS)
    engine.triggers.disable("p", "slow")
    assert engine.wait_idle(SECONDS)
    assert strict.left.wait(SECONDS)


def test_stopping_the_engine_ends_what_goes_on(engine: Engine, strict: StrictServer) -> None:
    """A query on another thread gets StoppedError; no thread is left (the fixture looks)."""
    engine.attach(strict.url, "T", "p")
    strict.go_on.clear()
    strict.is_waiting.clear()
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            engine.query("SELECT 1", "p")
        except BaseException as error:
            raised.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert strict.is_waiting.wait(SECONDS)
    engine.stop()
    asking.join(SECONDS)
    assert [type(error) for error in raised] == [StoppedError]


def test_an_engine_that_attaches_nothing_imports_no_client(tmp_path: Path) -> None:
    """The client, Flight and what stands on them are imported by the first `attach`."""
    code = (
        "import sys; from procengine import Engine\n"
        "with Engine(object_store='memory', environ={}) as e:\n"
        "    e.write('d', 'm x=1'); e.query('SELECT 1', 'd')\n"
        "heavy = ('influxdb_client_3', 'pyarrow._flight', 'procengine.attach.attachment', 'procengine.remote')\n"
        "print([m for m in sys.modules if m in heavy])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"
