"""Whatever bytes come, the answer is the client's fault or none, and the server goes on."""

from __future__ import annotations

import socket

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from procengine import Engine
from procengine.http import Server

METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE"])
PATHS = st.sampled_from(
    [
        "/api/v3/write_lp",
        "/api/v2/write",
        "/write",
        "/api/v3/query_sql",
        "/query",
        "/api/v3/engine/t",
        "/api/v3/configure/token",
        "/api/v3/configure/token/named_admin",
        "/api/v3/configure/database",
        "/api/v3/configure/table",
        "/api/v3/configure/last_cache",
        "/api/v3/configure/distinct_cache",
        "/ping",
        "/metrics",
    ]
)
PIECES = st.sampled_from(
    [
        *["db=house", "db=", "db=%ff", "bucket=house", "q=SELECT+1", "q=%00", "format=csv", "rp=../x"],
        *["precision=ns", "precision=%", "params={}", "params=[", "token_name=%f0%9f", "no_sync=true"],
        *["accept_partial=1", "name=x", "table=cpu", "&&", "=", "p=", "%", "+"],
    ]
)
BODIES = st.one_of(
    st.binary(max_size=64),
    st.sampled_from(
        [
            b"cpu,host=a v=1",
            b"cpu v=",
            b"\x1f\x8b\x08\x00",
            b"{}",
            b'{"db":"house","q":"SELECT 1"}',
            b'{"db":"house","table":"\\ud800","tags":[1],"fields":[{}]}',
            b'{"token_name":"n","expiry_secs":99999999999999999999}',
            b'{"db":null,"table":{},"columns":"x","count":-1,"ttl":1e400}',
            b"[" * 2000,
        ]
    ),
)
HEADERS = st.lists(
    st.sampled_from(
        [
            (b"Content-Type", b"application/json"),
            (b"Content-Type", b"\xff"),
            (b"Content-Encoding", b"gzip"),
            (b"Content-Encoding", b"\xff"),
            (b"Accept", b"text/csv"),
            (b"Accept", b"\xfe"),
            (b"X-Any", b"\x80\xff"),
            (b"Origin", b"https://example.org"),
        ]
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def served() -> object:
    """One server for all."""
    with Engine(environ={}, http_bind="127.0.0.1:0") as engine, Server(engine) as server:
        engine.write("house", "cpu,host=a v=1")
        assert server.wait_ready(30)
        yield server


@pytest.fixture(scope="module")
def connection(served: Server) -> object:
    """One kept connection with the admin token."""
    headers = {"Authorization": f"Bearer {served.token()}"}
    with httpx.Client(base_url=str(served.url), headers=headers, timeout=30) as client:
        yield client


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(METHODS, PATHS, st.lists(PIECES, max_size=4), HEADERS, BODIES)
@example("POST", "/api/v3/query_sql", [], [], b'{"db":"house","q":"SELECT 1","params":{"a":1e999}}')
@example("GET", "/api/v3/query_sql", ["db=house", "q=%00"], [], b"")
def test_bad_requests_are_nobodys_fault_but_the_clients(
    connection: httpx.Client,
    method: str,
    path: str,
    pieces: list[str],
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    """No request that is put together badly is answered with 5xx, and the connection stays usable."""
    request = connection.build_request(method, path, headers=headers, content=body)  # type: ignore[arg-type]
    request.url = request.url.copy_with(query="&".join(pieces).encode())
    answer = connection.send(request)
    assert answer.status_code < 500, (answer.status_code, answer.text)
    assert connection.get("/health").text == "OK"


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.binary(min_size=1, max_size=200), st.booleans())
def test_bad_bytes_end_their_connection_at_most(
    served: Server, connection: httpx.Client, data: bytes, as_header: bool
) -> None:
    """Random bytes, alone or after a request line, are answered as a fault of theirs or not at all."""
    assert served.url is not None
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as one:
        one.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" * as_header + data + b"\r\n\r\n")
        one.shutdown(socket.SHUT_WR)
        answer = b""
        while part := one.recv(65_536):
            answer += part
    assert answer == b"" or answer.split(b" ")[1][:1] in (b"4", b"2"), answer
    assert connection.get("/health").text == "OK"
