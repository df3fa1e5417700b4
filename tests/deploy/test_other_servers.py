"""Servers that hang, are of another version, or are none: told before anything is changed, or put back."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler

import pytest

from procengine.deploy import DeployFailedError, deploy, make_plan, plan_text
from procengine.deploy.records import Record
from procengine.errors import InvalidInputError
from procengine.remote import RemoteServer, UnreachableServerError
from tests.deploy.conftest import TEXT, Deployer
from tests.deploy.strict_server import TOKEN
from tests.local_server import serving

SECONDS = 3.0
"""How long a request may take here: far longer than an answer takes on a busy machine."""


def bounded(deployer: Deployer) -> RemoteServer:
    """Connect, with a bound on each request."""
    return RemoteServer(deployer.server.url, token=TOKEN, request_seconds=SECONDS)


@pytest.mark.parametrize("hangs_once", [True, False], ids=["once", "for good"])
def test_a_server_that_hangs_half_way(deployer: Deployer, *, hangs_once: bool) -> None:
    """The request ends with its time; what was done is put back, or each step is named as done or perhaps done."""
    deployer.deploy()
    before = deployer.server.snapshot()
    (deployer.engine.plugins.folder / "hot.py").write_text(TEXT + "# more\n")
    plan = deployer.plan()
    deployer.server.asked.clear()
    deployer.server.hangs_once = hangs_once
    deployer.server.hang_at = 3
    with pytest.raises(DeployFailedError) as failed:
        deploy(bounded(deployer), plan, deployer.records)
    said = f"{deployer.server.url} did not answer within {SECONDS:g} seconds; --timeout allows it more"
    assert f"deployment failed at: send hot.py: {said}" in str(failed.value)
    staged = "file procengine_staged/hot.py, sent to be tried, stays and is used by nothing"
    if hangs_once:
        assert failed.value.left == (staged,)
        after = deployer.server.snapshot()
        del after["files"]["procengine_staged/hot.py"]
        assert after == before
        return
    assert failed.value.left == (
        "done: send procengine_staged/hot.py to be tried",
        "perhaps done: send hot.py",
        f"the server could not be asked to put it back ({said})",
    )


def test_an_interrupt_while_it_is_put_back(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second interrupt ends the roll-back; the text has each step, and what was begun to undo them."""
    deployer.server.log_on_create = "boom"
    deleted = RemoteServer.delete_trigger

    def interrupt(self: RemoteServer, database: str, name: str, *, force: bool) -> None:
        if name == "tick":
            raise KeyboardInterrupt
        deleted(self, database, name, force=force)

    monkeypatch.setattr(RemoteServer, "delete_trigger", interrupt)
    with pytest.raises(DeployFailedError, match="boom") as failed:
        deployer.deploy()
    assert failed.value.left[-5:] == (
        "done: create trigger house/tick",
        "rolling back",
        "delete trigger house/hot_rooms",
        "delete trigger house/tick",
        "interrupted while it was put back",
    )


@pytest.mark.parametrize(
    ("version", "build", "said"),
    [
        (
            "2.7.1",
            "OSS",
            "the server is InfluxDB OSS 2.7.1; plugins run on InfluxDB 3 Core and Enterprise",
        ),
        ("v1.11.8", "", "the server is InfluxDB v1.11.8; plugins run on InfluxDB 3 Core and Enterprise"),
    ],
)
def test_an_older_influxdb(deployer: Deployer, version: str, build: str, said: str) -> None:
    """InfluxDB 1 and 2 tell their version by a header alone; nothing else is asked of them."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.send_header("x-influxdb-version", version)
            if build:
                self.send_header("x-influxdb-build", build)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler) as url, pytest.raises(InvalidInputError) as failed:
        make_plan(RemoteServer(url), url, deployer.bundle(), Record())
    assert str(failed.value) == said
    assert asked == ["/ping"]


@pytest.mark.parametrize("status", [200, 404])
def test_something_else_entirely(deployer: Deployer, status: int) -> None:
    """What is no InfluxDB is said to be none."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", "6")
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler) as url, pytest.raises(UnreachableServerError) as failed:
        make_plan(RemoteServer(url), url, deployer.bundle(), Record())
    assert str(failed.value).startswith("what answers is no InfluxDB 3 server: ")


def test_a_version_that_lacks_a_request(deployer: Deployer) -> None:
    """A version that is not known is asked for each request that is needed, by one that does nothing."""
    server = deployer.server
    server.version = "3.2.0"
    server.unknown = frozenset({"/api/v3/plugins/files", "/api/v3/configure/distinct_cache"})
    empty = server.snapshot()
    plan = deployer.plan()
    assert plan.problems == tuple(
        f"InfluxDB 3 Core 3.2.0 does not know POST {path}, which this needs; InfluxDB 3.8 and later do"
        for path in ("/api/v3/plugins/files", "/api/v3/configure/distinct_cache")
    )
    assert server.snapshot() == empty
    with pytest.raises(InvalidInputError, match="does not know POST /api/v3/plugins/files"):
        deployer.deploy()
    assert server.snapshot() == empty
    server.unknown = frozenset()
    assert deployer.plan().problems == (), plan_text(deployer.plan())
    deployer.deploy()
    assert ("house", "tick") in server.triggers


def test_a_request_that_is_unknown_all_the_same(deployer: Deployer) -> None:
    """A server that lacks what its version should have is told by name, and put back."""
    deployer.server.unknown = frozenset({"/api/v3/configure/last_cache"})
    with pytest.raises(DeployFailedError) as failed:
        deployer.deploy()
    assert failed.value.reason == (
        "InfluxDB 3 Core 3.10.0 does not know this request (server responded with error [404 Not Found]: Not found)"
    )
    assert deployer.server.triggers == {}


def test_a_server_without_dry_runs(deployer: Deployer) -> None:
    """A server that cannot try plugins is a problem of the plan."""
    deployer.server.unknown = frozenset({"/api/v3/plugin_test/wal"})
    (problem,) = deployer.plan().problems
    assert problem == (
        "the server has no dry run of plugins (server responded with error [404 Not Found]: Not found)"
    )


def test_an_answer_that_trickles_is_bounded() -> None:
    """A request ends with its time, however often a byte of the answer comes."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
            while not ended.wait(0.02):
                try:
                    self.wfile.write(b"z")
                except OSError:
                    return

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler) as url:
        try:
            with pytest.raises(UnreachableServerError, match=r"did not answer within 0\.5 seconds"):
                RemoteServer(url, request_seconds=0.5).ping()
        finally:
            ended.set()
