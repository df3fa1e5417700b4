"""How is a query over Arrow Flight answered?

pyarrow's server, on a port of its own that only `procengine.http.flight.tunnel` is told. Rows are sent as they are
found; a client that goes away stops its query. Flight SQL clients (ADBC, Grafana) may send statements, prepared ones
too; they name the database in a header.

Source: core/service_grpc_flight/src/lib.rs, FlightService; tags are sent as plain text, as arrow-rs's encoder does.
Differs: of Flight SQL only statements are answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from pyarrow import flight

from procengine.http.authentication import Authentication, token_of_header
from procengine.http.failures import HttpError
from procengine.http.flight.flight_failures import flight_error
from procengine.http.flight.protobuf import write_fields
from procengine.http.flight.ticket import (
    PREPARED_STATEMENT_QUERY,
    STATEMENT_QUERY,
    TicketError,
    format_command,
    format_ticket,
    parse_command,
    parse_ticket,
    statement_of,
)
from procengine.model.column import ColumnType
from procengine.query.cancellation import QueryCancellation

if TYPE_CHECKING:
    from procengine.engine import Engine

DATABASE_HEADERS: Final = ("database", "bucket", "bucket-name", "iox-namespace-name")
"""Where a Flight SQL client says its database."""

PREPARE_RESULT: Final = (
    "type.googleapis.com/arrow.flight.protocol.sql.ActionCreatePreparedStatementResult"
)
NO_INFLUXQL: Final = "InfluxQL is not supported; use SQL"


class FlightServer(flight.FlightServerBase):  # type: ignore[misc]
    """Answers Flight calls for an engine, on gRPC's threads, from its making to `shutdown`."""

    def __init__(self, engine: Engine, authentication: Authentication) -> None:
        super().__init__("grpc://127.0.0.1:0", middleware={"request": _Headers(authentication)})
        self._engine = engine

    def do_get(
        self, context: flight.ServerCallContext, ticket: flight.Ticket
    ) -> flight.FlightDataStream:
        """Run a ticket's query and send its rows."""
        return _answer(lambda: self._rows(context, ticket.ticket))

    def get_flight_info(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.FlightInfo:
        """Say what a Flight SQL statement will return, and with which ticket."""
        return _answer(lambda: self._info(context, descriptor))

    def do_action(self, context: flight.ServerCallContext, action: flight.Action) -> Iterator[bytes]:
        """Prepare a Flight SQL statement, which is its own handle, or forget one, which needs nothing."""
        results: Iterator[bytes] = _answer(lambda: self._act(context, action))
        return results

    def list_actions(self, context: flight.ServerCallContext) -> list[tuple[str, str]]:  # noqa: ARG002
        """Name the actions."""
        return [
            ("CreatePreparedStatement", "Prepare a statement."),
            ("ClosePreparedStatement", "Forget a prepared statement."),
        ]

    def _rows(self, context: flight.ServerCallContext, data: bytes) -> flight.FlightDataStream:
        ticket = parse_ticket(data)
        if ticket.is_influxql:
            raise NotImplementedError(NO_INFLUXQL)
        cancellation = QueryCancellation()
        reader = self._engine.query_executor.stream(
            ticket.sql, ticket.database, ticket.params, cancellation=cancellation
        )
        schema = sent_schema(reader.schema)
        batches = _sent(reader, schema, cancellation, context.is_cancelled)
        return flight.GeneratorStream(schema, batches)

    def _info(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.FlightInfo:
        kind, value = parse_command(descriptor.command or b"")
        if kind not in (STATEMENT_QUERY, PREPARED_STATEMENT_QUERY):
            raise NotImplementedError(f"Unsupported message type: {kind}; expected a statement")
        sql, database = statement_of(value), _database_of(context)
        endpoint = flight.FlightEndpoint(flight.Ticket(format_ticket(database, sql)), [])
        return flight.FlightInfo(self._schema(sql, database), descriptor, [endpoint], -1, -1)

    def _act(self, context: flight.ServerCallContext, action: flight.Action) -> Iterator[bytes]:
        _, value = parse_command(action.body.to_pybytes())
        if action.type == "ClosePreparedStatement":
            return iter(())
        if action.type != "CreatePreparedStatement":
            raise NotImplementedError(f"Unsupported message type: {action.type}")
        sql = statement_of(value)
        schema = self._schema(sql, _database_of(context)).serialize().to_pybytes()
        result = write_fields([(1, sql.encode()), (2, schema)])
        return iter([format_command(PREPARE_RESULT, result)])

    def _schema(self, sql: str, database: str) -> pa.Schema:
        return sent_schema(self._engine.query_executor.schema(sql, database))


class _Headers(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    """Lets in calls that show a token, and keeps their headers."""

    def __init__(self, authentication: Authentication) -> None:
        super().__init__()
        self._authentication = authentication

    def start_call(self, info: flight.CallInfo, headers: Mapping[str, Sequence[str]]) -> _Call:  # noqa: ARG002
        """Begin a call, or refuse it."""
        shown = headers.get("authorization", ())
        if self._authentication.required and not any(map(self._admits, shown)):
            raise flight.FlightUnauthenticatedError("Unauthenticated")
        return _Call(headers)

    def _admits(self, header: str | bytes) -> bool:
        text = header.encode("utf-8", "replace") if isinstance(header, str) else header
        try:
            return self._authentication.admits(token_of_header(text))
        except HttpError:
            return False


class _Call(flight.ServerMiddleware):  # type: ignore[misc]
    """One call's headers."""

    def __init__(self, headers: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.headers = headers


def sent_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema under which rows are sent: dictionaries as what they stand for, inside others as well."""
    return pa.schema([_sent_field(field) for field in schema], schema.metadata)


def _sent_field(field: pa.Field) -> pa.Field:
    """Return a column as it is sent; clients know tags by the metadata, as on the wire they are text."""
    sent = field.with_type(_sent_type(field.type))
    is_tag = field.type == ColumnType.TAG.arrow_type
    return sent.with_metadata({"iox::column::type": ColumnType.TAG.iox_name}) if is_tag else sent


def _sent_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _sent_type(kind.value_type)
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_sent_type(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_sent_type(field.type)) for field in kind])
    return kind


def _sent(
    reader: pa.RecordBatchReader,
    schema: pa.Schema,
    cancellation: QueryCancellation,
    is_cancelled: Callable[[], bool],
) -> Iterator[pa.RecordBatch]:
    """Yield the rows as they are sent; when the client is gone, or fails to take them, end the query."""
    try:
        same = reader.schema.equals(schema)
        for batch in reader:
            if is_cancelled():
                return
            yield batch if same else batch.cast(schema)
    except Exception as error:  # noqa: BLE001 - a handler's edge: it becomes what the client is told
        raise flight_error(error) from None
    finally:
        cancellation.cancel()


def _database_of(context: flight.ServerCallContext) -> str:
    headers: Mapping[str, Sequence[str]] = context.get_middleware("request").headers
    named = [name for name in DATABASE_HEADERS if headers.get(name)]
    if not named:
        raise TicketError("no 'database' header in request")
    if len(named) > 1:
        raise TicketError(
            f"More than one headers are found in request: {named!r}. Please include only one of them"
        )
    return str(headers[named[0]][0])


def _answer(work: Callable[[], Any]) -> Any:
    """Return what is answered; what is raised becomes an error of Flight."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - a handler's edge; what is chained would be sent along
        raise flight_error(error) from None
