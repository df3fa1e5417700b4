"""What did a recording see, one thing after the other?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from procengine.model.table_rows import TableRows


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """A request as it reached a request trigger; see `procengine.processing.event.RequestEvent`."""

    path: str
    method: str
    query_params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStep:
    """One flush of rows, one request, or one tick, with the instant at which it came, nanoseconds UTC.

    A tick has neither rows nor a request: in a replay schedules tick by themselves, ``tick`` says which one did.
    """

    instant_ns: int
    rows: tuple[TableRows, ...] = ()
    request: RecordedRequest | None = None
    tick: str | None = None
