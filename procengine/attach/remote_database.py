"""How does a query get to another server, and its rows back, while the caller can be interrupted?

By InfluxData's own client, over Flight. gRPC's calls wait where no interrupt reaches, so each is made on a thread of
its own (``procengine-remote-N``), and the caller waits for it in slices. A caller that leaves cancels the call; the
thread ends when gRPC lets go of it, at the latest by the time limit of the query.

Differs: a plugin's query of an attached database may take ``timeout_seconds``; the original's has no limit.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pyarrow as pa

from procengine.errors import InvalidInputError, ProcengineError, StoppedError
from procengine.model.column import ColumnType
from procengine.remote.tls import Tls

if TYPE_CHECKING:
    from influxdb_client_3 import InfluxDBClient3

SLICE_SECONDS: Final = 0.05
"""How long a caller waits at a stretch."""
LEAVE_SECONDS: Final = 2.0
"""How long an end waits for calls that were cancelled; what gRPC still holds ends by its time limit."""
MISSING: Final = (
    "databases of other servers are read by the package influxdb3-python, which is not installed: "
    "pip install 'procengine[remote]'"
)
IOX_TYPE: Final = b"iox::column::type"

_numbers = itertools.count(1)


def _go_on() -> None:
    """Find no reason to leave."""


class RemoteDatabase:
    """One database of a server. Any thread may query, several at once.

    The token is kept in memory alone, and shown nowhere.

    Raises:
        InvalidInputError: (of the construction) the client is not installed, the URL is none of HTTP, or the
            certificate authority cannot be read.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        database: str,
        *,
        timeout_seconds: float,
        tls: Tls,
    ) -> None:
        self.url = url
        self.tls = tls
        self.database = database
        self.timeout_seconds = timeout_seconds
        self._client = _client(url, token, database, timeout_seconds, tls)
        # Guards the two below.
        self._lock = threading.Lock()
        self._calls: set[_Call] = set()
        self._closed = False

    def query(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        check: Callable[[], None] = _go_on,
    ) -> pa.Table:
        """Return all rows of a statement, which goes to the server as it is; types are those of local results.

        ``check`` is called about every 50 ms while the server works; what it raises ends the query.

        Raises:
            QueryError, DatabaseNotFoundError: in the server's words.
            RefusedByServerError: it does not accept the token.
            UnreachableServerError: it could not be reached, or did not answer in time.
            StoppedError: it is attached no longer.
            KeyboardInterrupt: on the main thread; the query is cancelled.
        """
        call = _Call(self._client, sql, {name: _plain(value) for name, value in (params or {}).items()})
        with self._lock:
            if self._closed:
                raise StoppedError(f"database {self.database!r} of {self.url} is attached no longer")
            self._calls.add(call)
        try:
            call.thread.start()
            while not call.ended.wait(SLICE_SECONDS):
                check()
        finally:
            call.cancel()
            with self._lock:
                self._calls.discard(call)
        return self._outcome(call)

    def close(self) -> None:
        """Cancel what is under way, and query no more. Closing twice is allowed."""
        with self._lock:
            was_closed, self._closed = self._closed, True
            calls = tuple(self._calls)
        for call in calls:
            call.cancel()
        for call in calls:
            call.thread.join(LEAVE_SECONDS)
        if not was_closed:
            self._client.close()  # type: ignore[no-untyped-call]

    def _outcome(self, call: _Call) -> pa.Table:
        failure = call.failure
        if failure is None:
            assert call.result is not None
            return _as_local(call.result)
        with self._lock:
            if self._closed:
                raise StoppedError(f"database {self.database!r} of {self.url} is attached no longer")
        from procengine.attach.flight_faults import fault_of

        cause = failure if isinstance(failure, pa.ArrowException) else failure.__context__
        if isinstance(cause, pa.ArrowException):
            raise fault_of(cause, self.url, self.database, self.timeout_seconds) from None
        if isinstance(failure, ProcengineError):
            raise failure
        raise InvalidInputError(f"cannot ask {self.url}: {failure}") from failure


class _Call:
    """One query on its thread."""

    def __init__(self, client: InfluxDBClient3, sql: str, params: Mapping[str, object]) -> None:
        self._client, self._sql, self._params = client, sql, params
        self.ended = threading.Event()
        self.result: pa.Table | None = None
        self.failure: BaseException | None = None
        # Guards the two below, so that a reader that comes late is cancelled, too.
        self._lock = threading.Lock()
        self._reader: Any = None
        self._cancelled = False
        self.thread = threading.Thread(
            target=self._run, name=f"procengine-remote-{next(_numbers)}", daemon=True
        )

    def cancel(self) -> None:
        """Have the server stop; nothing happens to a call that has ended."""
        with self._lock:
            self._cancelled = True
            reader = self._reader
        if reader is not None and not self.ended.is_set():
            reader.cancel()

    def _run(self) -> None:
        try:
            self.result = self._read()
        except BaseException as failure:  # noqa: BLE001 - raised again on the caller's thread
            self.failure = failure
        self.ended.set()

    def _read(self) -> pa.Table:
        reader = self._client.query(self._sql, mode="chunk", query_parameters=self._params or None)
        with self._lock:
            self._reader = reader
            if self._cancelled:
                reader.cancel()
        # Not `read_all`: a call of that which is cancelled sends the process an interrupt.
        batches: list[pa.RecordBatch] = []
        try:
            while True:
                batches.append(reader.read_chunk().data)
        except StopIteration:
            return pa.Table.from_batches(batches, reader.schema)


def _client(
    url: str, token: str | None, database: str, timeout_seconds: float, tls: Tls
) -> InfluxDBClient3:
    try:
        from influxdb_client_3 import InfluxDBClient3
    except ModuleNotFoundError as error:
        raise InvalidInputError(MISSING) from error
    client: InfluxDBClient3 = InfluxDBClient3(  # type: ignore[no-untyped-call]
        host=address_with_port(url),
        token=token or "",
        database=database,
        query_timeout=max(1, round(timeout_seconds * 1000)),
        verify_ssl=not tls.no_verify,
        # The token goes where the URL says, as those of commands do, and by no proxy of the environment.
        flight_client_options={
            "generic_options": [("grpc.enable_http_proxy", 0)],
            **tls.flight_options(),
        },
    )
    return client


def address_with_port(url: str) -> str:
    """Return an address with its port, for which the client takes 443 of whatever scheme.

    Raises: InvalidInputError: it is none of HTTP, or has a password in it, which would be shown.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInputError(f"cannot attach from {url!r}: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidInputError(
            f"cannot attach from {url!r}; accepted: a URL such as http://127.0.0.1:8181 or https://db.example.com"
        )
    if parts.username is not None or parts.password is not None:
        raise InvalidInputError(
            f"cannot attach from a URL with a user of {parts.hostname!r}; accepted: the address alone, as the token "
            "is given beside it"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port or (443 if parts.scheme == 'https' else 80)}"


def _plain(value: object) -> object:
    """Return a parameter as JSON can say it.

    Raises: InvalidInputError: it cannot.
    """
    value = value.as_py() if isinstance(value, pa.Scalar) else value
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise InvalidInputError(
        f"cannot bind a parameter: a value of type {type(value).__name__} is not accepted; expected str, bool, "
        "int, float or None"
    )


def _as_local(table: pa.Table) -> pa.Table:
    """Return a result with tags as a local one has them; on the wire they are text."""
    for number, field in enumerate(table.schema):
        is_tag = (field.metadata or {}).get(IOX_TYPE) == ColumnType.TAG.iox_name.encode()
        if is_tag and field.type == pa.utf8():
            column = table.column(number).dictionary_encode()
            table = table.set_column(number, pa.field(field.name, column.type), column)
    return table.replace_schema_metadata(None)
