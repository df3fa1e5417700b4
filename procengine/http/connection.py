"""What may a client do to a connection?

uvicorn's protocol reads and writes HTTP; this bounds what it waits for and what it keeps. A head that is large or
slow, a body that stalls, a client that does not read its answer: each costs the client its connection, and the server
nothing but the bytes so far.

Source: hyper's limits, with which the original serves (100 headers; 431).
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from uvicorn._types import ASGI3Application, HTTPScope
    from uvicorn.config import Config
    from uvicorn.server import ServerState

logger = logging.getLogger("procengine.http.wire")
# What clients get wrong is no news to whoever runs the engine, and would show up in a notebook's cells.
logger.setLevel(logging.CRITICAL + 1)

LARGEST_HEAD_BYTES: Final = 65_536
MOST_HEADERS: Final = 100

HEAD_SECONDS: Final = 20.0
"""How long a request line with its headers may take."""

BODY_SECONDS: Final = 30.0
"""How long a body may stand still."""

ANSWER_SECONDS: Final = 60.0
"""How long a client may leave its answer unread."""

LINGER_SECONDS: Final = 2.0
"""How long a client that was refused may go on sending."""

IDLE_SECONDS: Final = 75
"""How long a connection is kept between requests."""

MOST_CONNECTIONS: Final = 768

# A plugin may answer with any status from 200 to 999; uvicorn knows those up to 599.
_STATUS_LINES: Final = {status: f"HTTP/1.1 {status} \r\n".encode() for status in range(600, 1000)}


def allow_all_statuses() -> None:
    """Let uvicorn send the statuses that it has no line for."""
    for status, line in _STATUS_LINES.items():
        STATUS_LINE.setdefault(status, line)


class _HeadTooLargeError(Exception):
    """A head has too many bytes or headers."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. On the server's loop.

    ``deadline`` is the monotonic instant at which the connection is given up, None while the server is at work.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = logger
        self.access_log = False
        self.deadline: float | None = None
        self._is_refused = False
        self._in_head = True
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse one too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self.refuse(503)
            return
        self.deadline = time.monotonic() + HEAD_SECONDS

    def data_received(self, data: bytes) -> None:
        """Read bytes; a head that grows past its bounds ends the connection."""
        if self.transport.is_closing() or self._is_refused:
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > LARGEST_HEAD_BYTES:
            self.refuse(431)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer what is no HTTP, as the original does: without a word."""
        self.refuse(400)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.deadline = time.monotonic() + HEAD_SECONDS

    def on_headers_complete(self) -> None:
        """Go on to the body, once the head is within its bounds."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > LARGEST_HEAD_BYTES or len(self.headers) > MOST_HEADERS:
            self.refuse(431)
            raise _HeadTooLargeError  # stops the parser
        self._in_head = False
        self.deadline = time.monotonic() + BODY_SECONDS
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self.deadline = time.monotonic() + BODY_SECONDS
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Let the server take its time."""
        self._in_head = True
        self._head_bytes = 0
        self.deadline = None
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin to answer a request: at once where that needs no task of its own."""
        start = getattr(app, "start", None)
        if start is None or self.flow.write_paused or not start(Exchange(self, cycle)):
            super()._start_asgi_task(cycle, app)

    def run(self, cycle: RequestResponseCycle, answer: ASGI3Application) -> None:
        """Let a task answer a request."""
        super()._start_asgi_task(cycle, answer)

    def pause_writing(self) -> None:
        """Give a client that does not read its time."""
        super().pause_writing()
        self.deadline = time.monotonic() + ANSWER_SECONDS

    def resume_writing(self) -> None:
        """Note that the client reads."""
        super().resume_writing()
        self.deadline = None

    def give_up_if_due(self, now: float) -> None:
        """End the connection if its client let the deadline pass."""
        if self.deadline is None:
            if self.transport.is_closing():
                self.deadline = now + ANSWER_SECONDS
            return
        if now < self.deadline:
            return
        if self.transport.is_closing() or self._is_refused or self.flow.write_paused:
            self.transport.abort()
        elif self._head_bytes or not self._in_head:
            self.refuse(408)
        else:
            self.transport.close()

    def refuse(self, status: int) -> None:
        """Answer with a status alone, without the application, and take no more.

        What the client still sends is read and dropped for a moment: closed at once, a connection that has unread
        bytes is reset, and the answer with it.
        """
        if self.transport.is_closing() or self._is_refused:
            return
        self._is_refused = True
        head = STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(head)
        self.transport.write_eof()
        self.deadline = time.monotonic() + LINGER_SECONDS


class Exchange:
    """A request without a body, and its answer, which may come later. On the server's loop.

    It does what uvicorn's cycle does for an application, in one write and without a task.
    """

    __slots__ = ("_connection", "_cycle")

    def __init__(self, connection: BoundedProtocol, cycle: RequestResponseCycle) -> None:
        self._connection = connection
        self._cycle = cycle

    @property
    def scope(self) -> HTTPScope:
        """The request, as ASGI has it."""
        return self._cycle.scope

    @property
    def is_disconnected(self) -> bool:
        """Whether the client has gone."""
        return self._cycle.disconnected

    def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        """Send a whole answer; the headers say how long it is."""
        cycle = self._cycle
        if cycle.disconnected:
            return
        parts = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
            if name == b"connection" and value == b"close":
                cycle.keep_alive = False
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        if cycle.scope["method"] != "HEAD":
            parts.append(body)
        cycle.transport.write(b"".join(parts))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()

    def run(self, answer: ASGI3Application) -> None:
        """Let a task send the answer, piece by piece."""
        self._connection.run(self._cycle, answer)
