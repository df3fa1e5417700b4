"""What does a client see whose rows are still coming when the engine stops, and does anything stay behind?

As in a notebook where the kernel's engine is stopped, or started again, while a script outside reads from it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

import httpx
import pyarrow as pa
import pytest
from pyarrow import flight

from procengine import Engine
from procengine.http import Server
from procengine.http.flight.ticket import format_ticket

ENDLESS = "SELECT a.value FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
SECONDS = 60.0

Events = SimpleQueue[str]


def read_http(server: Server, format_: str, events: Events) -> None:
    """Read a result that does not end; say when rows came, and how it ended."""
    assert server.url is not None
    headers = {"Authorization": f"Bearer {server.token()}"}
    params = {"db": "db", "q": ENDLESS, "format": format_}
    try:
        with (
            httpx.Client(base_url=server.url, headers=headers, timeout=SECONDS) as client,
            client.stream("GET", "/api/v3/query_sql", params=params) as answer,
        ):
            for number, _ in enumerate(answer.iter_raw()):
                if number == 0:
                    events.put(f"rows {answer.status_code}")
        events.put("whole")
    except httpx.TransportError:
        events.put("cut")


def read_flight(server: Server, _: str, events: Events) -> None:
    """Read it over Flight."""
    assert server.url is not None
    call = flight.FlightCallOptions(
        headers=[(b"authorization", b"Bearer " + server.token().encode())], timeout=SECONDS
    )
    try:
        with flight.connect(server.url.replace("http", "grpc")) as connection:
            reader = connection.do_get(flight.Ticket(format_ticket("db", ENDLESS)), call)
            reader.read_chunk()
            events.put("rows 200")
            while True:
                reader.read_chunk()
    except StopIteration:
        events.put("whole")
    except (flight.FlightError, pa.ArrowException, OSError):
        events.put("cut")


@pytest.mark.parametrize(
    ("read", "format_"),
    [(read_http, "csv"), (read_http, "jsonl"), (read_http, "json"), (read_flight, "")],
    ids=["csv", "jsonl", "json", "flight"],
)
def test_stop_cuts_answers_and_leaves_nothing(
    read: Callable[[Server, str, Events], None], format_: str
) -> None:
    """The client is not told that it has all; the engine's threads end; another engine takes the port at once."""
    before = set(threading.enumerate())
    events: Events = SimpleQueue()
    bind = "127.0.0.1:0"
    for _ in range(2):  # the second takes the first one's port
        with Engine(environ={}, http_bind=bind) as engine:
            engine.write("db", "home temp=1 1")
            server = Server(engine)
            server.start()
            assert server.url is not None
            bind = server.url.removeprefix("http://")
            client = threading.Thread(target=read, args=(server, format_, events), name="client")
            client.start()
            assert events.get(timeout=SECONDS) == "rows 200"
        assert events.get(timeout=SECONDS) == "cut"
        client.join(SECONDS)
        assert not client.is_alive()
        assert {one.name for one in set(threading.enumerate()) - before} == set()
