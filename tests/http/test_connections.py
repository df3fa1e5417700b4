"""What a client does to its connection costs that connection, and the server goes on."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import pytest

from procengine.http import Server, connection

Raw = Callable[[bytes], socket.socket]


@pytest.fixture
def raw(server: Server) -> Iterator[Raw]:
    """Open connections and send bytes as they are."""
    assert server.url is not None
    host, _, port = server.url.removeprefix("http://").partition(":")
    opened: list[socket.socket] = []

    def send(data: bytes) -> socket.socket:
        one = socket.create_connection((host, int(port)), timeout=30)
        opened.append(one)
        one.sendall(data)
        return one

    yield send
    for one in opened:
        one.close()


def answer_of(one: socket.socket) -> bytes:
    """Return all that comes until the server closes."""
    parts = []
    while part := one.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def long_query(server: Server) -> bytes:
    """Return the bytes of a request for a hundred million rows."""
    path = "/api/v3/query_sql?db=_internal&format=csv&q=SELECT+*+FROM+generate_series(1,100000000)"
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token()}\r\n\r\n".encode()


def wait_for_cancel(api: httpx.Client) -> None:
    """Wait until the long query is listed as cancelled."""
    phases = (
        "SELECT phase FROM system.queries WHERE query_text LIKE '%generate_series%' "
        "AND query_text NOT LIKE '%phase%'"
    )
    deadline = time.monotonic() + 60
    params = {"db": "_internal", "q": phases}
    while api.get("/api/v3/query_sql", params=params).json() != [{"phase": "cancel"}]:
        assert time.monotonic() < deadline


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_connections_what_is_no_http(raw: Raw, api: httpx.Client, sent: bytes) -> None:
    """Bytes that are no HTTP are 400 at most, and the connection ends."""
    one = raw(sent)
    one.shutdown(socket.SHUT_WR)
    answer = answer_of(one)
    assert answer == b"" or status_of(answer) in (400, 403), answer
    assert api.get("/health").status_code == 200


def test_connections_head_too_large(raw: Raw, api: httpx.Client) -> None:
    """A head of too many bytes or headers is 431, in one piece or several."""
    begin = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    many = b"".join(b"X-%d: 1\r\n" % number for number in range(101))
    long = b"X-Long: " + b"x" * 70_000 + b"\r\n"
    endless = b"GET /" + b"x" * 200_000
    for sent in (begin + many + b"\r\n", begin + long + b"\r\n", begin + long, endless):
        assert status_of(answer_of(raw(sent))) == 431
    assert api.get("/health").status_code == 200


def test_connections_slow_head(raw: Raw, api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that does not come in time ends its connection: with 408 if it was begun, else in silence."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.0)
    begun = raw(b"GET /health HTTP/1.1\r\nHost: localh")
    silent = raw(b"")
    assert status_of(answer_of(begun)) == 408
    assert answer_of(silent) == b""
    assert api.get("/health").status_code == 200


def test_connections_slow_body(
    raw: Raw, api: httpx.Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that stands still is 408."""
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.0)
    head = f"POST /api/v3/write_lp?db=a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token()}\r\n"
    one = raw(f"{head}Content-Length: 100\r\n\r\ncpu v=1".encode())
    assert status_of(answer_of(one)) == 408
    assert api.get("/health").status_code == 200


def test_connections_client_that_does_not_read(
    raw: Raw, api: httpx.Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that leaves its answer unread loses its connection, and its query ends."""
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.0)
    one = raw(long_query(server))
    wait_for_cancel(api)
    with suppress(ConnectionError):
        assert not answer_of(one).endswith(b"\r\n0\r\n\r\n"), "the answer is whole"


def test_connections_client_that_goes_away(raw: Raw, api: httpx.Client, server: Server) -> None:
    """A client that goes away ends its query."""
    one = raw(long_query(server))
    assert one.recv(12) == b"HTTP/1.1 200"
    one.close()
    wait_for_cancel(api)


def test_connections_too_many(raw: Raw, api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection too many is 503; when others end, there is room again."""
    assert api.get("/health").status_code == 200  # one
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 3)
    idle = [raw(b"") for _ in range(2)]
    assert status_of(answer_of(raw(b""))) == 503
    for one in idle:
        one.close()
    assert api.get("/health").status_code == 200


def test_connections_pipelined(raw: Raw, server: Server) -> None:
    """Requests that are sent without waiting are answered in their order."""
    head = f"Host: localhost\r\nAuthorization: Bearer {server.token()}\r\n"
    one = raw(
        f"GET /health HTTP/1.1\r\n{head}\r\nGET /nowhere HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode()
    )
    answer = answer_of(one)
    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.index(b"200 OK") < answer.index(b"404 Not Found")


def test_connections_pipelined_behind_a_stream(raw: Raw, server: Server) -> None:
    """A request behind one whose answer comes in pieces waits for their end."""
    head = f"Host: localhost\r\nAuthorization: Bearer {server.token()}\r\n"
    rows = "GET /api/v3/query_sql?db=_internal&format=csv&q=SELECT+*+FROM+generate_series(1,9)"
    one = raw(
        f"{rows} HTTP/1.1\r\n{head}\r\nGET /nowhere HTTP/1.1\r\n{head}\r\n"
        f"GET /health HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode()
    )
    answer = answer_of(one)
    assert answer.count(b"HTTP/1.1 ") == 3
    assert answer.index(b"\n9\n") < answer.index(b"404 Not Found") < answer.index(b"\r\n\r\nOK")


def test_connections_idle(raw: Raw, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection on which nothing comes after an answer is closed in silence, in its time."""
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.0)
    one = raw(
        f"GET /health HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token()}\r\n\r\n".encode()
    )
    answer = answer_of(one)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"\r\n\r\nOK")


@pytest.mark.parametrize(
    "url", ["http://localhost/health", "/health#part", "//health", "/health?", "/%68ealth"]
)
def test_connections_forms_of_a_url(raw: Raw, server: Server, url: str) -> None:
    """A URL with its host, or a fragment, is read as well; a path is compared as it was sent."""
    sent = f"GET {url} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token {server.token()}\r\n"
    answer = answer_of(raw(f"{sent}Connection: close\r\n\r\n".encode()))
    assert status_of(answer) == (404 if url in ("//health", "/%68ealth") else 200)


def test_connections_body_in_pieces(raw: Raw, server: Server, api: httpx.Client) -> None:
    """A short body may come byte by byte, and the next request with its last one."""
    head = f"Host: localhost\r\nAuthorization: Bearer {server.token()}\r\n"
    one = raw(f"POST /api/v3/write_lp?db=a HTTP/1.1\r\n{head}Content-Length: 7\r\n\r\n".encode())
    for byte in b"cpu v=":
        one.sendall(bytes([byte]))
    one.sendall(f"1GET /health HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
    answer = answer_of(one)
    assert answer.startswith(b"HTTP/1.1 204 ")
    assert answer.endswith(b"\r\n\r\nOK")
    rows = api.get("/api/v3/query_sql", params={"db": "a", "q": "SELECT v FROM cpu"}).json()
    assert rows == [{"v": 1.0}]


def test_connections_refused_before_the_body(raw: Raw, server: Server) -> None:
    """Who is refused for its head need not send its body to hear so, and may go on after it."""
    one = raw(b"POST /api/v3/write_lp?db=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n")
    answer = one.recv(65_536)
    assert status_of(answer) == 401
    head = f"Host: localhost\r\nAuthorization: Bearer {server.token()}\r\n"
    one.sendall(f"cpu v=1GET /health HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
    assert answer_of(one).endswith(b"\r\n\r\nOK")


def test_connections_client_that_goes_away_in_its_body(
    raw: Raw, server: Server, api: httpx.Client
) -> None:
    """Half a body is not acted upon, and counted as aborted."""
    head = f"POST /api/v3/write_lp?db=a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token()}\r\n"
    raw(f"{head}Content-Length: 70\r\n\r\ncpu v=1\n".encode()).close()
    counted = 'http_requests_total{method="POST",path="/api/v3/write_lp",status="aborted"} 1'
    deadline = time.monotonic() + 30
    while counted not in api.get("/metrics").text:
        assert time.monotonic() < deadline
    assert api.get("/api/v3/query_sql", params={"db": "a", "q": "SELECT 1"}).status_code == 404


def test_connections_version_1_0(raw: Raw, server: Server) -> None:
    """HTTP/1.0 is answered, with its connection closed."""
    one = raw(
        f"GET /health HTTP/1.0\r\nHost: localhost\r\nAuthorization: Token {server.token()}\r\n\r\n".encode()
    )
    assert answer_of(one).endswith(b"\r\n\r\nOK")


def test_connections_expect_continue(raw: Raw, server: Server) -> None:
    """A client that waits to be told to send its body is told."""
    head = f"POST /api/v3/write_lp?db=a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token()}\r\n"
    one = raw(f"{head}Expect: 100-continue\r\nContent-Length: 7\r\nConnection: close\r\n\r\n".encode())
    assert one.recv(100).startswith(b"HTTP/1.1 100 Continue")
    one.sendall(b"cpu v=1")
    assert status_of(answer_of(one)) == 204
