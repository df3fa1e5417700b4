"""What is said when a server does not answer a query?

Its own words where it has any, without those that the client wraps around them.
"""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa
from pyarrow import flight

from procengine.errors import (
    DatabaseNotFoundError,
    ProcengineError,
    QueryCancelledError,
    QueryError,
)
from procengine.remote import RefusedByServerError, UnreachableServerError

_WRAPPING: Final = re.compile(
    r"^(?:Flight (?:returned|RPC) .*?, with message: )?(?P<text>.*?)"
    r"(?:\. Detail: (?:Python exception: )?\w+)?(?:\. gRPC client debug context: .*)?"
    r"(?:\. Client context: .*)?$",
    re.DOTALL,
)


_STAGE: Final = re.compile(r"^Error while (?:logically )?planning query: ")
_STAGE_OF_PLANNING: Final = re.compile(r"^(type_coercion|Optimizer rule '\w+' failed): ")
_PARSER_AGAIN: Final = re.compile(r"(?<=\"\)): sql parser error: .*$", re.DOTALL)


def fault_of(
    error: pa.ArrowException, url: str, database: str, timeout_seconds: float
) -> ProcengineError:
    """Return what is raised for what a Flight call raised; ``database`` is the server's name for it."""
    text = _plain(error)
    match error:
        case flight.FlightUnauthenticatedError() | flight.FlightUnauthorizedError():
            return RefusedByServerError(
                401,
                f"{url} does not accept the token ({text}): it may have expired or been deleted, or not be for "
                f"database {database!r}; detach, and attach again with another",
            )
        case flight.FlightUnavailableError():
            return UnreachableServerError(
                f"cannot reach {url}: {text}; what is attached stays so, and is tried again with the next query"
            )
        case flight.FlightTimedOutError():
            return UnreachableServerError(
                f"{url} did not answer within {timeout_seconds:g} s; ask for less, or attach with a longer "
                "timeout_seconds"
            )
        case flight.FlightCancelledError() | pa.ArrowCancelled():
            return QueryCancelledError("query was cancelled")
        case pa.ArrowKeyError() if text.lower().startswith("database"):
            return DatabaseNotFoundError(database)
    return QueryError(_as_planned(text))


def _as_planned(text: str) -> str:
    """Return a query's error as it is where it was planned: Flight joins the parts of its chain of causes."""
    if _STAGE.match(text) is None:
        return text
    text = _PARSER_AGAIN.sub("", _STAGE.sub("", text))
    return _STAGE_OF_PLANNING.sub(r"\1\ncaused by\n", text)


def _plain(error: pa.ArrowException) -> str:
    """Return the server's text."""
    said = str(error.args[0]) if error.args else str(error)
    found = _WRAPPING.match(said)
    return found["text"] if found and found["text"] else said
