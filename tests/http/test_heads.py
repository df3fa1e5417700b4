"""A head that comes again is read once, and answered as if it were read each time."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import httpx
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from procengine import Engine
from procengine.http import Server, head
from procengine.http.head import Head, KnownHeads
from procengine.http.routes import Route
from tests.engine.looks import gate_for

ECHO = """
def process_request(local, query, headers, body, args):
    query["mine"] = headers["mine"] = "x"
    return {"query": query, "headers": headers, "body": body.decode()}
"""


Plugin = Callable[[str, str], str]


class Asker:
    """One connection, and the answers to what is sent on it."""

    def __init__(self, server: Server) -> None:
        assert server.url is not None
        self.url = server.url.removeprefix("http://")
        host, _, port = self.url.partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._answers = self._socket.makefile("rb")

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def send(self, sent: bytes) -> None:
        self._socket.sendall(sent)

    def answer(self) -> tuple[int, bytes]:
        """Return status and body of the next answer."""
        status = int(self._answers.readline().split(b" ")[1])
        length = 0
        while (line := self._answers.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return status, self._answers.read(length)


@pytest.fixture
def asker(server: Server) -> Iterator[Asker]:
    one = Asker(server)
    yield one
    one.close()


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The pieces that the parser was given."""
    fed: list[bytes] = []
    feed = HttpToolsProtocol.data_received

    def noted(self: HttpToolsProtocol, data: bytes) -> None:
        fed.append(data)
        feed(self, data)

    monkeypatch.setattr(HttpToolsProtocol, "data_received", noted)
    return fed


def get(server: Server, path: str, *, more: str = "") -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token()}\r\n"
    return f"{head}{more}\r\n".encode()


def post(server: Server, path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token()}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_heads_are_read_once(asker: Asker, server: Server, pieces: list[bytes]) -> None:
    """The same bytes again are not read again, on any connection; others are."""
    sent = get(server, "/health")
    for _ in range(3):
        asker.send(sent)
        assert asker.answer() == (200, b"OK")
    other = Asker(server)
    other.send(sent)
    assert other.answer() == (200, b"OK")
    other.close()
    assert pieces == [sent]
    asker.send(get(server, "/health?"))
    assert asker.answer() == (200, b"OK")
    assert pieces == [sent, get(server, "/health?")]


def test_heads_with_bodies(asker: Asker, server: Server, api: httpx.Client, pieces: list[bytes]) -> None:
    """A body of the same length need not be the same; one that comes apart, or not alone, is read as ever."""
    sent = [
        post(server, "/api/v3/write_lp?db=a", b"cpu v=%d %d" % (number, number)) for number in range(6)
    ]
    for each in sent[:4]:
        asker.send(each)
        assert asker.answer()[0] == 204
    assert pieces == sent[:1]
    asker.send(sent[4][:-3])
    asker.send(sent[4][-3:] + sent[5])
    assert [asker.answer()[0] for _ in range(2)] == [204, 204]
    assert b"".join(pieces) == sent[0] + sent[4] + sent[5]
    params = {"db": "a", "q": "SELECT v FROM cpu ORDER BY time"}
    rows = api.get("/api/v3/query_sql", params=params).json()
    assert rows == [{"v": float(number)} for number in range(6)]


def test_heads_that_come_together(asker: Asker, server: Server) -> None:
    """A known head before, after and between others is answered in its turn."""
    known, other = get(server, "/health"), get(server, "/nowhere")
    asker.send(known)
    assert asker.answer() == (200, b"OK")
    asker.send(known + other + known)
    assert [asker.answer()[0] for _ in range(3)] == [200, 404, 200]
    asker.send(known[:40])
    asker.send(known[40:] + other[:10])
    assert asker.answer() == (200, b"OK")
    asker.send(other[10:])
    assert asker.answer()[0] == 404


def test_heads_are_taken_in_their_turn(
    asker: Asker,
    server: Server,
    engine: Engine,
    api: httpx.Client,
    plugin: Plugin,
    pieces: list[bytes],
) -> None:
    """A known head that comes while the request before it is answered waits for that."""
    filename = plugin(
        "held",
        """
        def process_request(local, query, headers, body, args):
            if "hold" in query:
                local.cache.get("gate", use_global=True).pass_through()
            return str(dict(query))
        """,
    )
    engine.catalog.create_database("db")
    engine.triggers.create("db", "held", filename, "request:held")
    known = get(server, "/api/v3/engine/held")
    asker.send(known)
    assert asker.answer() == (200, b"{}")
    with gate_for(engine) as gate:
        asker.send(get(server, "/api/v3/engine/held?hold"))
        gate.wait_reached()
        asker.send(known)
        while pieces[-1] != known:
            assert api.get("/health").status_code == 200
        asker.send(known)
    assert [asker.answer()[1] for _ in range(3)] == [b"{'hold': ''}", b"{}", b"{}"]


def test_heads_of_runs_stay_as_they_were(
    asker: Asker, server: Server, engine: Engine, plugin: Plugin
) -> None:
    """What a plugin does to its parameters and headers is not seen by the next run; the token by none."""
    engine.catalog.create_database("db")
    engine.triggers.create("db", "echo", plugin("echo", ECHO), "request:echo")
    sent = get(server, "/api/v3/engine/echo?a=1&a=2&b=%20", more="X-One: 1\r\n")
    first, again = [], []
    for answers in (first, again):
        asker.send(sent)
        answers.append(asker.answer())
    assert first == again
    assert b'"query": {"a": "2", "b": " ", "mine": "x"}' in first[0][1]
    assert b'"headers": {"host": "localhost", "x-one": "1", "mine": "x"}' in first[0][1]


def test_heads_whose_token_ends(asker: Asker, server: Server, engine: Engine, api: httpx.Client) -> None:
    """A known head admits no longer than its token does."""
    made = api.post("/api/v3/configure/token/named_admin", json={"token_name": "a"}).json()
    sent = f"GET /health HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {made['token']}\r\n\r\n".encode()
    for _ in range(2):
        asker.send(sent)
        assert asker.answer()[0] == 200
    engine.catalog.delete_token("a")
    asker.send(sent)
    assert asker.answer()[0] == 401


@pytest.mark.parametrize(
    "more",
    ["Connection: close\r\n", "Expect: 100-continue\r\n", "Upgrade: h2c\r\nConnection: Upgrade\r\n"],
)
def test_heads_that_end_or_change_their_connection(
    asker: Asker, server: Server, pieces: list[bytes], more: str
) -> None:
    """A head after which the connection is another is read each time."""
    for number in range(1, 3):
        one = Asker(server)
        one.send(get(server, "/health", more=more))
        assert one.answer()[0] == 200
        one.close()
        assert len(pieces) == number


def test_heads_of_who_is_refused(asker: Asker, server: Server, pieces: list[bytes]) -> None:
    """Who is not admitted, or asks for what is not there, leaves no head behind."""
    refused = b"GET /api/v3/configure/database?format=json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for sent, status in ((refused, 401), (get(server, "/nowhere"), 404)):
        for _ in range(2):
            asker.send(sent)
            assert asker.answer()[0] == status
    assert len(pieces) == 4


def test_heads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more heads are kept than may be, and none that is long; the newest is."""
    monkeypatch.setattr(head, "MOST_HEADS", 3)
    heads = KnownHeads()

    def made(body_bytes: int = 0) -> Head:
        one = Head("GET", "/", b"", {}, body_bytes=body_bytes)
        one.route = Route(answer=lambda _: pytest.fail("it is not asked"))
        return one

    for number in range(10):
        sent, one = b"GET /%d HTTP/1.1\r\n\r\n" % number, made()
        heads.keep(sent, one)
        assert heads.find(sent) is one
    assert sum(heads.find(b"GET /%d HTTP/1.1\r\n\r\n" % number) is not None for number in range(10)) <= 3
    long = b"GET /" + b"x" * head.LONGEST_HEAD_BYTES + b" HTTP/1.1\r\n\r\n"
    heads.keep(long, made())
    assert heads.find(long) is None
    sent = b"POST / HTTP/1.1\r\n\r\n"
    heads.keep(sent + b"bod", made(4))
    assert heads.find(sent + b"body") is None
    heads.keep(sent + b"body", made(4))
    assert heads.find(sent + b"other") is None
    assert heads.find(sent + b"Body") is not None
