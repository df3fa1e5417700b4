"""How is a request answered whose body is short, or that has none?

Without a task, a scope and a cycle of ASGI: an `Exchange` stands in the place of uvicorn's cycle, in its protocol,
and sends the whole answer in one write, now or later. Other requests go the way of ASGI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from procengine.http.request import Head

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, HTTPScope

    from procengine.http.connection import BoundedProtocol


class _Nobody:
    """The event that uvicorn tells of a client's leaving, where no task waits for it."""

    def set(self) -> None:
        """Wake nobody."""


class Exchange(Head):
    """A request and its answer. On the server's loop.

    ``awaits_body`` tells that a body follows; ``go_on`` is called when all of it has come, or never will.
    """

    __slots__ = (
        "_body",
        "_connection",
        "_sent_headers",
        "awaits_body",
        "disconnected",
        "go_on",
        "keep_alive",
        "response_complete",
    )

    message_event: Final = _Nobody()

    def __init__(  # noqa: PLR0917 - made for each request
        self,
        connection: BoundedProtocol,
        method: str,
        url: bytes,
        sent_headers: list[tuple[bytes, bytes]],
        headers: Mapping[bytes, bytes],
        awaits_body: bool,
    ) -> None:
        """``url`` begins with a slash and has neither a fragment nor bytes beyond ASCII."""
        path, _, query = url.partition(b"?")
        super().__init__(method, path.decode(), query, headers)
        self.keep_alive: bool = connection.parser.should_keep_alive()
        self.awaits_body = awaits_body
        self._body = b""
        self.go_on: Callable[[], None] | None = None
        self.disconnected = False
        self.response_complete = False
        self._connection = connection
        self._sent_headers = sent_headers

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

    def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        """Send a whole answer; the headers say how long it is."""
        if self.disconnected:
            return
        connection = self._connection
        parts = [STATUS_LINE[status]]
        for name, value in (*connection.server_state.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
            if name == b"connection" and value == b"close":
                self.keep_alive = False
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        if self.method != "HEAD":
            parts.append(body)
        connection.transport.write(b"".join(parts))
        self.response_complete = True
        if not self.keep_alive:
            connection.transport.close()
        connection.exchanged()

    def run(self, answer: ASGI3Application) -> None:
        """Let a task send the answer, piece by piece."""
        self._connection.run(self, answer)

    def scope(self) -> HTTPScope:
        """Return the request as ASGI has it, as far as answers look at it."""
        connection = self._connection
        return {
            "type": "http",
            "asgi": {"version": connection.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": connection.server,
            "client": connection.client,
            "scheme": "http",
            "root_path": "",
            "method": self.method,
            "path": unquote(self.path),
            "raw_path": self.path.encode(),
            "query_string": self.query,
            "headers": self._sent_headers,
            "state": {},
            "extensions": {},
        }
