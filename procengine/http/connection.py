"""What may a client do to a connection?

uvicorn's protocol reads and writes HTTP; this bounds what it waits for and what it keeps. A head that is large or
slow, a body that stalls, a client that does not read its answer: each costs the client its connection, and the server
nothing but the bytes so far.

Source: hyper's limits, with which the original serves (100 headers; 431).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from procengine.http.exchange import Exchange, exchange_of, header_lines
from procengine.http.head import KnownHeads

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application
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

    ``patience_seconds`` is how long the client is waited for, None while the server is at work; ``deadline`` the
    monotonic instant at which that ends, which `give_up_if_due` sets when it first looks. So a request need not ask
    for the time.
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
        self.patience_seconds: float | None = None
        self.deadline: float | None = None
        self._start = getattr(self.app, "start", None)
        self._known_heads: KnownHeads | None = getattr(self.app, "known_heads", None)
        # What the server adds to each answer, and the headers that it was made of, which have the time.
        self._server_headers: list[tuple[bytes, bytes]] = []
        self._server_lines = b""
        self._is_refused = False
        self._in_head = True
        self._begun = 0
        self._head_bytes = 0
        # Bounds of what came last, and of the head that is being read, which may begin anywhere in that.
        self._piece_bytes = 0
        self._head_bound_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse one too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self.refuse(503)
            return
        self._wait(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        """Read bytes; a head that grows past its bounds ends the connection."""
        if self._is_refused or self.transport.is_closing():
            return
        is_beginning = self._in_head and not self._head_bytes
        if is_beginning and self._begin_known(data):
            return
        self._piece_bytes = len(data)
        if self._in_head:
            self._head_bytes += self._piece_bytes
            self._head_bound_bytes += self._piece_bytes
        begun, before = self._begun, self.cycle
        super().data_received(data)
        if not self._in_head:
            return
        if self._head_bytes > LARGEST_HEAD_BYTES:
            self.refuse(431)
        elif is_beginning and self._begun == begun + 1 and self.cycle is not before:
            self._know(data)

    def _begin_known(self, data: bytes) -> bool:
        """Begin a request whose head came before, in the same bytes, if this is one and its turn; tell whether."""
        if self._known_heads is None or self._start is None:
            return False
        head = self._known_heads.find(data)
        before = self.cycle
        if (
            head is None
            or self.flow.write_paused
            or (before is not None and not before.response_complete)
        ):
            return False
        self._unset_keepalive_if_required()
        self.patience_seconds = self.deadline = None
        body = data[-head.body_bytes :] if head.body_bytes else b""
        exchange = self.cycle = Exchange(self, head, body=body)  # type: ignore[assignment]  # as below
        self._start(exchange)
        return True

    def _know(self, data: bytes) -> None:
        """Know a head again that came with its body, alone in ``data``, and was read to its end."""
        cycle: object = self.cycle
        if self._known_heads is None or not isinstance(cycle, Exchange) or not cycle.keep_alive:
            return
        if b"upgrade" not in cycle.head.headers:  # which would leave the parser in another state
            self._known_heads.keep(data, cycle.head)

    def server_lines(self) -> bytes:
        """Return what the server adds to the head of an answer."""
        headers = self.server_state.default_headers
        if headers is not self._server_headers:
            self._server_headers, self._server_lines = headers, header_lines(headers)
        return self._server_lines

    def _wait(self, seconds: float | None) -> None:
        """Have the client so long from now, or, with None, as long as the server is at work."""
        self.patience_seconds, self.deadline = seconds, None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer what is no HTTP, as the original does: without a word."""
        self.refuse(400)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._begun += 1
        if self._start is None:
            super().on_message_begin()
        else:  # uvicorn's scope is made when it is known to be needed
            self.url, self.headers, self.expect_100_continue = b"", [], False
        self._head_bound_bytes = self._piece_bytes
        self._wait(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        """Go on to the body, or to the answer, once the head is within its bounds."""
        if len(self.headers) > MOST_HEADERS or self._is_head_too_large():
            self.refuse(431)
            raise _HeadTooLargeError  # stops the parser
        self._in_head = False
        if self._start is not None:
            exchange = self._exchange()
            if exchange is not None:
                self.cycle = exchange  # type: ignore[assignment]  # which it stands for
                if exchange.awaits_body:
                    self._wait(BODY_SECONDS)
                self._start(exchange)
                return
            self._make_scope()
        self._wait(BODY_SECONDS)
        super().on_headers_complete()

    def _is_head_too_large(self) -> bool:
        if self._head_bound_bytes <= LARGEST_HEAD_BYTES:
            return False
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > LARGEST_HEAD_BYTES

    def _exchange(self) -> Exchange | None:
        """Return the request as an exchange, or None where it needs a task: for a long body, or to wait its turn."""
        before = self.cycle
        if self.flow.write_paused or (before is not None and not before.response_complete):
            return None
        if self.expect_100_continue or self.parser.get_http_version() != "1.1":
            return None
        return exchange_of(self, self.parser.get_method(), self.url, dict(self.headers))

    def _make_scope(self) -> None:
        """Make uvicorn's scope, which it does before it reads the head."""
        url, headers, expect_100_continue = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect_100_continue
        self.headers.extend(headers)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._wait(BODY_SECONDS)
        cycle: object = self.cycle
        if isinstance(cycle, Exchange):
            cycle.take(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Let the server take its time."""
        self._in_head = True
        self._head_bytes = 0
        cycle: object = self.cycle
        if not isinstance(cycle, Exchange):
            self._wait(None)
            super().on_message_complete()
            return
        if not cycle.response_complete:
            self._wait(None)
            cycle.end_body()
        elif not self.flow.write_paused:
            self._wait(IDLE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the client has gone."""
        super().connection_lost(exc)
        cycle: object = self.cycle
        if isinstance(cycle, Exchange):
            cycle.end_body()

    def exchanged(self) -> None:
        """Note that an exchange's answer was sent, and go on with the request that waits behind it, if any."""
        if self.pipeline or self.transport.is_closing():
            self._wait(None)
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        if not self.flow.write_paused:
            self.patience_seconds, self.deadline = IDLE_SECONDS, None

    def run(self, exchange: Exchange, cycle: RequestResponseCycle, answer: ASGI3Application) -> None:
        """Let a task send an exchange's answer, piece by piece."""
        if self.cycle is exchange:  # type: ignore[comparison-overlap]
            self.cycle = cycle
        self._start_asgi_task(cycle, answer)

    def pause_writing(self) -> None:
        """Give a client that does not read its time."""
        super().pause_writing()
        self._wait(ANSWER_SECONDS)

    def resume_writing(self) -> None:
        """Note that the client reads."""
        super().resume_writing()
        cycle: object = self.cycle
        is_idle = isinstance(cycle, Exchange) and cycle.response_complete
        self._wait(IDLE_SECONDS if is_idle else None)

    def give_up_if_due(self, now: float) -> None:
        """End the connection if its client let the deadline pass."""
        if self.patience_seconds is None:
            if not self.transport.is_closing():
                return
            self._wait(ANSWER_SECONDS)
        if self.deadline is None:
            assert self.patience_seconds is not None
            self.deadline = now + self.patience_seconds
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
        self._wait(LINGER_SECONDS)
