"""Arrow Flight on the port of the HTTP API: tickets, rows, errors, tokens, and both protocols side by side."""

from __future__ import annotations

import json
import re
import socket
import threading
import urllib.request
from collections.abc import Iterator

import pyarrow as pa
import pytest
from influxdb_client_3 import InfluxDBClient3
from influxdb_client_3.exceptions.exceptions import InfluxDB3ClientQueryError
from pyarrow import flight

from procengine import Engine
from procengine.http import Server
from procengine.http.flight.protobuf import ProtobufError, read_fields, write_fields
from procengine.http.flight.ticket import (
    READ_INFO,
    STATEMENT_QUERY,
    Ticket,
    TicketError,
    format_command,
    format_ticket,
    parse_ticket,
)
from procengine.http.flight.tunnel import PREFACE

LOGICALLY = "Error while logically planning query: "
EXPECTED = '"Expected: an SQL statement, found: SELEC at Line: 1, Column: 1"'
LINES = "cpu,host=a usage=1.5,n=1i 1000\ncpu,host=b usage=2.5,n=2i 2000"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server on a free port, over a database with two rows."""
    with Engine(environ={}, http_bind="127.0.0.1:0") as engine:
        engine.write("db", LINES, precision="ns")
        with Server(engine) as running:
            assert running.wait_ready(30)
            yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[InfluxDBClient3]:
    """InfluxData's own client."""
    with InfluxDBClient3(host=server.url, token=server.token(), database="db") as made:
        yield made


def address(server: Server) -> str:
    """Return host and port."""
    assert server.url is not None
    return server.url.removeprefix("http://")


def options(server: Server, *headers: tuple[bytes, bytes]) -> flight.FlightCallOptions:
    """Return call options that show a token."""
    token = (b"authorization", b"Bearer " + server.token().encode())
    return flight.FlightCallOptions(headers=[token, *headers], timeout=60)


def get(server: Server, ticket: bytes) -> pa.Table:
    """Return what a ticket gets."""
    with flight.connect(f"grpc://{address(server)}") as connection:
        return connection.do_get(flight.Ticket(ticket), options(server)).read_all()


def test_rows_have_their_types_and_tags_are_text(client: InfluxDBClient3) -> None:
    """Times are nanoseconds without a zone; tags come as plain text, as from the original's encoder."""
    table = client.query("SELECT * FROM cpu ORDER BY time", mode="all")
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds == {"host": "string", "n": "int64", "time": "timestamp[ns]", "usage": "double"}
    assert table.column("host").to_pylist() == ["a", "b"]


def test_parameters_are_bound(client: InfluxDBClient3) -> None:
    """Text, integers, floats and booleans of the client's are values in the statement."""
    sql = "SELECT host FROM cpu WHERE host = $host AND n >= $n AND usage > $usage AND $yes"
    found = client.query(sql, query_parameters={"host": "b", "n": 2, "usage": 2.0, "yes": True})
    assert found.to_pylist() == [{"host": "b"}]


def test_result_of_no_rows_has_its_columns(client: InfluxDBClient3) -> None:
    """An empty result is a table, not an error."""
    table = client.query("SELECT host, usage FROM cpu WHERE n > 9", mode="all")
    assert (table.num_rows, table.column_names) == (0, ["host", "usage"])


def test_client_writes_and_reads_what_it_wrote(client: InfluxDBClient3) -> None:
    """HTTP and Flight are one port, as the client assumes."""
    client.write("disk,host=c used=3 3000")
    assert client.query("SELECT used FROM disk").to_pylist() == [{"used": 3.0}]


@pytest.mark.parametrize(
    ("sql", "database", "said", "kind"),
    [
        (
            "SELECT * FROM nope",
            "db",
            f"{LOGICALLY}Error during planning: table 'public.iox.nope' not found",
            pa.ArrowInvalid,
        ),
        (
            "SELECT * FROM cpu WHERE time > 5",
            "db",
            "Error while planning query: type_coercion: Error during planning: Cannot infer common argument",
            pa.ArrowInvalid,
        ),
        (
            "SELEC 1",
            "db",
            f"{LOGICALLY}SQL error: ParserError({EXPECTED}): sql parser error: Expected: 1",
            pa.ArrowInvalid,
        ),
        ("SELECT 1", "nowhere", "Database 'nowhere' not found", pa.ArrowKeyError),
        ("SELECT $x", "db", "No value found for placeholder with name $x", pa.ArrowInvalid),
        ("SELECT 1 / (n - n) FROM cpu", "db", "Divide by zero", flight.FlightInternalError),
        ("CREATE TABLE t (a int)", "db", "DDL not supported", pa.ArrowInvalid),
    ],
)
def test_errors_have_the_originals_code_and_say_what_is_wrong(
    server: Server, sql: str, database: str, said: str, kind: type[Exception]
) -> None:
    """Invalid argument, not found and internal, whether the statement fails when planned or when run."""
    with pytest.raises(kind, match=re.escape(said)) as raised:
        get(server, format_ticket(database, sql))
    assert "Traceback" not in str(raised.value)


@pytest.mark.parametrize(
    ("ticket", "told"),
    [
        (b"junk", "Invalid ticket. Error: Invalid ticket. Detail: Python exception: InvalidArgument. "),
        (
            format_ticket("nowhere", "SELECT 1"),
            "Database 'nowhere' not found. Detail: Python exception: NotFound. ",
        ),
        (
            b'{"database": "db", "sql_query": "SHOW", "query_type": "influxql"}',
            "InfluxQL is not supported; use SQL. Detail: Python exception: Unimplemented. ",
        ),
        (
            format_ticket("db", "SELECT 1 / (n - n) FROM cpu"),
            "Arrow error: Divide by zero error. Detail: Internal. ",
        ),
    ],
)
def test_errors_are_one_text_without_the_servers_frames(
    server: Server, ticket: bytes, told: str
) -> None:
    """A client is told what is wrong and of which kind that is, not where in the server it was found."""
    with pytest.raises(pa.ArrowException) as raised:
        get(server, ticket)
    text = str(raised.value)
    assert text.startswith(told)
    assert "Traceback" not in text
    assert ".py" not in text


def test_errors_of_other_calls_have_no_frames_either(server: Server) -> None:
    """What prepares or describes a statement is refused as a query is."""
    options = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.token()}".encode())])
    with flight.connect(f"grpc://{address(server)}") as connection:
        for call in (
            lambda: list(connection.do_action(flight.Action("CreatePreparedStatement", b"x"), options)),
            lambda: connection.get_flight_info(flight.FlightDescriptor.for_command(b"x"), options),
        ):
            with pytest.raises(pa.ArrowInvalid, match="a number is cut short or too long") as raised:
                call()
            assert "Traceback" not in str(raised.value)


def test_influxql_is_refused_in_words(client: InfluxDBClient3) -> None:
    """A query in InfluxQL says what to use instead."""
    with pytest.raises(InfluxDB3ClientQueryError, match="InfluxQL is not supported; use SQL") as raised:
        client.query("SHOW MEASUREMENTS", language="influxql")
    assert "Traceback" not in str(raised.value)


def test_without_a_good_token_nothing_is_answered(server: Server) -> None:
    """A missing, unknown or malformed token is refused on every call."""
    ticket = flight.Ticket(format_ticket("db", "SELECT 1"))
    with flight.connect(f"grpc://{address(server)}") as connection:
        for header in (None, b"Bearer wrong", b"Basic ???", b"Bearer"):
            headers = [] if header is None else [(b"authorization", header)]
            with pytest.raises(flight.FlightUnauthenticatedError, match="Unauthenticated"):
                connection.do_get(ticket, flight.FlightCallOptions(headers=headers)).read_all()


def test_every_scheme_admits(server: Server) -> None:
    """Bearer and Token, as over HTTP."""
    ticket = flight.Ticket(format_ticket("db", "SELECT 1 AS one"))
    with flight.connect(f"grpc://{address(server)}") as connection:
        for scheme in (b"Bearer ", b"Token "):
            headers = [(b"authorization", scheme + server.token().encode())]
            rows = connection.do_get(ticket, flight.FlightCallOptions(headers=headers)).read_all()
            assert rows.to_pylist() == [{"one": 1}]


def test_batches_are_sent_as_they_are_found(server: Server) -> None:
    """The first rows of a result that never ends arrive; a client that goes away ends its query."""
    sql = "SELECT a.value FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
    with flight.connect(f"grpc://{address(server)}") as connection:
        reader = connection.do_get(flight.Ticket(format_ticket("db", sql)), options(server))
        assert reader.read_chunk().data.num_rows > 0
        reader.cancel()


def test_flight_sql_statements_run_prepared_or_not(server: Server) -> None:
    """What ADBC and Grafana send: a statement's info with its schema, then its rows; the database is a header."""
    sql = "SELECT host FROM cpu ORDER BY host"
    named = options(server, (b"database", b"db"))
    with flight.connect(f"grpc://{address(server)}") as connection:
        command = format_command(STATEMENT_QUERY, write_fields([(1, sql.encode())]))
        info = connection.get_flight_info(flight.FlightDescriptor.for_command(command), named)
        assert info.schema.names == ["host"]
        rows = connection.do_get(info.endpoints[0].ticket, named).read_all()
        assert rows.to_pylist() == [{"host": "a"}, {"host": "b"}]

        request = format_command(
            "ActionCreatePreparedStatementRequest", write_fields([(1, sql.encode())])
        )
        (result,) = connection.do_action(flight.Action("CreatePreparedStatement", request), named)
        fields = dict(read_fields(dict(read_fields(result.body.to_pybytes()))[2]))  # type: ignore[arg-type]
        assert fields[1] == sql.encode()
        with pytest.raises(pa.ArrowInvalid, match="no 'database' header"):
            connection.get_flight_info(flight.FlightDescriptor.for_command(command), options(server))


def test_http_and_flight_share_the_port_at_once(server: Server, client: InfluxDBClient3) -> None:
    """Requests of either kind are answered while the other kind's go on."""
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(10):
                with urllib.request.urlopen(_request(server, "/health"), timeout=30) as answer:
                    assert answer.read() == b"OK"
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        assert client.query("SELECT count(*) AS n FROM cpu").to_pylist() == [{"n": 2}]
    for thread in threads:
        thread.join()
    assert errors == []


def test_first_bytes_may_come_one_by_one(server: Server) -> None:
    """However a connection's first bytes are cut, HTTP/1 is answered as HTTP/1 and HTTP/2 as HTTP/2."""
    host, _, port = address(server).partition(":")
    request = f"GET /health HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {server.token()}\r\n\r\n"
    for text, answer in (
        (request.encode(), b"HTTP/1.1 200"),
        (PREFACE + bytes.fromhex("000000040000000000"), b"\0"),
    ):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            for place in range(len(text)):
                connection.sendall(text[place : place + 1])
            assert connection.recv(65_536).startswith(answer)


def test_stop_ends_flight_and_its_connections() -> None:
    """After the stop no thread is left, and a connection that was open is closed."""
    before = set(threading.enumerate())
    with Engine(environ={}, http_bind="127.0.0.1:0") as engine:
        engine.write("db", LINES)
        running = Server(engine)
        running.start()
        assert get(running, format_ticket("db", "SELECT 1 AS one")).num_rows == 1
        connection = flight.connect(f"grpc://{address(running)}")
        connection.do_get(flight.Ticket(format_ticket("db", "SELECT 1")), options(running)).read_all()
        call = options(running)
        running.stop()
        with pytest.raises(flight.FlightUnavailableError):
            connection.do_get(flight.Ticket(format_ticket("db", "SELECT 1")), call).read_all()
        connection.close()
    assert {each.name for each in threading.enumerate()} - {each.name for each in before} == set()


def _request(server: Server, path: str) -> urllib.request.Request:
    assert server.url is not None
    return urllib.request.Request(
        server.url + path, headers={"Authorization": f"Bearer {server.token()}"}
    )


READ = write_fields([(1, b"db"), (2, b"SELECT 1")])


@pytest.mark.parametrize(
    "data",
    [
        b'{"database":"db","sql_query":"SELECT 1"}',
        b'{"namespace_name":"db","sql_query":"SELECT 1","query_type":"sql"}',
        b'{"bucket":"db","sql_query":"SELECT 1","params":{},"is_debug":true}',
        b'{"bucket-name":"db","sql_query":"SELECT 1","query_type":null,"other":1}',
        READ,
        READ + b"\x18\x01",
        format_command(READ_INFO, READ),
    ],
)
def test_tickets_of_every_form_are_understood(data: bytes) -> None:
    """JSON under each of the database's names, and protobuf bare or wrapped (section 12)."""
    assert parse_ticket(data) == Ticket(database="db", sql="SELECT 1", params={})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b"[]",
        b'{"database":"db"}',
        b'{"sql_query":"SELECT 1"}',
        b'{"database":1,"sql_query":"SELECT 1"}',
        b'{"database":"db","bucket":"db","sql_query":"SELECT 1"}',
        b'{"database":"db","sql_query":"SELECT 1","query_type":"flux"}',
        b'{"database":"db","sql_query":"SELECT 1","params":[1]}',
        format_command(STATEMENT_QUERY, READ),
        READ + b"\x18\x07",
        READ[:-1],
        write_fields([(1, b"db"), (2, b"SELECT $a"), (6, b"")]),
    ],
)
def test_what_is_no_ticket_is_refused_in_the_originals_words(data: bytes) -> None:
    """Unknown query types, missing or doubled names, bytes of no known form."""
    with pytest.raises(TicketError, match=r"^Invalid ticket"):
        parse_ticket(data)


def test_parameters_and_influxql_of_a_json_ticket() -> None:
    """They are kept as they came."""
    data = {"database": "db", "sql_query": "q", "params": {"a": 1}, "query_type": "influxql"}
    assert parse_ticket(json.dumps(data).encode()) == Ticket(
        database="db", sql="q", params={"a": 1}, is_influxql=True
    )


def test_protobuf_fields_come_back() -> None:
    """Numbers, long values and fixed sizes are read; what is cut short is refused at every length."""
    long = write_fields([(1, b"a" * 300), (2_000, b"")])
    assert read_fields(long) == [(1, b"a" * 300), (2_000, b"")]
    assert read_fields(b"\x08\x96\x01\x11abcdefgh\x1dabcd") == [(1, 150), (2, b"abcdefgh"), (3, b"abcd")]
    for size in range(1, 300):
        with pytest.raises(ProtobufError):
            read_fields(long[:size])
    for data in (b"\x00", b"\x0b", b"\xff" * 11):
        with pytest.raises(ProtobufError):
            read_fields(data)
