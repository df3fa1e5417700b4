"""What does a ticket ask for?

Clients of InfluxDB send JSON; those of Flight SQL get their tickets from us. A protobuf ``ReadInfo``, bare or wrapped
as ``Any``, is understood as well.

Source: core/service_grpc_flight/src/request.rs, IoxGetRequest; flight.proto, ReadInfo; Apache Arrow, FlightSql.proto.
Differs: parameters of a protobuf ticket are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from procengine.http.flight.protobuf import ProtobufError, read_fields, text_of, write_fields

READ_INFO: Final = "type.googleapis.com/influxdata.iox.querier.v1.ReadInfo"
STATEMENT_QUERY: Final = "type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery"
PREPARED_STATEMENT_QUERY: Final = (
    "type.googleapis.com/arrow.flight.protocol.sql.CommandPreparedStatementQuery"
)

_DATABASE_NAMES: Final = ("database", "namespace_name", "bucket", "bucket-name")
_SQL, _INFLUXQL = "sql", "influxql"
_QUERY_TYPES: Final = {0: _SQL, 1: _SQL, 2: _INFLUXQL}


class TicketError(ValueError):
    """A ticket is none that is understood."""

    def __init__(self, text: str = "Invalid ticket. Error: Invalid ticket") -> None:
        super().__init__(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A query to be run."""

    database: str
    sql: str
    params: Mapping[str, object]
    is_influxql: bool = False


def parse_ticket(data: bytes) -> Ticket:
    """Return what a ticket asks for.

    Raises: TicketError.
    """
    for read in (_any, _read_info, _json):
        try:
            found = read(data)
        except (ProtobufError, ValueError, TypeError):
            continue
        if found is not None:
            return found
    raise TicketError


def format_ticket(database: str, sql: str) -> bytes:
    """Return a ticket that `parse_ticket` understands."""
    return json.dumps({"database": database, "sql_query": sql}).encode()


def parse_command(data: bytes) -> tuple[str, bytes]:
    """Return the type address and the value of a Flight SQL command.

    Raises: ProtobufError: it is none.
    """
    fields = dict(read_fields(data))
    kind, value = fields.get(1, b""), fields.get(2, b"")
    if not isinstance(value, bytes):
        raise ProtobufError("a command has no value")
    return text_of(kind), value


def format_command(kind: str, value: bytes) -> bytes:
    """Return a message of Flight SQL, wrapped as it is sent."""
    return write_fields([(1, kind.encode()), (2, value)])


def statement_of(value: bytes) -> str:
    """Return the statement of a ``CommandStatementQuery``, or the handle of a prepared one.

    Raises: ProtobufError: there is none.
    """
    return text_of(dict(read_fields(value)).get(1, b""))


def _any(data: bytes) -> Ticket | None:
    """Return the ticket wrapped in an ``Any``; None for an ``Any`` of another type, or for something else."""
    kind, value = parse_command(data)
    return _read_info(value) if kind == READ_INFO else None


def _read_info(data: bytes) -> Ticket | None:
    fields = read_fields(data)
    if not {number for number, _ in fields} <= {1, 2, 3, 5}:  # 4: a Flight SQL command; 6: parameters
        return None
    values = dict(fields)
    if not values.get(1) or values[1].startswith(b"type.googleapis.com/"):  # type: ignore[union-attr]
        return None
    query_type = _QUERY_TYPES.get(values.get(3, 0))  # type: ignore[arg-type]
    if query_type is None:
        return None
    return Ticket(
        database=text_of(values.get(1, b"")),
        sql=text_of(values.get(2, b"")),
        params={},
        is_influxql=query_type == _INFLUXQL,
    )


def _json(data: bytes) -> Ticket | None:
    fields = json.loads(data.decode("utf-8"))
    match fields:
        case {"sql_query": str(sql)}:
            databases = [fields[name] for name in _DATABASE_NAMES if name in fields]
        case _:
            return None
    match databases, fields.get("query_type") or _SQL, fields.get("params") or {}:
        case [str(database)], ("sql" | "influxql") as kind, dict(params):
            return Ticket(database=database, sql=sql, params=params, is_influxql=kind == _INFLUXQL)
    return None
