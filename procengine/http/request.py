"""What did a client ask for?

A `Request` is read whole before it is answered, but its faults surface when a handler looks: a body that is too large
is no fault of a request whose parameters are wrong already, as in the original.

Source: influxdb3_server/src/http.rs, HttpApi::read_body, read_body_json, json_content_type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from procengine.http.failures import HttpError
from procengine.http.gzip_body import unzip
from procengine.http.head import Head, form_pairs
from procengine.http.serde import Form, JsonObject, read_json_object

_JSON: Final = re.compile(r"application/(?:json|[^\s;+]+\+json)\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)


class Request:
    """One request: its head, and its body.

    ``sent_body`` is the body as it was sent, or why it was not read. ``received_ns`` is monotonic
    (``time.perf_counter_ns``).
    """

    __slots__ = ("_largest_body_bytes", "head", "received_ns", "sent_body")

    def __init__(
        self, head: Head, sent_body: bytes | HttpError, received_ns: int, largest_body_bytes: int
    ) -> None:
        self.head = head
        self.sent_body = sent_body
        self.received_ns = received_ns
        self._largest_body_bytes = largest_body_bytes

    @property
    def method(self) -> str:
        """The method, in capitals."""
        return self.head.method

    @property
    def path(self) -> str:
        """The path as it was sent."""
        return self.head.path

    @property
    def query(self) -> bytes:
        """The query string, without the question mark."""
        return self.head.query

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """The headers by their lower-case names."""
        return self.head.headers

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
        encoding, body = self.head.headers.get(b"content-encoding"), self.sent_body
        if encoding is not None and encoding not in (b"identity", b"gzip"):
            raise HttpError(400, _bad_encoding(encoding))
        if isinstance(body, HttpError):
            raise body
        return unzip(body, self._largest_body_bytes) if encoding == b"gzip" else body

    def json(self, *, any_content_type: bool = False) -> JsonObject:
        """Return the body as a JSON object.

        Raises: HttpError: its content type is another (415), or it is no JSON object (400); and as `body` does.
        """
        content_type = self.headers.get(b"content-type", b"").decode("latin-1")
        if not any_content_type and not _JSON.fullmatch(content_type.strip()):
            raise HttpError(415, "unacceptable content-type, expected: application/json")
        return read_json_object(self.body())


def too_large(limit: int) -> HttpError:
    """Return the error for a body of more bytes than are accepted."""
    return HttpError(413, f"max request size ({limit} bytes) exceeded")


def _bad_encoding(encoding: bytes) -> str:
    try:
        return f"unacceptable content-encoding: {encoding.decode('ascii')}"
    except UnicodeDecodeError:
        return "invalid content-encoding header: failed to convert header to a str"
