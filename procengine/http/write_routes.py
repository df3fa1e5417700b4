"""How does line protocol come in over HTTP?

Three routes with one body: the API's own, and those of InfluxDB 2 and 1, which know no partial writes and count
timestamps in nanoseconds unless told otherwise.

Source: influxdb3_server/src/http.rs, write_lp, write_lp_inner, V2WriteApiError; core/iox_http/src/write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from procengine.errors import (
    InvalidInputError,
    LimitExceededError,
    LineProtocolError,
    PartialWriteError,
    ProcengineError,
)
from procengine.http.failures import HttpError, compact_json, http_error, json_error
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable
from procengine.http.serde import FormError
from procengine.model.names import check_database_name
from procengine.model.precision import Precision
from procengine.write.writer import EMPTY_WRITE

if TYPE_CHECKING:
    from procengine.engine import Engine

_PRECISIONS: Final[Mapping[str, Precision]] = {
    "s": Precision.SECOND,
    "second": Precision.SECOND,
    "millisecond": Precision.MILLISECOND,
    "ms": Precision.MILLISECOND,
    "microsecond": Precision.MICROSECOND,
    "u": Precision.MICROSECOND,
    "us": Precision.MICROSECOND,
    "n": Precision.NANOSECOND,
    "nanosecond": Precision.NANOSECOND,
    "ns": Precision.NANOSECOND,
}
_PRECISIONS_V3: Final[Mapping[str, Precision]] = {"auto": Precision.AUTO, **_PRECISIONS}

_NO_POLICY: Final = ("", "''", "autogen", "default")
"""Retention policies that a write does not name."""

_V2_CODES: Final = {
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    413: "request too large",
    500: "internal error",
    503: "internal error",
}
"""The code of an error's status; all others are ``invalid``, 400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteParams:
    """What a write's query string says."""

    database: str
    precision: Precision
    accept_partial: bool = False
    no_sync: bool = False


def write_routes(engine: Engine) -> RouteTable:
    """Return the routes that write."""

    def writer(params_of: Callable[[Request], WriteParams]) -> Callable[[Request], Response]:
        return lambda request: _write(engine, params_of(request), request)

    return {
        ("POST", "/api/v3/write_lp"): Route(answer=writer(_params_v3), on_error=_write_error),
        ("POST", "/api/v2/write"): Route(answer=writer(_params_v2), on_error=_v2_error),
        ("POST", "/write"): Route(answer=writer(_params_v1), on_error=_write_error),
    }


def _write(engine: Engine, params: WriteParams, request: Request) -> Response:
    check_database_name(params.database)
    body = request.body()
    check_utf8(body)
    engine.write(
        params.database,
        body,
        precision=params.precision,
        accept_partial=params.accept_partial,
        no_sync=params.no_sync,
    )
    return Response(status_code=204)


def check_utf8(body: bytes) -> None:
    """Accept a body that is UTF-8.

    Raises: HttpError (400), which says where it is not.
    """
    if body.isascii():
        return
    try:
        body.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            fault = f"incomplete utf-8 byte sequence from index {error.start}"
        else:
            length = error.end - error.start
            fault = f"invalid utf-8 sequence of {length} bytes from index {error.start}"
        raise HttpError(400, f"body content is not valid utf8: {fault}") from error


def _params_v3(request: Request) -> WriteParams:
    if not request.query:
        raise HttpError(400, "missing query parameter 'db'")
    form = request.form()
    try:
        return WriteParams(
            precision=form.choice("precision", _PRECISIONS_V3) or Precision.AUTO,
            accept_partial=form.flag("accept_partial", default=True),
            no_sync=form.flag("no_sync", default=False),
            database=form.required("db"),
        )
    except FormError as error:
        raise HttpError(400, f"serde error: {error}") from error


def _params_v2(request: Request) -> WriteParams:
    if not request.query:
        raise HttpError(400, "no org/bucket destination provided")
    form = request.form()
    try:
        precision = form.choice("precision", _PRECISIONS) or Precision.NANOSECOND
        bucket = form.optional("bucket")
    except FormError as error:
        raise HttpError(
            400, f"failed to deserialize org/bucket/precision in request: {error}"
        ) from error
    if not bucket:
        raise HttpError(400, "missing bucket value")
    return WriteParams(database=bucket, precision=precision)


def _params_v1(request: Request) -> WriteParams:
    if not request.query:
        raise json_error(400, "no db destination provided")
    form = request.form()
    try:
        precision = form.choice("precision", _PRECISIONS) or Precision.NANOSECOND
        policy = (form.optional("rp") or "").lower()
        database = form.required("db")
    except FormError as error:
        raise json_error(400, f"failed to deserialize db/rp/precision in request: {error}") from error
    if policy not in _NO_POLICY:
        database = f"{database}/{policy}"
    return WriteParams(database=database, precision=precision)


def _write_error(error: Exception) -> Exception:
    if type(error) is InvalidInputError:
        text = str(error)
        return HttpError(400, text) if text == EMPTY_WRITE else json_error(400, text)
    return error


def _v2_error(error: Exception) -> Exception:
    """Return an error as InfluxDB 2 writes it."""
    found = http_error(error)
    code = _V2_CODES.get(found.status, "invalid")
    status = 400 if code == "invalid" else found.status
    return HttpError(status, compact_json({"code": code, "message": _v2_message(error)}))


def _v2_message(error: Exception) -> str:
    match error:
        case PartialWriteError():
            return error.headline
        case LineProtocolError():
            return f"write buffer error: line protocol parse failed: {error.errors[0].message}"
        case LimitExceededError():
            return f"write buffer error: catalog update error: {error}"
        case InvalidInputError() if type(error) is InvalidInputError:
            return f"write buffer error: {error}"
        case ProcengineError() | HttpError():
            return str(error)
    return http_error(error).body
