"""What is a Flight client told when its call fails?

The code of gRPC that the original has, and one text.

Source: core/service_grpc_flight/src/lib.rs.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Final, NoReturn

import pyarrow as pa
from pyarrow import flight

from procengine.errors import (
    DatabaseNotFoundError,
    InvalidNameError,
    ProcengineError,
    QueryCancelledError,
    QueryError,
    StoppedError,
)
from procengine.http.failures import query_status
from procengine.http.flight.protobuf import ProtobufError
from procengine.http.flight.ticket import TicketError

logger = logging.getLogger(__name__)

LONGEST_TEXT: Final = 2_000
"""Characters of an error that are sent."""


_PARSER_ERROR = re.compile(r'ParserError\("(?P<text>.*)"\)', re.DOTALL)


class _WithoutFrames:
    """An error of Arrow whose traceback cannot be written.

    Flight has no exceptions for invalid arguments, what is not found and what is not implemented; Arrow's own have
    those codes, but pyarrow adds to their text where they were raised, as `traceback.format_exception` writes it.
    That asks for the cause first; when it raises, pyarrow sends the name of the error's class instead.
    """

    @property
    def __cause__(self) -> NoReturn:
        raise RuntimeError("what a client is told has no cause")


class InvalidArgument(_WithoutFrames, pa.ArrowInvalid):  # type: ignore[misc]
    """INVALID_ARGUMENT."""


class NotFound(_WithoutFrames, pa.ArrowKeyError):  # type: ignore[misc]
    """NOT_FOUND."""


class Unimplemented(_WithoutFrames, pa.ArrowNotImplementedError):  # type: ignore[misc]
    """UNIMPLEMENTED."""


def flight_error(error: Exception) -> Any:
    """Return what a Flight client is told of an error, as an exception that pyarrow sends."""
    text = str(error)[:LONGEST_TEXT]
    match error:
        case flight.FlightError():
            return error
        case DatabaseNotFoundError():
            return NotFound(f"Database '{error.database}' not found")
        case TicketError() | ProtobufError() | InvalidNameError():
            return InvalidArgument(text)
        case NotImplementedError():
            return Unimplemented(text)
        case QueryError():
            return _query_failure(error)
        case QueryCancelledError() | StoppedError():
            return flight.FlightUnavailableError(text)
        case ProcengineError():
            return InvalidArgument(text)
    logger.error("flight call failed: error=%s", type(error).__name__, exc_info=error)
    return flight.FlightInternalError(text)


def _query_failure(error: QueryError) -> Any:
    text = str(error)
    status = query_status(text)
    told = _whole_chain(error)
    if status == 405:
        return Unimplemented(told)
    return flight.FlightInternalError(told) if status >= 500 else InvalidArgument(told)


def _whole_chain(error: QueryError) -> str:
    """Return a failure with the stage at which it came, and each part of its causes once.

    Source: core/service_grpc_flight/src/lib.rs, Error; core/error_reporting/src/lib.rs, DisplaySourceChain.
    """
    text = str(error)
    messages = [text]
    if error.while_planned:
        optimized = "\ncaused by\n" in text
        messages[0] = f"Error while {'' if optimized else 'logically '}planning query: {text}"
    found = _PARSER_ERROR.search(text)
    if found is not None:
        messages.append(f"sql parser error: {found['text']}")
    parts = (part for message in messages for part in message.replace("\ncaused by\n", ": ").split(": "))
    told = ": ".join(dict.fromkeys(part for part in parts if part))
    return told if len(told) <= LONGEST_TEXT else f"{told[:LONGEST_TEXT]}..."
