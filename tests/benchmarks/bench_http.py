"""What does the API add to a bare server, and to the engine?

An empty request trigger against a bare Starlette route under the same uvicorn; line protocol against the engine in
process; and how long a request takes while a cell keeps the interpreter busy.
"""

from __future__ import annotations

import asyncio
import http.client
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from procengine import Engine
from procengine.http import Server
from procengine.http.address import listening_socket
from tests.benchmarks.measurement import Measurement, percentile

SWITCH_INTERVAL_SECONDS = 0.0005
"""What the notebook extension sets."""

CONNECTIONS = 64
ROUNDS = 5
LOAD_SECONDS = 1.5
LINES = 5_000
EMPTY = "def process_request(local, query_params, request_headers, request_body, args):\n    return ''\n"


def run() -> list[Measurement]:
    """Measure in a server of this process; the load comes from another."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    try:
        with served() as (engine, server):
            return [_requests(server), _busy(server), _writes(engine, server)]
    finally:
        sys.setswitchinterval(before)


@contextmanager
def served() -> Iterator[tuple[Engine, Server]]:
    """Serve an engine with an empty request trigger, and rows on disk."""
    with tempfile.TemporaryDirectory() as folder:
        plugins = Path(folder) / "plugins"
        plugins.mkdir()
        (plugins / "empty.py").write_text(EMPTY)
        with (
            Engine(
                plugin_dir=plugins,
                data_dir=Path(folder) / "data",
                http_bind="127.0.0.1:0",
                environ={},
            ) as engine,
            Server(engine) as server,
        ):
            engine.catalog.create_database("db")
            engine.triggers.create("db", "empty", "empty.py", "request:empty")
            server.wait_ready()
            yield engine, server


@contextmanager
def bare_starlette() -> Iterator[int]:
    """Serve one route that answers nothing, as Starlette's own documentation does; yield its port."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from procengine.http.api_threads import ApiThreads
    from procengine.http.connection import BoundedProtocol
    from procengine.http.serving import LoopServer

    async def answer(request: object) -> PlainTextResponse:
        return PlainTextResponse("")

    listener = listening_socket("127.0.0.1:0", next_free=False)
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    servers: list[LoopServer] = []

    async def serve() -> None:
        config = uvicorn.Config(
            Starlette(routes=[Route("/empty", answer)]),
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        servers.append(LoopServer(config, ApiThreads(loop, limit=1), ready.set))
        await servers[0].serve(sockets=[listener])

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait()
    yield listener.getsockname()[1]
    loop.call_soon_threadsafe(servers[0].leave)
    thread.join()
    loop.close()


def port_of(server: Server) -> int:
    """Return a server's port."""
    assert server.url is not None
    return int(server.url.rpartition(":")[2])


def request_bytes(server: Server, method: str, path: str, body: bytes = b"") -> bytes:
    """Return a request as it is sent."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.token()}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def load(port: int, request: bytes, connections: int) -> float:
    """Return the answers a second that another process gets."""
    command = [sys.executable, "-m", "tests.benchmarks.http_load"]
    shown = subprocess.run(
        [*command, str(port), str(connections), str(LOAD_SECONDS)],
        input=request,
        capture_output=True,
        check=True,
    )
    return float(shown.stdout)


def _requests(server: Server) -> Measurement:
    trigger = request_bytes(server, "GET", "/api/v3/engine/empty")
    with bare_starlette() as bare_port:
        bare = request_bytes(server, "GET", "/empty")
        rates = [
            (load(bare_port, bare, CONNECTIONS), load(port_of(server), trigger, CONNECTIONS))
            for _ in range(ROUNDS)
        ]
    ratio = statistics.median(ours / theirs for theirs, ours in rates)
    return Measurement(
        name="empty request trigger over HTTP, 64 connections, rate",
        value=ratio,
        budget=0.7,
        unit="x",
        baseline="a bare Starlette route under the same uvicorn",
        at_least=True,
        details={
            "starlette_per_second": statistics.median(theirs for theirs, _ in rates),
            "trigger_per_second": statistics.median(ours for _, ours in rates),
        },
    )


def _busy(server: Server) -> Measurement:
    """Time requests while another thread runs pure Python, as a cell does."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server))
    headers = {"Authorization": f"Bearer {server.token()}"}
    stop = threading.Event()

    def spin() -> None:
        number = 0
        while not stop.is_set():
            for _ in range(1000):
                number += 1

    client = _LoneClient(connection, headers)
    cell = threading.Thread(target=spin)
    cell.start()
    try:
        times = client.times(300)
    finally:
        stop.set()
        cell.join()
        connection.close()
    return Measurement(
        name="empty request trigger over HTTP while a cell runs pure Python, p50",
        value=statistics.median(times) * 1000,
        budget=5,
        unit="ms",
        baseline="a switch interval of 0.5 ms",
        details={"p95_ms": percentile(times, 95) * 1000},
    )


class _LoneClient:
    """A client on a thread of this process, which shares the busy interpreter as the kernel's would not."""

    def __init__(self, connection: http.client.HTTPConnection, headers: dict[str, str]) -> None:
        self._connection, self._headers = connection, headers

    def times(self, count: int) -> list[float]:
        """Return how long requests took, in seconds."""
        taken = []
        for _ in range(count):
            began = time.perf_counter()
            self._connection.request("GET", "/api/v3/engine/empty", headers=self._headers)
            self._connection.getresponse().read()
            taken.append(time.perf_counter() - began)
        return taken


def _writes(engine: Engine, server: Server) -> Measurement:
    """Compare bodies of 5,000 lines over HTTP with the same in process, one after the other."""
    bodies = [_body(number) for number in range(ROUNDS * 20)]
    rates: list[tuple[float, float]] = []
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server))
    headers = {"Authorization": f"Bearer {server.token()}"}

    def over_http(body: bytes) -> None:
        connection.request("POST", "/api/v3/write_lp?db=http&precision=ns", body, headers)
        answer = connection.getresponse()
        assert answer.status == 204, answer.read()
        answer.read()

    over_http(bodies[0])
    engine.write("inside", bodies[0], precision="ns")
    for number in range(ROUNDS):
        part = bodies[number * 20 : number * 20 + 20]
        began = time.perf_counter()
        for body in part:
            engine.write("inside", body, precision="ns")
        middle = time.perf_counter()
        for body in part:
            over_http(body)
        rates.append((middle - began, time.perf_counter() - middle))
    connection.close()
    lines = LINES * 20
    return Measurement(
        name="write_lp over HTTP, bodies of 5,000 lines, rate",
        value=statistics.median(inside / outside for inside, outside in rates),
        budget=0.7,
        unit="x",
        baseline="the engine's own rate in process",
        at_least=True,
        details={
            "inside_lines_per_second": lines / statistics.median(one for one, _ in rates),
            "http_lines_per_second": lines / statistics.median(one for _, one in rates),
        },
    )


def _body(number: int) -> bytes:
    start = 1_700_000_000_000_000_000 + number * LINES * 1_000
    return "\n".join(
        f"cpu,host=host{line % 100},region=eu,rack=r{line % 7} user={line}.5,system=1.25,idle=80.0,wait=0.5,"
        f'count={line}i,state="running" {start + line * 1_000}'
        for line in range(LINES)
    ).encode()
