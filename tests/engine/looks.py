"""How tests look at an engine: rows, log texts, requests, and a gate that holds plugins back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa

from procengine import Engine
from procengine.model.run import Cause, CauseKind, LogLevel, Response
from procengine.processing.event import RequestEvent

WAIT_SECONDS = 20.0


def rows(engine: Engine, sql: str, database: str = "house") -> list[dict[str, object]]:
    """Return a query's rows, times as integers."""
    table = engine.query(sql, database)
    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.int64()))
    return table.to_pylist()


def texts(engine: Engine, level: LogLevel | None = None) -> list[str]:
    """Return the texts of the processing engine logs, oldest first; those of the engine about runs left out."""
    return [
        entry.text
        for entry in engine.logs.entries()
        if (level is None or entry.level is level)
        and not entry.text.startswith(("starting execution", "finished execution"))
    ]


def settle(engine: Engine) -> None:
    """Wait until all triggers are done."""
    assert engine.wait_idle(WAIT_SECONDS)


def wait_until(engine: Engine, holds: Callable[[], bool]) -> None:
    """Wait for something that the triggers' progress brings about."""
    assert engine.triggers._progress.wait_until(holds, WAIT_SECONDS)


def request_event(
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> RequestEvent:
    """Return a request as the HTTP server would hand it over."""
    return RequestEvent(
        query_params=params or {}, headers=headers or {}, body=body, cause=Cause(kind=CauseKind.REQUEST)
    )


def ask(engine: Engine, path: str) -> Response:
    """Send an empty request."""
    return engine.triggers.request(path, request_event())


class Gate:
    """Holds plugins back that say ``cache.get("gate", use_global=True).pass_through()``.

    ``let_go`` ends what a test cannot end otherwise.
    """

    def __init__(self) -> None:
        self.reached = threading.Semaphore(0)
        self.opened = threading.Event()
        self.let_go = threading.Event()

    def pass_through(self) -> None:
        """Say that a plugin has come, and wait until the gate is open."""
        self.reached.release()
        assert self.opened.wait(WAIT_SECONDS)

    def wait_reached(self) -> None:
        """Wait until one more plugin has come."""
        assert self.reached.acquire(timeout=WAIT_SECONDS)


@contextmanager
def gate_for(engine: Engine) -> Iterator[Gate]:
    """Give plugins a gate in the global cache; it is open at the end at the latest."""
    gate = Gate()
    engine.plugin_cache.for_trigger("house", 0).put("gate", gate, use_global=True)
    try:
        yield gate
    finally:
        gate.opened.set()
        gate.let_go.set()
