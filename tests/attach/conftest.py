"""A server in a process of its own, a strict small one for what goes wrong, and an engine that attaches."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pyarrow import flight

from procengine import Engine
from procengine.clock import VirtualClock
from tests.test_command_line import serving

START_NS = 1_700_000_000_000_000_000
SECONDS = 30.0

_names = itertools.count(1)


class Remote:
    """The served engine, reached over HTTP alone."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self.database = f"prod{next(_names)}"
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS
        )

    def write(self, lines: str) -> None:
        """Write to the database, as any client of the server."""
        params = {"db": self.database, "precision": "nanosecond"}
        self._client.post("/api/v3/write_lp", params=params, content=lines).raise_for_status()

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask the server."""
        said = {"db": self.database, "q": sql, "format": "json"}
        answer = self._client.post("/api/v3/query_sql", json=said)
        answer.raise_for_status()
        rows: list[dict[str, Any]] = answer.json()
        return rows

    def configure(self, method: str, path: str, **said: object) -> Any:
        """Have something changed."""
        answer = self._client.request(method, f"/api/v3/configure/{path}", **said)  # type: ignore[arg-type]
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URL and token of an engine that another process serves."""
    folder = tmp_path_factory.mktemp("served")
    with serving("--object-store", "memory", cwd=folder) as (_, url, token):
        assert token is not None
        yield url, token


@pytest.fixture
def remote(served: tuple[str, str]) -> Iterator[Remote]:
    """The server, with a database of the test's own that has two rows."""
    made = Remote(*served)
    made.write('home,room=Attic temp=24.5,n=3i,u=4u,open=true,note="a b" 1\nhome,room=Hall temp=18.0 2')
    yield made
    made.close()


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands still until a test moves it."""
    return VirtualClock(START_NS)


@pytest.fixture
def engine(tmp_path: Path, clock: VirtualClock) -> Iterator[Engine]:
    """An engine with plugins that attaches."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    with Engine(plugin_dir=folder, object_store="memory", environ={}, clock=clock) as running:
        yield running
    left = [one.name for one in threading.enumerate() if one.name.startswith("procengine-")]
    assert left == []


class StrictServer(flight.FlightServerBase):  # type: ignore[misc]
    """Answers what a test has told it to, keeps what it was asked, and refuses what is no ticket of InfluxDB 3."""

    def __init__(self, certificate: tuple[bytes, bytes] | None = None) -> None:
        """Serve by TLS where there is a certificate, with its key."""
        plain = certificate is None
        tls = {} if certificate is None else {"tls_certificates": [certificate]}
        super().__init__("grpc://127.0.0.1:0" if plain else "grpc+tls://127.0.0.1:0", **tls)
        self.url = f"{'http' if plain else 'https'}://127.0.0.1:{self.port}"
        self.asked: list[dict[str, Any]] = []
        self.rows = pa.table({"x": [1]})
        self.tags: tuple[str, ...] = ()
        """The tags of its table, told where it is asked for the columns."""
        self.error: Exception | None = None
        self.rows_then: Exception | None = None
        """What is raised after the rows."""
        self.is_waiting = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.left = threading.Event()

    def do_get(self, context: Any, ticket: flight.Ticket) -> flight.FlightDataStream:
        """Answer a ticket."""
        said = json.loads(ticket.ticket)
        assert set(said) <= {"database", "sql_query", "query_type", "params"}
        self.asked.append(said)
        if self.error is not None:
            raise self.error
        rows = self._columns() if "information_schema.columns" in said["sql_query"] else self.rows
        return flight.GeneratorStream(rows.schema, self._batches(context, rows))

    def _columns(self) -> pa.Table:
        kinds = [
            "Dictionary(Int32, Utf8)" if name in self.tags else "Utf8" for name in self.rows.column_names
        ]
        return pa.table({"column_name": self.rows.column_names, "data_type": kinds})

    def _batches(self, context: Any, rows: pa.Table) -> Iterator[pa.RecordBatch]:
        self.is_waiting.set()
        while not self.go_on.wait(0.01):
            if context.is_cancelled():
                self.left.set()
                return
        yield from rows.to_batches()
        if self.rows_then is not None:
            raise self.rows_then


@pytest.fixture
def strict() -> Iterator[StrictServer]:
    """The strict server."""
    with StrictServer() as server:
        yield server
        server.go_on.set()


Plugin = Callable[[str, str], str]


@pytest.fixture
def plugin(tmp_path: Path, engine: Engine) -> Plugin:
    """Save a plugin; return its file name."""

    def save(name: str, source: str) -> str:
        (tmp_path / "plugins" / f"{name}.py").write_text(source, encoding="utf-8")
        return f"{name}.py"

    return save
