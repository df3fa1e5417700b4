"""Who serves Flight, and since when?

The Flight server is made when the first client comes: whoever never uses it pays for nothing, not even the import.
On the server's loop, but where a method says otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from procengine.http.authentication import Authentication
from procengine.http.flight.tunnel import PREFACE, Tunnel

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine.http.flight.flight_server import FlightServer

logger = logging.getLogger(__name__)

MOST_TUNNELS: Final = 256


class FlightPort:
    """The Flight server of an engine and the connections to it."""

    def __init__(self, engine: Engine, authentication: Authentication) -> None:
        self._engine = engine
        self._authentication = authentication
        self._tunnels: set[Tunnel] = set()
        self._all_ended = asyncio.Event()
        self._is_closed = False
        # Guards the making of the server, which takes place on a thread, against its end.
        self._lock = threading.Lock()
        self._server: FlightServer | None = None
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="procengine-flight-start")

    @staticmethod
    def may_be_for_it(first: bytes) -> bool:
        """Tell whether a connection that begins with these bytes may be HTTP/2."""
        return PREFACE.startswith(first) or first.startswith(PREFACE)

    @staticmethod
    def is_for_it(first: bytes) -> bool:
        """Tell whether a connection that begins with these bytes is HTTP/2: no method of HTTP/1 is ``PRI``."""
        return first.startswith(PREFACE[:16])

    def take(self, transport: asyncio.Transport, first: bytes) -> None:
        """Take over a connection whose first bytes were read."""
        if self._is_closed or len(self._tunnels) >= MOST_TUNNELS:
            transport.abort()
            return
        self._tunnels.add(Tunnel(transport, first, self._find_port, self._forget))

    async def cut(self) -> None:
        """Cut the connections, and wait until both ends of each are closed: no call waits for a client any more."""
        self._is_closed = True
        for tunnel in tuple(self._tunnels):
            tunnel.abort()
        if self._tunnels:
            await self._all_ended.wait()

    def close(self) -> None:
        """End the server, after `cut` and the loop's end. Calls under way are waited for.

        Without a thread of its own: when the interpreter ends, none can be begun any more.
        """
        with self._lock:
            self._is_closed = True
            server, self._server = self._server, None
        self._maker.shutdown()
        if server is not None:
            server.shutdown()

    def _forget(self, tunnel: Tunnel) -> None:
        self._tunnels.discard(tunnel)
        if self._is_closed and not self._tunnels:
            self._all_ended.set()

    async def _find_port(self) -> int:
        server = self._server
        if server is None:
            server = await asyncio.get_running_loop().run_in_executor(self._maker, self._make)
        return int(server.port)

    def _make(self) -> FlightServer:
        from procengine.http.flight.flight_server import FlightServer

        with self._lock:
            if self._is_closed:
                raise ConnectionError("the server is stopped")
            if self._server is None:
                self._server = FlightServer(self._engine, self._authentication)
            return self._server
