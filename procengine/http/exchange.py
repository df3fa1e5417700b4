"""How is a request answered whose body is short, or that has none?

Without a task, a scope and a cycle of ASGI: an `Exchange` stands in the place of uvicorn's cycle, in its protocol,
and sends the whole answer in one write, now or later. Other requests go the way of ASGI.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from procengine.http.head import Head
from procengine.http.reading import has_body

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, HTTPScope

    from procengine.http.connection import BoundedProtocol

SHORT_BODY_BYTES: Final = 65_536
"""Up to which length a body is gathered without a task that waits for it."""

_END: Final = b"\r\n"
_CLOSING_END: Final = b"connection: close\r\n\r\n"


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return headers as they are sent."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)


class _Nobody:
    """The event that uvicorn tells of a client's leaving, where no task waits for it."""

    def set(self) -> None:
        """Wake nobody."""


class Exchange:
    """A request and its answer. On the server's loop.

    ``awaits_body`` tells that a body follows; ``go_on`` is called when all of it has come, or never will.
    ``received_ns`` is when its head came, monotonic (``time.perf_counter_ns``).
    """

    __slots__ = (
        "_body",
        "_connection",
        "awaits_body",
        "disconnected",
        "go_on",
        "head",
        "keep_alive",
        "received_ns",
        "response_complete",
    )

    message_event: Final = _Nobody()

    def __init__(
        self,
        connection: BoundedProtocol,
        head: Head,
        *,
        keep_alive: bool = True,
        awaits_body: bool = False,
        body: bytes = b"",
    ) -> None:
        self.received_ns = perf_counter_ns()
        self.head = head
        self.keep_alive = keep_alive
        self.awaits_body = awaits_body
        self._body = body
        self.go_on: Callable[[], None] | None = None
        self.disconnected = False
        self.response_complete = False
        self._connection = connection

    def take(self, part: bytes) -> None:
        """Take a piece of the body; what follows an answer is dropped."""
        if not self.response_complete:
            self._body += part

    def give_body(self) -> bytes:
        """Return the body, and let it go: a connection keeps its last exchange."""
        body, self._body = self._body, b""
        return body

    def end_body(self) -> None:
        """Go on with what waits for the body: it is whole, or the client has gone."""
        go_on, self.go_on = self.go_on, None
        if go_on is not None:
            go_on()

    def answer(self, head: bytes, body: bytes, *, close: bool = False) -> None:
        """Send a whole answer, of which the head lacks the server's own lines and its end; ``close`` ends with it."""
        if self.disconnected:
            return
        connection = self._connection
        if close:
            self.keep_alive = False
        end = _END if self.keep_alive else _CLOSING_END
        if self.head.method == "HEAD":
            body = b""
        connection.transport.write(b"".join((head, connection.server_lines(), end, body)))
        self.response_complete = True
        if not self.keep_alive:
            connection.transport.close()
        connection.exchanged()

    def run(self, answer: ASGI3Application) -> None:
        """Let a task send the answer, piece by piece."""
        connection = self._connection
        cycle = RequestResponseCycle(
            scope=self._scope(),
            transport=connection.transport,
            flow=connection.flow,
            logger=connection.logger,
            access_logger=connection.access_logger,
            access_log=connection.access_log,
            default_headers=connection.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=self.keep_alive,
            on_response=connection.on_response_complete,
        )
        cycle.more_body = False
        connection.run(self, cycle, answer)

    def _scope(self) -> HTTPScope:
        """Return the request as ASGI has it, as far as answers look at it."""
        connection, head = self._connection, self.head
        return {
            "type": "http",
            "asgi": {"version": connection.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": connection.server,
            "client": connection.client,
            "scheme": "http",
            "root_path": "",
            "method": head.method,
            "path": unquote(head.path),
            "raw_path": head.path.encode(),
            "query_string": head.query,
            "headers": list(head.headers.items()),
            "state": {},
            "extensions": {},
        }


def exchange_of(
    connection: BoundedProtocol, method: bytes, url: bytes, headers: Mapping[bytes, bytes]
) -> Exchange | None:
    """Return a request of HTTP/1.1 as an exchange, or None where its body is long or its URL not just a path."""
    if not url.startswith(b"/") or not url.isascii() or b"#" in url:
        return None
    body_bytes = _short_body_bytes(headers)
    if body_bytes is None:
        return None
    path, _, query = url.partition(b"?")
    head = Head(method.decode(), path.decode(), query, headers, body_bytes=body_bytes)
    return Exchange(
        connection, head, keep_alive=connection.parser.should_keep_alive(), awaits_body=has_body(headers)
    )


def _short_body_bytes(headers: Mapping[bytes, bytes]) -> int | None:
    """Return the length of a body that is short, 0 for none; None for one that is long, or does not say."""
    length = headers.get(b"content-length", b"0")
    if b"transfer-encoding" in headers or len(length) > 8 or not length.isdigit():
        return None
    return number if (number := int(length)) <= SHORT_BODY_BYTES else None
