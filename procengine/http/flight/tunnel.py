"""How do HTTP/2 connections reach the Flight server?

Byte by byte, both ways: a connection whose first bytes are HTTP/2's preface is handed to a `Tunnel`, which opens one
to the Flight server. A side that is slow stops the other side's reading, so that nothing piles up between them.
All of it is on the server's loop.

Source: RFC 9113, section 3.4 (the preface).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

logger = logging.getLogger(__name__)

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

HIGH_WATER_BYTES: Final = 4 << 20
"""How much may wait for a side that is slow to read."""


class Tunnel(asyncio.Protocol):
    """A client's connection, from the preface on, and its way to the Flight server.

    ``find_port`` says where that is, and may take its time; ``ended`` is called once, when both its ends are closed.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        first: bytes,
        find_port: Callable[[], Awaitable[int]],
        ended: Callable[[Tunnel], None],
    ) -> None:
        """``first`` are the bytes that were read so far."""
        self._client = transport
        self._server: asyncio.Transport | None = None
        self._client_is_lost = False
        self._ended = ended
        transport.pause_reading()
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        transport.set_protocol(self)
        self._opening = asyncio.ensure_future(self._open(first, find_port))

    def data_received(self, data: bytes) -> None:
        """Pass on what the client sends."""
        if self._server is not None:
            self._server.write(data)

    def eof_received(self) -> bool:
        """Tell the server that no more will come."""
        return _pass_on_end(self._server)

    def pause_writing(self) -> None:
        """Let the server wait: the client is slow."""
        if self._server is not None:
            self._server.pause_reading()

    def resume_writing(self) -> None:
        """Let the server go on."""
        if self._server is not None:
            self._server.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """End the server's side with the client's."""
        self._client_is_lost = True
        self._opening.cancel()
        if self._server is not None:
            self._server.close()
        else:
            self._ended(self)

    def abort(self) -> None:
        """Cut the connection; what is still to be passed on is lost."""
        self._client.abort()
        if self._server is not None:
            self._server.abort()

    async def _open(self, first: bytes, find_port: Callable[[], Awaitable[int]]) -> None:
        try:
            port = await find_port()
            loop = asyncio.get_running_loop()
            await loop.create_connection(
                lambda: _ServerSide(self._client, self._opened, self._server_lost), "127.0.0.1", port
            )
        except Exception:
            logger.exception("a Flight connection cannot be made")
            self._client.abort()
            return
        assert self._server is not None
        self._server.write(first)
        if not self._client.is_closing():
            self._client.resume_reading()

    def _opened(self, transport: asyncio.Transport) -> None:
        self._server = transport
        if self._client.is_closing():
            transport.close()

    def _server_lost(self) -> None:
        self._server = None
        if self._client_is_lost:
            self._ended(self)


class _ServerSide(asyncio.Protocol):
    """The Flight server's side of a tunnel."""

    def __init__(
        self,
        client: asyncio.Transport,
        opened: Callable[[asyncio.Transport], None],
        lost: Callable[[], None],
    ) -> None:
        self._client = client
        self._opened = opened
        self._lost = lost

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection."""
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._opened(transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what the server sends."""
        self._client.write(data)

    def eof_received(self) -> bool:
        """Tell the client that no more will come."""
        return _pass_on_end(self._client)

    def pause_writing(self) -> None:
        """Let the client wait: the server is slow."""
        if not self._client.is_closing():
            self._client.pause_reading()

    def resume_writing(self) -> None:
        """Let the client go on."""
        if not self._client.is_closing():
            self._client.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """End the client's side with the server's."""
        if not self._client.is_closing():
            self._client.close()
        self._lost()


def _pass_on_end(transport: asyncio.Transport | None) -> bool:
    """Close the other direction of a connection; True keeps this one open for what is still to be sent."""
    if transport is None or transport.is_closing() or not transport.can_write_eof():
        return False
    transport.write_eof()
    return True
