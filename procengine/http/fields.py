"""Which fields does a request have, wherever it says them?

Most configuration routes read a JSON body; some read the query string, and some take either: any query string then
stands in the body's place, as in the original.

Source: influxdb3_server/src/http.rs (``if let Some(query) = req.uri().query()``); serde_urlencoded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, Protocol, TypeVar

from procengine.http.failures import HttpError
from procengine.http.request import Request
from procengine.http.serde import Form, FormError

T = TypeVar("T")

_STRUCTURES: Final[Mapping[type, str]] = {list: "a sequence", dict: "a map"}


class Fields(Protocol):
    """The fields of a request. Each is text, a boolean, a whole number, a list or a map.

    Both raise HttpError (400) for a field that is there twice or of another type, in serde's words.
    """

    def required(self, name: str, kind: type[T]) -> T:
        """Return a field that must be there."""
        ...

    def optional(self, name: str, kind: type[T]) -> T | None:
        """Return a field, None where it is missing."""
        ...


class QueryFields:
    """The fields of a query string, where all is text: numbers and booleans are read from it, nothing else can be."""

    def __init__(self, form: Form) -> None:
        self._form = form

    def required(self, name: str, kind: type[T]) -> T:
        """Return a field that must be there."""
        value = self.optional(name, kind)
        if value is None:
            raise query_fault(f"missing field `{name}`")
        return value

    def optional(self, name: str, kind: type[T]) -> T | None:
        """Return a field, None where it is missing."""
        try:
            text = self._form.optional(name)
        except FormError as error:
            raise query_fault(str(error)) from error
        return None if text is None else _read(text, kind)


def query_fields(request: Request) -> QueryFields:
    """Return the fields of a request that says them in its query string alone."""
    return QueryFields(request.form())


def any_fields(request: Request) -> Fields:
    """Return the fields of a request: of its query string where it has one, else of its JSON body."""
    return query_fields(request) if request.query else request.json()


def query_fault(text: str) -> HttpError:
    """Return the error for a query string that is not accepted."""
    return HttpError(400, f"serde error: {text}")


def _read(text: str, kind: type[T]) -> T:
    value: object = text
    if kind is bool:
        if text not in ("true", "false"):
            raise query_fault("provided string was not `true` or `false`")
        value = text == "true"
    elif kind is int:
        if not (text.isascii() and text.isdigit()):
            raise query_fault("invalid digit found in string")
        value = int(text)
    elif kind in _STRUCTURES:
        shown = json.dumps(text, ensure_ascii=False)
        raise query_fault(f"invalid type: string {shown}, expected {_STRUCTURES[kind]}")
    assert isinstance(value, kind)
    return value
