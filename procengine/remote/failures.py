"""What is said when another server does not do what was asked?

Source: influxdb3_client/src/lib.rs, Error and parse_error_body.
"""

from __future__ import annotations

import http
import json

from procengine.errors import ProcengineError

_UNKNOWN_ROUTE = frozenset({"", "not found", "method not allowed"})


class RefusedByServerError(ProcengineError):
    """A server answered with a status that is no success; ``status`` and ``message`` are its own."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(f"server responded with error [{_named(status)}]: {message}")

    @property
    def is_unknown_route(self) -> bool:
        """Whether the server does not know the request, rather than what it names."""
        return self.status in {404, 405} and self.message.strip().lower() in _UNKNOWN_ROUTE

    @classmethod
    def from_body(cls, status: int, body: bytes) -> RefusedByServerError:
        """Return what an answer tells: the body's ``message`` where it is JSON with one, else the body."""
        text = body.decode("utf-8", "replace")
        try:
            said = json.loads(text)
        except ValueError:
            return cls(status, text)
        message = said.get("message") if isinstance(said, dict) else None
        return cls(status, message if isinstance(message, str) else text)


class UnreachableServerError(ProcengineError):
    """A server could not be reached, or its answer not be read to the end."""


def _named(status: int) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} <unknown status code>"
