"""What does a write do, and which runs does it cause?

A body goes to the engine in pieces, so that a long write shows how far it is and can be interrupted between
two of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from procengine.errors import LineError, LineProtocolError, PartialWriteError
from procengine.model.run import Run
from procengine.model.write_result import WriteResult
from procengine_jupyter.pieces import Piece, line_pieces, table_pieces

if TYPE_CHECKING:
    from procengine.engine import Engine

WAIT_SECONDS = 2.0
"""How long a cell waits for the synchronous runs that its write caused."""

MOST_ERRORS = 1_000
"""Rejected lines that a long write keeps; all are counted by their pieces' own results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """How rows are to be stored; ``table``, ``tags`` and ``time_column`` are for tables."""

    precision: str = "auto"
    no_sync: bool = False
    accept_partial: bool = True
    table: str | None = None
    tags: Sequence[str] = ()
    time_column: str = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a write stored, over all its pieces.

    ``sequence_numbers`` are the flushes of its rows. ``interrupted`` says that it was stopped after
    ``lines_done`` of ``lines_total`` lines, or rows.
    """

    result: WriteResult
    duration_ns: int
    sequence_numbers: tuple[int, ...] = ()
    lines_done: int = 0
    lines_total: int = 0
    interrupted: bool = False


@dataclass(slots=True)
class _Sum:
    """The results of pieces, added up as they come."""

    result: WriteResult
    sequence_numbers: list[int] = field(default_factory=list)

    def add(self, piece: WriteResult) -> None:
        tables = dict(self.result.tables)
        for table, count in piece.tables.items():
            tables[table] = tables.get(table, 0) + count
        self.result = replace(
            self.result,
            tables=tables,
            new_database=self.result.new_database or piece.new_database,
            new_tables=(*self.result.new_tables, *piece.new_tables),
            new_columns=(*self.result.new_columns, *piece.new_columns),
            errors=(*self.result.errors, *piece.errors)[:MOST_ERRORS],
            wal_sequence_number=piece.wal_sequence_number or self.result.wal_sequence_number,
        )
        number = piece.wal_sequence_number
        if number is not None and number not in self.sequence_numbers:
            self.sequence_numbers.append(number)


def store(
    engine: Engine,
    database: str,
    data: bytes | pa.Table | Any,
    options: WriteOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Stored:
    """Store a body of line protocol, or a table, and return what was stored.

    ``progress`` is called before each piece but the first with the lines that are done and those there are.
    A `KeyboardInterrupt` between or within pieces ends the write; what was stored until then is in the result.

    Raises:
        LineProtocolError: nothing was stored. Line numbers count from the body's start.
        ProcengineError: a piece failed for another reason; the pieces before it are stored.
    """
    started = time.perf_counter_ns()
    pieces, total = _cut(data)
    summed, done, interrupted = _Sum(WriteResult(database=database)), 0, False
    try:
        for piece in pieces:
            if progress is not None and done:
                progress(done, total)
            summed.add(_store_piece(engine, database, piece, options))
            done += piece.line_count
    except KeyboardInterrupt:
        interrupted = True
    except LineProtocolError as error:
        if not summed.result.row_count:
            raise
        # Without partial writes a bad piece is rejected whole, but pieces before it are stored already.
        summed.add(WriteResult(database=database, errors=error.errors))
    if summed.result.errors and not summed.result.row_count:
        raise LineProtocolError(summed.result.errors)
    return Stored(
        result=summed.result,
        duration_ns=time.perf_counter_ns() - started,
        sequence_numbers=tuple(summed.sequence_numbers),
        lines_done=done,
        lines_total=total,
        interrupted=interrupted,
    )


def _cut(data: bytes | pa.Table | Any) -> tuple[Iterable[Piece], int]:
    """Return the pieces of a body, and how many lines or rows it has."""
    if isinstance(data, bytes):
        total = data.count(b"\n") + (not data.endswith(b"\n"))
        return line_pieces(data), total
    if isinstance(data, pa.Table):
        return table_pieces(data), data.num_rows
    return (Piece(data=data, first_line=1, line_count=len(data)),), len(data)


def _store_piece(engine: Engine, database: str, piece: Piece, options: WriteOptions) -> WriteResult:
    """Store one piece; errors have the line numbers of the whole body."""
    more: dict[str, Any] = {}
    if not isinstance(piece.data, bytes):
        more = {"table": options.table, "tags": options.tags, "time_column": options.time_column}
    try:
        return engine.write(
            database,
            piece.data,
            precision=options.precision,
            accept_partial=options.accept_partial,
            no_sync=options.no_sync,
            **more,
        )
    except PartialWriteError as error:
        return replace(error.result, errors=_moved(error.errors, piece))
    except LineProtocolError as error:
        raise LineProtocolError(_moved(error.errors, piece)) from error


def _moved(errors: Sequence[LineError], piece: Piece) -> tuple[LineError, ...]:
    return tuple(
        replace(error, line_number=error.line_number + piece.first_line - 1) for error in errors
    )


def wait_for_runs(engine: Engine, stored: Stored) -> tuple[bool, str]:
    """Wait for the synchronous runs that a write caused; tell whether all have ended, and else why not.

    The wait ends after two seconds, and by an interrupt, which leaves the runs alone.
    """
    if not stored.sequence_numbers or not engine.config.plugins_enabled:
        return True, ""
    try:
        done = engine.triggers.wait_caught_up(
            max(stored.sequence_numbers), WAIT_SECONDS, stored.result.database
        )
    except KeyboardInterrupt:
        return False, "the wait was interrupted; the rows are stored and runs go on"
    return done, ""


def runs_of(engine: Engine, stored: Stored) -> tuple[Run, ...]:
    """Return the runs that a write caused and that have ended, in the order in which they ended."""
    if not stored.sequence_numbers or not engine.config.plugins_enabled:
        return ()
    runs = engine.triggers.runs
    database = stored.result.database
    return tuple(
        run for number in stored.sequence_numbers for run in runs.of(number) if run.database == database
    )


def all_caught_up(engine: Engine, stored: Stored) -> bool:
    """Tell, without waiting, whether all synchronous runs that a write caused have ended."""
    if not stored.sequence_numbers or not engine.config.plugins_enabled:
        return True
    return engine.triggers.wait_caught_up(max(stored.sequence_numbers), 0, stored.result.database)
