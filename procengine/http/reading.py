"""How is a body read, and no more of it than is accepted?

Source: influxdb3_server/src/http.rs, HttpApi::read_body.
Differs: a body that says it is too large is not read first, unless it is short enough to be read and dropped: clients
    that send all before they listen then get the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from procengine.http.failures import HttpError
from procengine.http.request import too_large

if TYPE_CHECKING:
    from starlette.types import Receive

_DROPPED_BODIES: Final = 4
"""How many times the largest body is read and dropped, before the connection is closed on the client."""


def has_body(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a request's headers announce a body."""
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes | HttpError:
    """Return a request's body as it was sent, or the error for one of more than ``limit`` bytes.

    Raises: ClientDisconnect.
    """
    if not has_body(headers):
        return b""
    length = headers.get(b"content-length")
    announced = int(length) if length is not None and length.isdigit() else 0
    if announced > limit * _DROPPED_BODIES:
        return too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size <= limit:
            parts.append(part)
        elif size > limit * _DROPPED_BODIES:
            return too_large(limit)
        if not message.get("more_body", False):
            return b"".join(parts) if size <= limit else too_large(limit)
