"""What did a client ask for?

A `Request` is read whole before it is answered, but its faults surface when a handler looks: a body that is too large
is no fault of a request whose parameters are wrong already, as in the original.

Source: influxdb3_server/src/http.rs, HttpApi::read_body, read_body_json, json_content_type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from procengine.http.failures import HttpError
from procengine.http.gzip_body import unzip
from procengine.http.serde import Form, JsonObject, read_json_object
from procengine.model.quick_init import quick_init

if TYPE_CHECKING:
    from starlette.types import Scope

_JSON: Final = re.compile(r"application/(?:json|[^\s;+]+\+json)\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)


class Head:
    """What a request's head says, and when it came.

    ``path`` is as it was sent, percent signs and all; ``query`` has no question mark. ``headers`` have lower-case
    names; of one given twice the last stands. ``received_ns`` is monotonic (``time.perf_counter_ns``).
    """

    __slots__ = ("headers", "method", "path", "query", "received_ns")

    def __init__(self, method: str, path: str, query: bytes, headers: Mapping[bytes, bytes]) -> None:
        self.received_ns = perf_counter_ns()
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers


def head_of(scope: Scope) -> Head:
    """Return the head of a request that ASGI brought."""
    path = scope["raw_path"].decode("ascii", "replace")
    return Head(scope["method"], path, scope["query_string"], dict(scope["headers"]))


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: what its `Head` says, and its body.

    ``sent_body`` is the body as it was sent, or why it was not read.
    """

    method: str
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    sent_body: bytes | HttpError
    largest_body_bytes: int
    received_ns: int

    @property
    def query_pairs(self) -> list[tuple[str, str]]:
        """The names and values of the query string, decoded, in order; what is not UTF-8 is replaced."""
        return form_pairs(self.query)

    def form(self) -> Form:
        """Return the query string as fields."""
        return Form(self.query_pairs)

    def body(self) -> bytes:
        """Return the body, decompressed.

        Raises: HttpError: its encoding is unknown (400) or wrong (400), or it is too large (413).
        """
        encoding = self.headers.get(b"content-encoding", b"identity")
        if encoding not in (b"identity", b"gzip"):
            raise HttpError(400, _bad_encoding(encoding))
        if isinstance(self.sent_body, HttpError):
            raise self.sent_body
        if encoding == b"gzip":
            return unzip(self.sent_body, self.largest_body_bytes)
        return self.sent_body

    def json(self, *, any_content_type: bool = False) -> JsonObject:
        """Return the body as a JSON object.

        Raises: HttpError: its content type is another (415), or it is no JSON object (400); and as `body` does.
        """
        content_type = self.headers.get(b"content-type", b"").decode("latin-1")
        if not any_content_type and not _JSON.fullmatch(content_type.strip()):
            raise HttpError(415, "unacceptable content-type, expected: application/json")
        return read_json_object(self.body())


def form_pairs(query: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a query string."""
    if not query:
        return []
    return parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True, errors="replace")


def too_large(limit: int) -> HttpError:
    """Return the error for a body of more bytes than are accepted."""
    return HttpError(413, f"max request size ({limit} bytes) exceeded")


def _bad_encoding(encoding: bytes) -> str:
    try:
        return f"unacceptable content-encoding: {encoding.decode('ascii')}"
    except UnicodeDecodeError:
        return "invalid content-encoding header: failed to convert header to a str"
