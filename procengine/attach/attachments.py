"""Where does a query, or a write, of a database belong?

To the server that it is attached from, or to the engine. `Attachments` stands before the engine's queries and writes,
those of plugins as well as its users'.

What is attached is known in memory alone, its token with it: another engine has to attach it again. Its name and
server are recorded, so that it can be said that it was.
The HTTP API does not pass on queries, which would let a token for this engine read another server: it answers from
the scratch database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from procengine.attach.former_attachments import FormerAttachment, FormerAttachments
from procengine.errors import (
    AlreadyExistsError,
    InvalidInputError,
    LineProtocolError,
    NotFoundError,
    PartialWriteError,
    ProcengineError,
    StoppedError,
    WriteFailedError,
)
from procengine.model.names import INTERNAL_DATABASE, check_database_name
from procengine.model.precision import Precision
from procengine.model.write_result import WriteResult
from procengine.query.cancellation import QueryCancellation

if TYPE_CHECKING:
    from procengine.attach.attachment import Attachment, AttachmentTerms
    from procengine.attach.tail_options import TailOptions
    from procengine.catalog import Catalog
    from procengine.clock import Clock
    from procengine.model.line_group import ParsedLines
    from procengine.query import QueryExecutor
    from procengine.remote.tls import Tls
    from procengine.write.writer import Writer


class Attachments:
    """The attached databases of an engine. Any thread."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        executor: QueryExecutor,
        writer: Writer,
        clock: Clock,
        former: FormerAttachments,
    ) -> None:
        self._catalog, self._executor, self._writer, self._clock = catalog, executor, writer, clock
        self._former = former
        # Guards changes of the mapping, which is replaced and never changed, so that it is read without.
        self._lock = threading.Lock()
        self._by_name: Mapping[str, Attachment] = {}
        self._closed = False

    def all(self) -> tuple[Attachment, ...]:
        """Return the attached databases, oldest first."""
        return tuple(self._by_name.values())

    def former(self) -> tuple[FormerAttachment, ...]:
        """Return what an engine before this one had attached: the names that mean local databases again."""
        local = {one.name for one in self._catalog.databases}
        return tuple(
            one for one in self._former.all() if one.name not in self._by_name and one.name in local
        )

    def find(self, name: str) -> Attachment | None:
        """Return what is attached by a name."""
        return self._by_name.get(name)

    def get(self, name: str) -> Attachment:
        """Return what is attached by a name. Raises: NotFoundError."""
        found = self._by_name.get(name)
        if found is None:
            known = ", ".join(self._by_name) or "none is"
            raise NotFoundError(f"no database is attached by the name {name!r}; attached: {known}")
        return found

    def attach(
        self,
        url: str,
        token: str | None,
        database: str,
        *,
        name: str | None,
        read_only: bool,
        tail: Sequence[str],
        tail_options: TailOptions | None,
        timeout_seconds: float,
        ask_first: bool,
        tls: Tls,
    ) -> Attachment:
        """Attach a database; see `procengine.engine.Engine.attach`."""
        from procengine.attach.attachment import Attachment
        from procengine.attach.remote_database import RemoteDatabase
        from procengine.attach.tail_options import TailOptions

        here = database if name is None else name
        if here == INTERNAL_DATABASE:
            raise InvalidInputError(f"{here!r} is the engine's own; give another name for it here")
        check_database_name(here)
        if isinstance(tail, str):
            tail = (tail,)
        if not 0 < timeout_seconds <= 86_400:
            raise InvalidInputError(
                f"timeout_seconds cannot be {timeout_seconds:g}; accepted: more than 0, at most 86400"
            )
        self._check_free(here)
        remote = RemoteDatabase(url, token, database, timeout_seconds=timeout_seconds, tls=tls)
        try:
            attachment = Attachment(
                remote,
                name=here,
                read_only=read_only,
                token=token,
                catalog=self._catalog,
                executor=self._executor,
                writer=self._writer,
                clock=self._clock,
            )
            if ask_first:
                remote.query("SELECT 1")
            if self._catalog.find_database(here) is None:
                self._catalog.create_database(here)
            with self._lock:
                self._check_free(here)
                self._by_name = {**self._by_name, here: attachment}
            self._former.put(FormerAttachment(name=here, url=url, database=database))
        except BaseException:
            remote.close()
            raise
        for table in dict.fromkeys(tail):
            attachment.tail(table, tail_options or TailOptions())
        return attachment

    def attach_again(self, terms: AttachmentTerms) -> Attachment:
        """Attach a database as another engine had it attached; its server is not asked. See `attach`."""
        attachment = self.attach(
            terms.url,
            terms.token,
            terms.database,
            name=terms.name,
            read_only=terms.read_only,
            tail=(),
            tail_options=None,
            timeout_seconds=terms.timeout_seconds,
            ask_first=False,
            tls=terms.tls,
        )
        for table, options in terms.tails:
            attachment.tail(table, options)
        return attachment

    def detach(self, name: str) -> None:
        """Let a database go: queries of its name find the scratch database from now on.

        Raises: NotFoundError: it is not attached.
        """
        found = self.get(name)
        with self._lock:
            self._by_name = {key: one for key, one in self._by_name.items() if one is not found}
        self._former.remove(name)
        found.close()

    def close(self) -> None:
        """End all that goes on with other servers; their names are still theirs. Closing twice is allowed."""
        with self._lock:
            self._closed = True
        for one in self.all():
            one.close()

    def query(
        self,
        sql: str,
        database: str,
        params: Mapping[str, object] | None = None,
        *,
        check: Callable[[], None] | None = None,
    ) -> pa.Table:
        """Return all rows of a statement, from where its database is.

        ``check`` is called about every 50 ms while this waits; what it raises ends the query.
        """
        attached = self._by_name.get(database)
        if attached is not None:
            return attached.query(sql, params, check=check or _check_of_run())
        cancellation = None if check is None else QueryCancellation(check)
        return self._executor.query(sql, database, params, cancellation=cancellation)

    def write_lines(self, database: str, lines: str, *, no_sync: bool, depth: int) -> WriteResult:
        """Store the lines of a plugin; see `procengine.write.writer.Writer.write_lines`."""
        attached = self._by_name.get(database)
        if attached is None or attached.read_only:
            return self._writer.write_lines(database, lines, no_sync=no_sync, depth=depth)
        parsed = self._writer.read(lines, Precision.NANOSECOND)
        sent = self._send(attached, parsed)
        return _here_too(
            attached, lambda: self._writer.write_lines(database, sent, no_sync=no_sync, depth=depth)
        )

    def check_lines(self, database: str, lines: str) -> Sequence[object]:
        """Return what would be rejected here; see `procengine.write.writer.Writer.check_lines`."""
        return self._writer.check_lines(database, lines)

    def write(
        self,
        database: str,
        data: Any,
        *,
        precision: str | Precision = Precision.AUTO,
        accept_partial: bool = True,
        no_sync: bool = False,
        table: str | None = None,
        tags: Sequence[str] = (),
        time_column: str = "time",
    ) -> WriteResult:
        """Store rows where their database is; see `procengine.write.writer.Writer.write`.

        A server takes the good rows of a write all or none.
        """
        attached = self._by_name.get(database)
        if attached is None or attached.read_only:
            return self._writer.write(
                database,
                data,
                precision=precision,
                accept_partial=accept_partial,
                no_sync=no_sync,
                table=table,
                tags=tags,
                time_column=time_column,
            )
        scale = precision if isinstance(precision, Precision) else Precision.parse(precision)
        parsed = self._writer.read(data, scale, table=table, tags=tags, time_column=time_column)
        if parsed.errors and (not accept_partial or not parsed.groups):
            raise LineProtocolError(parsed.errors)
        sent = self._send(attached, parsed)
        result = _here_too(
            attached,
            lambda: self._writer.write(
                database,
                sent,
                precision=Precision.NANOSECOND,
                accept_partial=False,
                no_sync=no_sync,
            ),
        )
        if parsed.errors:
            raise PartialWriteError(parsed.errors, replace(result, errors=parsed.errors))
        return result

    def _send(self, attached: Attachment, parsed: ParsedLines) -> str:
        """Have the server store lines that the scratch database will take, too; return them."""
        if parsed.errors and not parsed.groups:
            raise LineProtocolError(parsed.errors)
        faults = self._writer.check(attached.name, parsed)
        if len(faults) > len(parsed.errors):  # beyond those that are not sent
            raise LineProtocolError(faults)
        return attached.send(parsed)

    def _check_free(self, name: str) -> None:
        if self._closed:
            raise StoppedError("the engine is stopped")
        found = self._by_name.get(name)
        if found is not None:
            raise AlreadyExistsError(
                f"cannot attach by the name {name!r}: {found!r} is; detach it first, or give another name"
            )


def _here_too(attached: Attachment, write: Callable[[], WriteResult]) -> WriteResult:
    """Store here what the server has stored.

    Raises: WriteFailedError: it could not be.
    """
    try:
        return write()
    except ProcengineError as error:
        raise WriteFailedError(
            f"{attached.url} has stored the rows, but the scratch database {attached.name!r} here has not, and no "
            f"trigger here will see them: {error}"
        ) from error


def _check_of_run() -> Callable[[], None] | None:
    """Return what ends a query of a run that is cancelled; None outside of runs that another thread can cancel."""
    from procengine.processing.active_run import current_run

    run = current_run.get(None)
    return None if run is None or run.thread is None else run.thread.check
