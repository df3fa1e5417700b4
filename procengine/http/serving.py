"""How does the server's loop run, and how does it end?

Imported by the server's thread, with uvicorn and Starlette. In three phases, as uvicorn has them: startup, main
loop, shutdown. Leaving is in two steps: `leave` closes the door, what was begun goes on; `abandon` ends that too.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import uvicorn

from procengine.http.api import Api
from procengine.http.api_threads import ApiThreads
from procengine.http.authentication import Authentication
from procengine.http.cache_routes import cache_routes
from procengine.http.connection import (
    IDLE_SECONDS,
    MOST_CONNECTIONS,
    BoundedProtocol,
    allow_all_statuses,
)
from procengine.http.database_routes import database_routes
from procengine.http.engine_metrics import RunMetrics
from procengine.http.engine_routes import engine_routes
from procengine.http.flight.flight_port import FlightPort
from procengine.http.flight.shared_port import SharedPortProtocol
from procengine.http.health_routes import health_routes
from procengine.http.metrics import HttpMetrics
from procengine.http.package_routes import package_routes
from procengine.http.plugin_routes import plugin_routes
from procengine.http.plugin_test_routes import plugin_test_routes
from procengine.http.query_routes import query_routes
from procengine.http.routes import Routes, RouteTable
from procengine.http.table_routes import table_routes
from procengine.http.token_routes import token_routes
from procengine.http.trigger_routes import trigger_routes
from procengine.http.write_routes import write_routes

if TYPE_CHECKING:
    from procengine.engine import Engine

logger = logging.getLogger(__name__)

SWEEP_SECONDS: Final = 1.0
"""How often connections are looked at whose clients are slow."""


class LoopServer(uvicorn.Server):
    """uvicorn's server with a loop that ends when it is told to, and looks after slow clients."""

    def __init__(self, config: uvicorn.Config, threads: ApiThreads, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._threads = threads
        self._ready = ready
        self._leaving = asyncio.Event()
        self._abandoned = asyncio.Event()

    def leave(self) -> None:
        """Take no more requests and end when those that were begun are answered. On the loop."""
        self._leaving.set()

    def abandon(self) -> None:
        """End now, whatever was begun. On the loop."""
        self._leaving.set()
        self._abandoned.set()

    async def main_loop(self) -> None:
        """Serve until told to leave."""
        self._ready()
        while not self._leaving.is_set():
            await self.on_tick(0)
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                assert isinstance(connection, BoundedProtocol)
                connection.give_up_if_due(now)
            await _wait(self._leaving, SWEEP_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the door, wait for what was begun, and end."""
        for server in self.servers:
            server.close()
        for each in sockets or []:
            each.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        abandoned = asyncio.ensure_future(self._abandoned.wait())
        answered = asyncio.ensure_future(self._all_answered())
        await asyncio.wait((abandoned, answered), return_when=asyncio.FIRST_COMPLETED)
        abandoned.cancel()
        answered.cancel()
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in list(self.server_state.connections):
            assert isinstance(connection, BoundedProtocol)
            if self._abandoned.is_set():
                connection.transport.abort()
            else:
                connection.transport.close()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)

    async def _all_answered(self) -> None:
        """Wait until nothing that was begun is left."""
        while True:
            await self._threads.wait_idle()
            if not self.server_state.tasks:
                return
            await asyncio.wait(self.server_state.tasks)


def route_tables(
    engine: Engine, threads: ApiThreads, metrics: HttpMetrics, runs: RunMetrics
) -> tuple[RouteTable, ...]:
    """Return all routes, a table a family."""
    return (
        write_routes(engine),
        query_routes(engine, threads),
        engine_routes(engine),
        token_routes(engine.catalog),
        database_routes(engine),
        table_routes(engine),
        cache_routes(engine),
        trigger_routes(engine),
        package_routes(engine),
        plugin_routes(engine),
        plugin_test_routes(engine),
        health_routes(engine, metrics, runs),
    )


class Serving:
    """A loop that serves an engine, from `run` to its return. On the server's thread, but where a method says so."""

    def __init__(self, engine: Engine, listener: socket.socket, authentication: Authentication) -> None:
        self._engine = engine
        self._listener = listener
        self._authentication = authentication
        self._loop = asyncio.new_event_loop()
        self._flight = FlightPort(engine, authentication)
        self.threads = ApiThreads(self._loop, limit=MOST_CONNECTIONS)
        self._runs = RunMetrics()
        self._server: LoopServer | None = None

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until `leave`; call ``ready`` once requests are taken."""
        allow_all_statuses()
        asyncio.set_event_loop(self._loop)
        unsubscribe = self._subscribe()
        try:
            self._loop.run_until_complete(self._serve(ready))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            unsubscribe()
            asyncio.set_event_loop(None)
            self._loop.close()
            self._flight.close()

    def _subscribe(self) -> Callable[[], None]:
        if not self._engine.config.plugins_enabled:
            return lambda: None
        return self._engine.triggers.subscribe(self._runs.run_finished)

    def leave(self) -> None:
        """Close the door. From any thread."""
        self._tell(lambda server: server.leave())

    def abandon(self) -> None:
        """End now. From any thread."""
        self._tell(lambda server: server.abandon())

    def _tell(self, message: Callable[[LoopServer], None]) -> None:
        server = self._server
        if server is not None:
            try:
                self._loop.call_soon_threadsafe(message, server)
            except RuntimeError:  # it has ended
                return

    async def _serve(self, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            self._api(),
            http=functools.partial(SharedPortProtocol, self._flight),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_SECONDS,
        )
        self._server = LoopServer(config, self.threads, ready)
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            await self._flight.cut()

    def _api(self) -> Api:
        engine, config = self._engine, self._engine.config
        metrics = HttpMetrics()
        return Api(
            Routes(*route_tables(engine, self.threads, metrics, self._runs)),
            self.threads,
            self._authentication,
            metrics,
            cluster_uuid=engine.catalog.instance_id,
            largest_body_bytes=config.max_http_request_size,
            open_resources=config.disable_authz,
        )


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but not longer."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
