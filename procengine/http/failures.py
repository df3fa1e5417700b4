"""What is answered when a request cannot be?

Plain text, unless the original answers JSON. `HttpError` is raised by whoever finds the fault, and by nothing below
this package: errors of the engine are turned into answers here, by the status that each suggests.

Source: influxdb3_server/src/http.rs, impl IntoResponse for Error, CatalogError, AuthenticationError.
"""

from __future__ import annotations

import json
import logging
from typing import Final

from procengine.errors import (
    DatabaseNotFoundError,
    InvalidNameError,
    LimitExceededError,
    LineError,
    LineProtocolError,
    PartialWriteError,
    ProcengineError,
    QueryError,
)

logger = logging.getLogger(__name__)

ORIGINAL_LINE_BYTES: Final = 20
"""How much of a rejected line is quoted, in bytes of UTF-8."""

_QUERY_STATUS: Final = (
    ("Error during planning:", 400),
    ("SQL error:", 400),
    ("This feature is not implemented:", 405),
    ("Schema error:", 500),
    ("Execution error:", 500),
    ("Arrow error:", 500),
    ("Parquet error:", 500),
    ("Object Store error:", 500),
    ("IO error:", 500),
    ("Internal error:", 500),
    ("Resources exhausted:", 500),
    ("External error:", 500),
    ("the query engine failed", 500),
)
"""Which error of DataFusion has which status, by how its text begins; those of ours are the caller's fault, 400."""


class HttpError(Exception):
    """A request cannot be answered: the status and body to send."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


def json_error(status: int, text: str, data: object = None) -> HttpError:
    """Return an error whose body is ``{"error":text}``, with ``data`` where there is any."""
    return HttpError(status, compact_json({"error": text} | ({} if data is None else {"data": data})))


def spaced_json_error(status: int, text: str) -> HttpError:
    """Return an error as the original's authentication writes it, with a space after the colon."""
    return HttpError(status, f'{{"error": "{text}"}}')


def compact_json(value: object) -> str:
    """Return a value as JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def http_error(error: Exception) -> HttpError:
    """Return what is answered for anything that was raised; what nobody expected is logged."""
    match error:
        case HttpError():
            return error
        case PartialWriteError():
            limit = any(one.limit for one in error.errors)
            lines = [line_error(one) for one in error.errors]
            return json_error(422 if limit else 400, error.headline, lines)
        case LineProtocolError():
            return json_error(400, error.headline, line_error(error.errors[0]))
        case LimitExceededError() | InvalidNameError():
            return json_error(error.http_status, str(error))
        case QueryError():
            return HttpError(query_status(str(error)), str(error))
        case ProcengineError():
            return HttpError(error.http_status, str(error))
    logger.error("request failed: error=%s", type(error).__name__, exc_info=error)
    return HttpError(500, f"internal error: {type(error).__name__}: {error}")


def query_error(error: Exception) -> HttpError:
    """Return what is answered for a query that failed."""
    if isinstance(error, DatabaseNotFoundError):
        return json_error(404, f"query error: {error}")
    return http_error(error)


def query_status(text: str) -> int:
    """Return the status of a query's error: that of what caused it, where its text names causes.

    Source: influxdb3_server/src/http.rs, datafusion_error_status_code.
    """
    cause = text.rsplit("\ncaused by\n", 1)[-1]
    for beginning, status in _QUERY_STATUS:
        if cause.startswith(beginning):
            return status
    return QueryError.http_status


def line_error(error: LineError) -> dict[str, object]:
    """Return a rejected line as the original shows it, its beginning alone."""
    line = error.original_line.encode("utf-8", "replace")[:ORIGINAL_LINE_BYTES]
    return {
        "error_message": error.message,
        "line_number": error.line_number,
        "original_line": line.decode("utf-8", "ignore"),
    }
