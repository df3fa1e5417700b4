"""How do lines, DataFrames and Arrow tables become durable rows?

The one door for writes, from users and plugins alike: check the database's name, read, validate against the catalog
(which commits new columns), append to the write-ahead log, wait for the flush. Any thread may write; the caller's
thread does all up to the log, the flush thread the rest.

Source: influxdb3_write/src/write_buffer/mod.rs, WriteBufferImpl::write_lp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from procengine.clock import Clock
from procengine.errors import InvalidInputError, LineError, LineProtocolError, PartialWriteError
from procengine.model.line_group import ParsedLines
from procengine.model.line_protocol import read_lines
from procengine.model.names import check_database_name
from procengine.model.precision import Precision
from procengine.model.table_rows import TableRows
from procengine.model.write_result import WriteResult
from procengine.write.validator import Validated, check, validate
from procengine.write.write_tally import WriteStatistics, WriteTally

if TYPE_CHECKING:
    import pandas as pd

    from procengine.catalog import Catalog

EMPTY_WRITE = "incoming write was empty"


class PendingFlush(Protocol):
    """A promise of the log that rows will be durable."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the flush; return its sequence number."""
        ...


class Log(Protocol):
    """What a writer needs of the write-ahead log."""

    def append(self, rows: Sequence[TableRows]) -> PendingFlush:
        """Take rows into the next flush."""
        ...


class Writer:
    """Takes writes to any database of the catalog."""

    def __init__(self, *, catalog: Catalog, log: Log, clock: Clock) -> None:
        self._catalog = catalog
        self._log = log
        self._clock = clock
        self._tally = WriteTally()

    def write(
        self,
        database: str,
        data: str | bytes | pa.Table | pa.RecordBatch | pd.DataFrame,
        *,
        precision: str | Precision = Precision.AUTO,
        accept_partial: bool = True,
        no_sync: bool = False,
        table: str | None = None,
        tags: Sequence[str] = (),
        time_column: str = "time",
    ) -> WriteResult:
        """Store rows; return what was stored once they are durable and can be queried.

        ``data`` is line protocol, or a pandas DataFrame or Arrow table, which needs ``table`` and may name its
        ``tags``; a null cell is a column that the row does not have. The database, tables and columns are made
        when they do not exist. With ``no_sync`` the call returns once the rows are validated and in memory.

        Raises:
            PartialWriteError: lines were rejected, the others are stored (``accept_partial``); ``result`` says which.
            LineProtocolError: a line was rejected and nothing is stored (without ``accept_partial``).
            InvalidNameError, LimitExceededError: nothing is stored.
            WriteFailedError: the rows could not be made durable, and were not acknowledged.
        """
        check_database_name(database)
        scale = precision if isinstance(precision, Precision) else Precision.parse(precision)
        began = perf_counter()
        parsed = self.read(data, scale, table=table, tags=tags, time_column=time_column)
        return self._store(
            database,
            parsed,
            accept_partial=accept_partial,
            no_sync=no_sync,
            size_bytes=len(data) if isinstance(data, str | bytes) else 0,
            began=began,
        )

    def write_lines(self, database: str, lines: str, *, no_sync: bool, depth: int) -> WriteResult:
        """Store the lines of a plugin: nanoseconds, all or none, with the looser rule for database names.

        ``depth`` counts the runs in the chain that led here, and is kept with the rows.

        Raises:
            LineProtocolError: a line was rejected and nothing is stored.

        Source: influxdb3_processing_engine/src/write.rs (precision, accept_partial).
        """
        check_database_name(database, from_plugin=True)
        began = perf_counter()
        parsed = self._read_text(lines, Precision.NANOSECOND)
        return self._store(
            database,
            parsed,
            accept_partial=False,
            no_sync=no_sync,
            depth=depth,
            from_plugin=True,
            size_bytes=len(lines),
            began=began,
        )

    def statistics(self) -> WriteStatistics:
        """Return how much was written, and how long that took."""
        return self._tally.read()

    def check_lines(self, database: str, lines: str) -> tuple[LineError, ...]:
        """Return what `write_lines` would reject, and change nothing."""
        check_database_name(database, from_plugin=True)
        return self.check(database, self._read_text(lines, Precision.NANOSECOND))

    def check(self, database: str, parsed: ParsedLines) -> tuple[LineError, ...]:
        """Return what of a body that was read would be rejected, and change nothing."""
        return check(parsed, catalog=self._catalog, database=database)

    def read(
        self,
        data: object,
        precision: Precision,
        *,
        table: str | None = None,
        tags: Sequence[str] = (),
        time_column: str = "time",
    ) -> ParsedLines:
        """Read lines, a DataFrame or an Arrow table as `write` does, and store nothing.

        Raises: InvalidInputError: there is nothing in it, or it cannot be read as a table.
        """
        if isinstance(data, str | bytes):
            if table is not None or tags:
                raise InvalidInputError(
                    "line protocol names its table and tags itself; table= and tags= are for DataFrames and Arrow"
                )
            return self._read_text(data, precision)
        if table is None:
            raise InvalidInputError(
                f"cannot write a {type(data).__name__} without its table's name; give table='...' (and tags=[...]), "
                "or write line protocol as str or bytes"
            )
        from procengine.write.tabular import read_table

        return read_table(
            data,
            table=table,
            tags=tags,
            time_column=time_column,
            precision=precision,
            default_time_ns=self._clock.now_ns(),
            time_required=True,
        )

    def _read_text(self, data: str | bytes, precision: Precision) -> ParsedLines:
        if not data:
            raise InvalidInputError(EMPTY_WRITE)
        return read_lines(data, precision=precision, default_time_ns=self._clock.now_ns())

    def _store(
        self,
        database: str,
        parsed: ParsedLines,
        *,
        accept_partial: bool,
        no_sync: bool,
        depth: int = 0,
        from_plugin: bool = False,
        size_bytes: int,
        began: float,
    ) -> WriteResult:
        try:
            validated = validate(
                parsed,
                catalog=self._catalog,
                database=database,
                accept_partial=accept_partial,
                depth=depth,
                from_plugin=from_plugin,
            )
        except LineProtocolError as error:
            self._tally.count(database, lines=0, rejected=len(error.errors), size_bytes=0, seconds=0)
            raise
        result = self._append(validated, no_sync=no_sync)
        self._tally.count(
            database,
            lines=result.row_count,
            rejected=len(validated.errors),
            size_bytes=size_bytes,
            seconds=perf_counter() - began,
        )
        if not validated.errors:
            return result
        if accept_partial:
            raise PartialWriteError(validated.errors, result)
        raise LineProtocolError(validated.errors)

    def _append(self, validated: Validated, *, no_sync: bool) -> WriteResult:
        if not validated.rows:
            return validated.result
        pending = self._log.append(validated.rows)
        if no_sync:
            return validated.result
        return replace(validated.result, wal_sequence_number=pending.wait())
