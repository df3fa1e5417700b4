"""What is a database of another server that is attached here?

Queries of it go to the server, whole, in the server's SQL. Triggers on it are here, and so is what is written to it:
in the local database of the same name, its scratch database, which `Attachment.query_scratch` reads. With
``read_only=False`` the server gets each write first, and the scratch database what the server has acknowledged.

Differs: a plugin that queries what it has just written does not find it while the database is read-only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from procengine.attach.line_text import lines_of
from procengine.attach.remote_database import RemoteDatabase
from procengine.attach.tail import Tail
from procengine.attach.tail_options import TailOptions
from procengine.attach.tail_pages import tags_of
from procengine.clock import Clock
from procengine.errors import AlreadyExistsError, NotFoundError, QueryCancelledError, StoppedError
from procengine.model.line_group import ParsedLines
from procengine.model.precision import Precision
from procengine.remote import UnreachableServerError
from procengine.remote.tls import Tls
from procengine.remote.transport import Transport

if TYPE_CHECKING:
    from procengine.catalog import Catalog
    from procengine.query import QueryExecutor
    from procengine.write.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentTerms:
    """How a database is attached, so that it can be attached again by another engine of this process."""

    url: str
    token: str | None = field(repr=False)
    database: str
    name: str
    read_only: bool
    timeout_seconds: float
    tls: Tls
    tails: tuple[tuple[str, TailOptions], ...]


class Attachment:
    """One attached database, from its making until it is detached. Any thread.

    ``name`` is its name here, ``database`` the server's. The token is kept in memory alone.
    """

    def __init__(
        self,
        remote: RemoteDatabase,
        *,
        name: str,
        read_only: bool,
        token: str | None,
        catalog: Catalog,
        executor: QueryExecutor,
        writer: Writer,
        clock: Clock,
    ) -> None:
        self.name = name
        self.read_only = read_only
        self.url = remote.url
        self.database = remote.database
        self.timeout_seconds = remote.timeout_seconds
        self._remote = remote
        self._token = token
        self._server = Transport(
            remote.url,
            token=token,
            tls_ca=remote.tls.ca,
            tls_no_verify=remote.tls.no_verify,
            silence_seconds=remote.timeout_seconds,
        )
        self._catalog, self._executor, self._writer, self._clock = catalog, executor, writer, clock
        # Guards the counts and the tails.
        self._lock = threading.Lock()
        self._closed = False
        self._tails: tuple[Tail, ...] = ()
        self.queries = 0
        self.failed_queries = 0
        self.last_failure: str | None = None

    def __repr__(self) -> str:
        access = "read-only" if self.read_only else "written, too"
        tails = f", tail of {', '.join(one.table for one in self.tails)}" if self.tails else ""
        return f"<{self.name}: database {self.database} of {self.url}, {access}{tails}>"

    def query(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        check: Callable[[], None] | None = None,
    ) -> pa.Table:
        """Return what the server answers; see `procengine.attach.remote_database.RemoteDatabase.query`."""
        try:
            found = (
                self._remote.query(sql, params)
                if check is None
                else self._remote.query(sql, params, check=check)
            )
        except (QueryCancelledError, StoppedError):
            raise
        except Exception as error:
            with self._lock:
                self.queries += 1
                self.failed_queries += 1
                self.last_failure = str(error)
            raise
        with self._lock:
            self.queries += 1
        return found

    def tags_of(self, table: str) -> list[str]:
        """Return the tags of a table on the server; none where it has no such table."""
        return tags_of(self.query, table)

    def query_scratch(self, sql: str, params: Mapping[str, object] | None = None) -> pa.Table:
        """Return what a query finds in the scratch database here."""
        return self._executor.query(sql, self.name, params)

    def send(self, parsed: ParsedLines) -> str:
        """Have the server store the good lines of a body, all or none; return them, with a time each.

        Raises:
            RefusedByServerError: it did not, in its own words.
            UnreachableServerError: it did not say that it has; it may have.
        """
        lines = lines_of(parsed)
        if not lines:
            return ""
        params = {
            "db": self.database,
            "precision": Precision.NANOSECOND.value,
            "accept_partial": "false",
        }
        try:
            self._server.send("POST", "/api/v3/write_lp", params=params, body=lines).read()
        except UnreachableServerError as error:
            reason = str(error).partition(";")[0]
            raise UnreachableServerError(
                f"{self.url} has not acknowledged the rows, though it may have them: {reason}; nothing was "
                "stored here"
            ) from error
        return lines.decode()

    @property
    def tails(self) -> tuple[Tail, ...]:
        """The tables that are followed."""
        return self._tails

    def tail(self, table: str, options: TailOptions | None = None) -> Tail:
        """Follow a table: its new rows come to the triggers here as if they had been written here.

        Raises:
            AlreadyExistsError: it is followed.
            StoppedError: the database is attached no longer.
        """
        tail = Tail(table, options or TailOptions(), query=self._ask, here=self, clock=self._clock)
        with self._lock:
            if self._closed:
                raise StoppedError(f"database {self.name!r} is attached no longer")
            if any(one.table == table for one in self._tails):
                raise AlreadyExistsError(f"table {table!r} of {self.name!r} is followed already")
            self._tails = (*self._tails, tail)
        tail.start()
        return tail

    @property
    def terms(self) -> AttachmentTerms:
        """How it is attached; a tail goes on from where it is."""
        return AttachmentTerms(
            url=self.url,
            token=self._token,
            tls=self._remote.tls,
            database=self.database,
            name=self.name,
            read_only=self.read_only,
            timeout_seconds=self.timeout_seconds,
            tails=tuple((tail.table, tail.continued) for tail in self._tails),
        )

    def end_tail(self, table: str) -> None:
        """Follow a table no longer. Raises: NotFoundError: it is not followed."""
        with self._lock:
            found = next((one for one in self._tails if one.table == table), None)
            self._tails = tuple(one for one in self._tails if one is not found)
        if found is None:
            raise NotFoundError(f"table {table!r} of {self.name!r} is not followed")
        found.stop()

    def close(self) -> None:
        """End the tails and what is under way. Closing twice is allowed."""
        with self._lock:
            self._closed = True
        for tail in self._tails:
            tail.stop()
        self._remote.close()

    def kept_from_ns(self, table: str) -> int | None:
        """Return since when the scratch database keeps rows; see `procengine.attach.tail.Here`."""
        found = self._catalog.find_database(self.name)
        definition = None if found is None else found.tables.get(table)
        if found is None or definition is None:
            return None
        return found.cutoff_ns(definition, self._clock.now_ns())

    def has_scratch(self, table: str, columns: list[str]) -> list[str]:
        """Return those of the columns that a table of the scratch database has; see `procengine.attach.tail.Here`."""
        found = self._catalog.find_database(self.name)
        definition = None if found is None else found.tables.get(table)
        if definition is None:
            return []
        known = {"time", *(column.name for column in definition.schema.columns)}
        return [name for name in columns if name in known]

    def write_scratch(self, rows: pa.Table, table: str, tags: list[str]) -> int:
        """Store rows in the scratch database; see `procengine.attach.tail.Here`."""
        return self._writer.write(self.name, rows, table=table, tags=tags).row_count

    def _ask(self, sql: str, params: Mapping[str, object], check: Callable[[], None]) -> pa.Table:
        return self._remote.query(sql, params, check=check)
