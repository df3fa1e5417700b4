"""How is SQL answered over HTTP?

The first rows are waited for before the answer begins, so a statement that cannot be run has its status; what fails
later cuts the answer short. Rows are written as they are found, and a client that goes away stops its query.

Source: influxdb3_server/src/http.rs, query_sql, extract_query_request, record_batch_stream_to_body;
    influxdb3_types/src/http.rs, QueryFormat.
Differs: InfluxQL is refused.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response, StreamingResponse

from procengine.http.failures import HttpError, json_error, query_error
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable
from procengine.http.serde import FormError, JsonObject, json_fault, read_json
from procengine.model.result_format import ResultFormat, result_chunks
from procengine.query.cancellation import QueryCancellation

if TYPE_CHECKING:
    import pyarrow as pa

    from procengine.engine import Engine
    from procengine.http.api_threads import ApiThreads

CONTENT_TYPES: Final[Mapping[ResultFormat, str]] = {
    ResultFormat.PARQUET: "application/vnd.apache.parquet",
    ResultFormat.CSV: "text/csv",
    ResultFormat.PRETTY: "text/plain; charset=utf-8",
    ResultFormat.JSON: "application/json",
    ResultFormat.JSON_LINES: "application/jsonl",
}

FORMATS: Final[Mapping[str, ResultFormat]] = {
    "parquet": ResultFormat.PARQUET,
    "csv": ResultFormat.CSV,
    "pretty": ResultFormat.PRETTY,
    "json": ResultFormat.JSON,
    "json_lines": ResultFormat.JSON_LINES,
    "jsonl": ResultFormat.JSON_LINES,
}

_ACCEPTED: Final[Mapping[bytes, ResultFormat]] = {
    b"application/vnd.apache.parquet": ResultFormat.PARQUET,
    b"text/csv": ResultFormat.CSV,
    b"text/plain": ResultFormat.PRETTY,
    b"application/json": ResultFormat.JSON,
    b"*/*": ResultFormat.JSON,
}

NO_INFLUXQL: Final = "InfluxQL is not supported; use SQL at /api/v3/query_sql"

_WHOLE_BYTES: Final = 65_536
"""An answer of no more than this is sent whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryParams:
    """What a query asks for."""

    database: str
    text: str
    format: ResultFormat
    params: Mapping[str, object] | None


def query_routes(engine: Engine, threads: ApiThreads) -> RouteTable:
    """Return the routes that query."""
    sql = Route(answer=lambda request: _query(engine, threads, request), on_error=_query_error)
    influxql = Route(answer=_refuse_influxql, quick=True)
    v1 = Route(answer=_refuse_v1, quick=True)
    return {
        ("GET", "/api/v3/query_sql"): sql,
        ("POST", "/api/v3/query_sql"): sql,
        ("GET", "/api/v3/query_influxql"): influxql,
        ("POST", "/api/v3/query_influxql"): influxql,
        ("GET", "/query"): v1,
        ("POST", "/query"): v1,
    }


def _query(engine: Engine, threads: ApiThreads, request: Request) -> Response:
    asked = _asked(request)
    cancellation = QueryCancellation()
    reader = engine.query_executor.stream(
        asked.text, asked.database, asked.params, cancellation=cancellation
    )
    rows = _Rows(reader, asked.format, threads, cancellation)
    first = rows.take(_WHOLE_BYTES)
    content_type = {"content-type": CONTENT_TYPES[asked.format]}
    if rows.ended:
        return Response(first, headers=content_type)
    return StreamingResponse(rows.all(first), headers=content_type)


class _Rows:
    """The bytes of a result that is being found."""

    def __init__(
        self,
        reader: pa.RecordBatchReader,
        format: ResultFormat,  # noqa: A002
        threads: ApiThreads,
        cancellation: QueryCancellation,
    ) -> None:
        self._chunks = result_chunks(reader.schema, iter(reader), format)
        self._threads = threads
        self._cancellation = cancellation
        self.ended = False

    def take(self, size: int) -> bytes:
        """Wait for at least so many bytes, or the end; on a thread that may wait."""
        parts: list[bytes] = []
        taken = 0
        while taken < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                self.ended = True
                break
            parts.append(chunk)
            taken += len(chunk)
        return b"".join(parts)

    async def all(self, first: bytes) -> AsyncIterator[bytes]:
        """Yield what was taken and all that follows; when the client goes away, the query stops."""
        try:
            yield first
            while not self.ended:
                yield await self._threads.call(lambda: self.take(_WHOLE_BYTES))
        finally:
            self._cancellation.cancel()


def _asked(request: Request) -> QueryParams:
    accepted = _accepted_format(request.headers.get(b"accept"))
    return (
        _asked_in_body(request, accepted)
        if request.method == "POST"
        else _asked_in_url(request, accepted)
    )


def _accepted_format(accept: bytes | None) -> ResultFormat:
    """Return the format that the header ``Accept`` stands for; it is looked at even where the format is given."""
    if accept is None:
        return ResultFormat.JSON
    found = _ACCEPTED.get(accept)
    if found is not None:
        return found
    try:
        text = accept.decode()
    except UnicodeDecodeError as error:
        raise HttpError(400, f"the mime type specified was not valid UTF8: {error.reason}") from error
    if "text/html" in text or "*/*" in text:
        return ResultFormat.JSON
    raise HttpError(400, f"invalid mime type ({text})")


def _asked_in_url(request: Request, accepted: ResultFormat) -> QueryParams:
    if not request.query:
        raise HttpError(400, "missing query parameters 'db' and 'q'")
    form = request.form()
    try:
        format_ = form.choice("format", FORMATS) or accepted
        params = form.optional("params")
        database, text = form.required("db"), form.required("q")
    except FormError as error:
        raise HttpError(400, f"serde error: {error}") from error
    values = None if params is None else _values(read_json(params.encode()))
    return QueryParams(database=database, text=text, format=format_, params=values)


def _asked_in_body(request: Request, accepted: ResultFormat) -> QueryParams:
    said: JsonObject = request.json(any_content_type=True)
    return QueryParams(
        database=said.required("db", str),
        text=said.required("q", str),
        format=said.choice("format", FORMATS) or accepted,
        params=_values(said.fields.get("params")),
    )


def _values(params: Any) -> Mapping[str, object] | None:
    """Return the values of a statement's parameters: null, booleans, numbers and text."""
    if params is None:
        return None
    if not isinstance(params, dict):
        raise json_fault("params: expected a map of parameter names to values")
    for name, value in params.items():
        if isinstance(value, list | dict):
            raise json_fault(
                f"params: the value of {json.dumps(name)} is neither null nor a boolean, a number or a string"
            )
    return params


def _query_error(error: Exception) -> Exception:
    return query_error(error)


def _refuse_influxql(request: Request) -> Response:  # noqa: ARG001
    raise HttpError(405, NO_INFLUXQL)


def _refuse_v1(request: Request) -> Response:  # noqa: ARG001
    raise json_error(405, NO_INFLUXQL)
