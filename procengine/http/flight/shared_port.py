"""Which protocol does a new connection speak?

Its first bytes say so. HTTP/2's are handed to the Flight server; all else is HTTP/1, which pays one comparison.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from procengine.http.connection import BoundedProtocol
from procengine.http.flight.flight_port import FlightPort

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState


class SharedPortProtocol(BoundedProtocol):
    """One connection, of HTTP/1 until its first bytes say otherwise. On the server's loop."""

    def __init__(
        self,
        flight: FlightPort,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._flight = flight
        self._first: bytes | None = b""

    def data_received(self, data: bytes) -> None:
        """Read bytes."""
        if self._first is None:
            super().data_received(data)
            return
        first = self._first + data
        if self._flight.is_for_it(first):
            self._first = None
            self._hand_over(first)
        elif self._flight.may_be_for_it(first):
            self._first = first
        else:
            self._first = None
            super().data_received(first)

    def _hand_over(self, first: bytes) -> None:
        """Leave the connection to Flight; this protocol hears of it no more."""
        transport = self.transport
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        self.patience_seconds = None
        self._flight.take(transport, first)
