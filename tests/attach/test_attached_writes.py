"""Writes to a database that is attached to be written reach the server first, whole, or are not acknowledged."""

from __future__ import annotations

import socket
from pathlib import Path

import pandas as pd
import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.errors import LineProtocolError, PartialWriteError, WriteFailedError
from procengine.model.run import Cause, CauseKind
from procengine.processing.event import RequestEvent
from procengine.remote import RefusedByServerError, UnreachableServerError
from tests.attach.conftest import START_NS, Plugin, Remote
from tests.remote.conftest import FakeServer, fake

__all__ = ["fake"]

WRITE = """
def process_request(local, query_params, request_headers, request_body, args=None):
    local.write(LineBuilder("queued").int64_field("n", 1))
    try:
        local.write_sync(LineBuilder("synced").int64_field("n", 2), False)
    except Exception as error:
        return {"error": str(error)}
    return {}
"""
EVENT = RequestEvent(query_params={}, headers={}, body=b"", cause=Cause(kind=CauseKind.FIRE))


def write_to(engine: Engine, fake: FakeServer) -> None:
    """Attach the small server's database p, to be written."""
    engine.attach(fake.url, "T", "prod", False, name="p", ask_first=False, timeout_seconds=5)


def test_both_have_the_same_rows(engine: Engine, remote: Remote) -> None:
    """Rows of every type, with times and without, are equal on the server and in the scratch database."""
    attached = engine.attach(remote.url, remote.token, remote.database, read_only=False)
    lines = (
        'all\\ of,a\\ b=c\\,\\ d\\=e,t=ü f=1.5,i=-3i,u=18446744073709551615u,b=true,s="q\\"u\\\\o,t=e d" 1700000000\n'
        "all\\ of,t=x f=1e300,b=false"
    )
    engine.write(remote.database, lines, precision="s")
    sql = 'SELECT * FROM "all of" ORDER BY t'
    there, here = engine.query(sql, remote.database), attached.query_scratch(sql)
    assert there.to_pylist() == here.to_pylist()
    assert there["time"].to_pylist()[0].value == START_NS
    assert there.num_rows == 2


def test_a_frame_goes_there_too(engine: Engine, remote: Remote) -> None:
    """A DataFrame is written as lines; null cells are columns that a row does not have."""
    attached = engine.attach(remote.url, remote.token, remote.database, read_only=False)
    frame = pd.DataFrame({"time": [1, 2], "room": ["A", None], "x": [None, 2.5], "n": [1, 2]})
    engine.write(remote.database, frame, table="f", tags=["room"], precision="ns")
    sql = "SELECT * FROM f ORDER BY time"
    assert engine.query(sql, remote.database).to_pylist() == attached.query_scratch(sql).to_pylist()
    assert remote.query("SELECT x FROM f ORDER BY time")[1] == {"x": 2.5}


def test_a_plugins_writes_go_there_too(engine: Engine, remote: Remote, plugin: Plugin) -> None:
    """Queued and synchronous lines of a run are stored by the server."""
    engine.attach(remote.url, remote.token, remote.database, read_only=False)
    engine.triggers.create(remote.database, "w", plugin("w", WRITE), "request:w")
    run = engine.triggers.fire("w", EVENT)
    assert (run.failure, run.write_errors) == (None, ())
    assert remote.query("SELECT n FROM queued") == [{"n": 1}]
    assert remote.query("SELECT n FROM synced") == [{"n": 2}]


def test_the_request_is_exact(engine: Engine, fake: FakeServer) -> None:
    """One request: nanoseconds, all or none, the token as bearer."""
    write_to(engine, fake)
    engine.write("p", "m,t=a x=1,n=2i 5", precision="ms")
    (asked,) = fake.asked
    assert asked.target == "/api/v3/write_lp?db=prod&precision=nanosecond&accept_partial=false"
    assert (asked.method, asked.body) == ("POST", b"m,t=a x=1.0,n=2i 5000000")
    assert asked.headers["authorization"] == "Bearer T"


def test_what_the_server_refuses_is_stored_nowhere(
    engine: Engine, fake: FakeServer, plugin: Plugin
) -> None:
    """Its words are the error, of a write and of a plugin's; nothing is here."""
    write_to(engine, fake)
    fake.status, fake.body = 403, b'{"message": "no write to prod"}'
    with pytest.raises(RefusedByServerError, match=r"\[403 Forbidden\]: no write to prod"):
        engine.write("p", "m x=1")
    engine.triggers.create("p", "w", plugin("w", WRITE), "request:w")
    run = engine.triggers.fire("w", EVENT)
    assert run.response is not None
    assert b"no write to prod" in run.response.body
    (fault,) = run.write_errors
    assert "no write to prod" in fault
    assert dict(engine.catalog.database("p").tables) == {}


def test_no_acknowledgement_is_no_write(engine: Engine, fake: FakeServer) -> None:
    """A server that is away, or hangs up half-way, leaves the write unacknowledged, and nothing here."""
    write_to(engine, fake)
    fake.length, fake.body = 50, b"{"
    with pytest.raises(
        UnreachableServerError, match="has not acknowledged the rows, though it may have them"
    ):
        engine.write("p", "m x=1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    engine.attach(url, "T", "prod", False, name="q", ask_first=False)
    with pytest.raises(UnreachableServerError, match="nothing was stored here"):
        engine.write("q", "m x=1")
    assert not engine.catalog.database("p").tables
    assert not engine.catalog.database("q").tables


def test_bad_lines_do_not_leave(engine: Engine, fake: FakeServer) -> None:
    """Lines that cannot be read, or do not fit here, are said before anything is sent; good ones of a body go."""
    write_to(engine, fake)
    engine.write("p", "m x=1 1", precision="ns")
    with pytest.raises(PartialWriteError, match="line 2") as partial:
        engine.write("p", "m x=2 2\nm x= 3", precision="ns")
    assert partial.value.result.row_count == 1
    assert fake.asked[-1].body == b"m x=2.0 2"
    for lines, whole in (("m x=", False), ('m x="text"', False), ("m x=1 1\nm x=", True)):
        with pytest.raises(LineProtocolError):
            engine.write("p", lines, accept_partial=not whole)
    assert len(fake.asked) == 2
    assert engine.attachments.get("p").query_scratch("SELECT x FROM m").num_rows == 2


def test_a_failure_here_after_the_server_is_said(
    tmp_path: Path, fake: FakeServer, clock: VirtualClock
) -> None:
    """Rows that the server has and this engine could not keep are told as that."""
    with Engine(object_store="memory", environ={}, clock=clock) as engine:
        write_to(engine, fake)
        engine.wal.close()
        with pytest.raises(
            WriteFailedError, match="has stored the rows, but the scratch database 'p' here has not"
        ):
            engine.write("p", "m x=1")
        assert len(fake.asked) == 1
