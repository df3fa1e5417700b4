"""What does it cost that HTTP and Flight share a port?

Ten million rows through the port against the same rows from pyarrow's Flight server itself; and small requests on a
kept connection against a server whose port speaks HTTP alone.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyarrow import flight

from procengine import Engine
from procengine.http import Server, serving
from procengine.http.connection import BoundedProtocol
from procengine.http.flight.ticket import format_ticket
from tests.benchmarks.measurement import Measurement, alternate

ROWS = 10_000_000
SQL = f"SELECT value AS a, value AS b, value AS c FROM generate_series(1, {ROWS})"
REQUESTS = 2_000


def run() -> list[Measurement]:
    """Measure both; some half a minute."""
    return [_rows(), _requests()]


def _rows() -> Measurement:
    with _server() as server:
        shared = _reader(server, _port_of(server))
        shared()
        alone = _reader(server, server._serving._flight._server.port)  # type: ignore[union-attr]
        shared_seconds, alone_seconds = alternate(9, shared, alone)
    return Measurement(
        name="Flight through the shared port, 10M rows, rate",
        value=alone_seconds / shared_seconds,
        budget=0.6,
        unit="x",
        baseline="pyarrow's Flight server alone",
        at_least=True,
        details={"shared_seconds": shared_seconds, "alone_seconds": alone_seconds},
    )


def _requests() -> Measurement:
    with (
        _server() as shared,
        _server(alone=True) as alone,
        _asker(shared) as one,
        _asker(alone) as other,
    ):
        shared_seconds, alone_seconds = alternate(9, one, other)
    return Measurement(
        name="HTTP on the shared port, a small request",
        value=shared_seconds / alone_seconds,
        budget=1.1,
        unit="x",
        baseline="the same server, its port for HTTP alone",
        details={
            "shared_us": shared_seconds / REQUESTS * 1e6,
            "alone_us": alone_seconds / REQUESTS * 1e6,
        },
    )


@contextmanager
def _server(*, alone: bool = False) -> Iterator[Server]:
    """Yield a running server; with ``alone`` its port knows no Flight."""
    usual = serving.SharedPortProtocol
    if alone:
        serving.SharedPortProtocol = lambda _flight, *given, **named: BoundedProtocol(*given, **named)  # type: ignore[assignment, misc]
    try:
        with Engine(environ={}, http_bind="127.0.0.1:0") as engine:
            engine.write("db", "cpu usage=1")
            with Server(engine) as server:
                server.wait_ready(60)
                yield server
    finally:
        serving.SharedPortProtocol = usual  # type: ignore[misc]


def _reader(server: Server, port: int) -> Callable[[], Any]:
    connection = flight.connect(f"grpc://127.0.0.1:{port}")
    token = b"Bearer " + server.token().encode()
    options = flight.FlightCallOptions(headers=[(b"authorization", token)])
    ticket = flight.Ticket(format_ticket("db", SQL))

    def read() -> None:
        table = connection.do_get(ticket, options).read_all()
        assert table.num_rows == ROWS

    return read


@contextmanager
def _asker(server: Server) -> Iterator[Callable[[], Any]]:
    with socket.create_connection(("127.0.0.1", _port_of(server))) as connection:
        head = (
            f"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.token()}\r\n\r\n"
        )
        request = head.encode()

        def ask() -> None:
            for _ in range(REQUESTS):
                connection.sendall(request)
                answer = b""
                while not answer.endswith(b"\r\n\r\nOK"):
                    answer += connection.recv(4096)

        yield ask


def _port_of(server: Server) -> int:
    assert server.url is not None
    return int(server.url.rpartition(":")[2])
