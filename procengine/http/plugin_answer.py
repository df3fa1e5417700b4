"""How is a plugin's answer carried to its client?

As bytes that are the same each time, where a trigger answers with the same status and headers as before: its answers
are made once, but for their bodies.

Differs: a plugin's headers on how a message is framed are left out, and a status that has no body has none.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from procengine.http.exchange import header_lines
from procengine.model.run import Response as PluginResponse

_FRAMING: Final = frozenset(
    ("connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)

_BODILESS: Final = (204, 304)


class PluginAnswer(Response):
    """A plugin's answer as HTTP can carry it; ``lines`` are its head, but for the server's own."""

    def __init__(self, answered: PluginResponse) -> None:
        status = self.status_code = answered.status if answered.status >= 200 else 500
        self._sent_headers = answered.headers
        self.background = None
        if status in _BODILESS:
            self.sent_body = b""
            self.lines = _lines(status, answered.headers)
        else:
            self.sent_body = answered.body
            self.lines = b"%bcontent-length: %d\r\n" % (
                _lines(status, answered.headers),
                len(self.sent_body),
            )

    def unfolded(self) -> Response:
        """Return the same as ASGI has it."""
        response = Response(self.sent_body, status_code=self.status_code)
        response.raw_headers = list(_sendable(self._sent_headers))
        if self.status_code not in _BODILESS:
            response.raw_headers.append((b"content-length", b"%d" % len(self.sent_body)))
        return response


@lru_cache(maxsize=64)
def _lines(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    return STATUS_LINE[status] + header_lines(_sendable(headers))


def _sendable(headers: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    return [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in headers
        if name.lower() not in _FRAMING
    ]
