"""A small server that keeps what it is asked, and one that is an engine's."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from procengine import Engine
from procengine.cli.execution import run_line
from procengine.cli.outcome import Surroundings
from procengine.cli.target import Connection
from procengine.http import Server
from procengine.remote import RemoteServer
from tests.local_server import serving

SECONDS = 30.0
Run = Callable[..., str]


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeServer:
    """Answers every request alike, and keeps them."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    status: int = 200
    body: bytes = b""
    length: int | None = None
    """The length that the answer claims; that of the body by default."""
    gate: threading.Barrier | None = None
    """Where requests wait for each other before they are answered."""


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """The small server, on a free port."""
    state = FakeServer("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.asked.append(Asked(self.command, self.path, headers, body))
            if state.gate is not None:
                state.gate.wait(SECONDS)
            self.send_response(state.status)
            claimed = len(state.body) if state.length is None else state.length
            if state.status != 204:
                self.send_header("content-length", str(claimed))
            self.end_headers()
            self.wfile.write(state.body)
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler) as state.url:
        yield state


def connect(connection: Connection) -> RemoteServer:
    """Connect as the command line does."""
    return RemoteServer(
        connection.url,
        token=connection.token,
        tls_ca=connection.tls_ca,
        tls_no_verify=connection.tls_no_verify,
    )


def runner(url: str, token: str | None, folder: Path) -> Run:
    """Return what runs a line against a server and returns what it prints."""
    environment = {"INFLUXDB3_HOST_URL": url} | ({"INFLUXDB3_AUTH_TOKEN": token} if token else {})

    def run(line: str, *, stdin: bytes | None = None, told: list[str] | None = None) -> str:
        surroundings = Surroundings(
            folder=folder,
            ask=lambda question: "yes",
            environment=environment,
            stdin=None if stdin is None else io.BytesIO(stdin),
            tell=(lambda text: None) if told is None else told.append,
        )
        return run_line(connect, line, surroundings).text

    return run


@pytest.fixture
def ask(fake: FakeServer, tmp_path: Path) -> Run:
    """Run a line against the small server."""
    return runner(fake.url, "T", tmp_path)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A running engine that is to be served on a free port."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    with Engine(plugin_dir=plugins, http_bind="127.0.0.1:0", environ={}) as running:
        yield running


@pytest.fixture
def run(engine: Engine, tmp_path: Path) -> Iterator[Run]:
    """Run a line against the engine's own server, with the operator's token."""
    with Server(engine) as server:
        assert server.wait_ready(SECONDS)
        assert server.url is not None
        yield runner(server.url, server.token(), tmp_path)
