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
from procengine.model.trigger_spec import AllTablesSpec, TableSpec, parse_trigger_spec
from procengine.model.write_result import WriteResult
from procengine_jupyter.held_interrupt import HeldInterrupt
from procengine_jupyter.pieces import Piece, line_pieces, table_pieces
from procengine_jupyter.render.write_card import PassedOver
from procengine_jupyter.run_chain import Flush, wait_for_chain

if TYPE_CHECKING:
    from procengine.engine import Engine

WAIT_SECONDS = 2.0
"""How long a cell waits for the synchronous runs that its write caused."""

WAIT_INTERRUPTED = "the wait was interrupted; the rows are stored and runs go on"

MOST_ERRORS = 1_000
"""Rejected lines of which a long write keeps the reason; all are counted."""


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

    ``sequence_numbers`` are the flushes of its rows, ``rejected`` counts the lines that were not stored; the
    result has the first of them. ``interrupted`` says that an interrupt came: the write ended after
    ``lines_done`` of ``lines_total`` lines, or rows.
    """

    result: WriteResult
    duration_ns: int
    sequence_numbers: tuple[int, ...] = ()
    rejected: int = 0
    lines_done: int = 0
    lines_total: int = 0
    interrupted: bool = False

    @property
    def flushes(self) -> frozenset[Flush]:
        """Where the rows are."""
        return frozenset((self.result.database, number) for number in self.sequence_numbers)


@dataclass(slots=True)
class _Sum:
    """The results of pieces, added up as they come."""

    result: WriteResult
    sequence_numbers: list[int] = field(default_factory=list)
    rejected: int = 0

    def add(self, piece: WriteResult) -> None:
        self.rejected += len(piece.errors)
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
    An interrupt ends the write after the piece that it comes in, whose rows are stored too.

    Raises:
        LineProtocolError: nothing was stored. Line numbers count from the body's start.
        ProcengineError: a piece failed for another reason; the pieces before it are stored.
        KeyboardInterrupt: a second interrupt came within one piece, whose rows may be stored or not.
    """
    started = time.perf_counter_ns()
    pieces, total = _cut(data)
    summed, done = _Sum(WriteResult(database=database)), 0
    with HeldInterrupt() as interrupt:
        for piece in pieces:
            if progress is not None and done:
                progress(done, total)
            summed.add(_store_piece(engine, database, piece, options, is_first=not done))
            done += piece.line_count
            if interrupt.arrived:
                break
    if summed.result.errors and not summed.result.row_count:
        raise LineProtocolError(summed.result.errors)
    return Stored(
        result=summed.result,
        duration_ns=time.perf_counter_ns() - started,
        sequence_numbers=tuple(summed.sequence_numbers),
        rejected=summed.rejected,
        lines_done=done,
        lines_total=total,
        interrupted=interrupt.arrived,
    )


def is_writable(value: object) -> bool:
    """Tell whether a variable can be a source of rows: text, bytes, an Arrow table, or a data frame."""
    return (
        isinstance(value, str | bytes)
        or hasattr(value, "__arrow_c_stream__")
        or hasattr(value, "columns")
    )


def _cut(data: bytes | pa.Table | Any) -> tuple[Iterable[Piece], int]:
    """Return the pieces of a body, and how many lines or rows it has."""
    if isinstance(data, bytes):
        total = data.count(b"\n") + (not data.endswith(b"\n"))
        return line_pieces(data), total
    if isinstance(data, pa.Table):
        return table_pieces(data), data.num_rows
    return (Piece(data=data, first_line=1, line_count=len(data)),), len(data)


def _store_piece(
    engine: Engine, database: str, piece: Piece, options: WriteOptions, *, is_first: bool
) -> WriteResult:
    """Store one piece; errors have the line numbers of the whole body.

    A later piece that is rejected whole, for want of partial writes, is a result: those before it are stored.
    """
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
        if is_first:
            raise
        return WriteResult(database=database, errors=_moved(error.errors, piece))


def _moved(errors: Sequence[LineError], piece: Piece) -> tuple[LineError, ...]:
    return tuple(
        replace(error, line_number=error.line_number + piece.first_line - 1) for error in errors
    )


def passed_over(engine: Engine, result: WriteResult) -> tuple[PassedOver, ...]:
    """Return the write triggers that watch tables which were written, and do not run."""
    if not result.row_count or not engine.config.plugins_enabled:
        return ()
    from procengine.processing.trigger_statistics import TriggerState

    idle = (
        TriggerState.DISABLED,
        TriggerState.PAUSED,
        TriggerState.FAILED,
        TriggerState.ELSEWHERE,
    )
    return tuple(
        PassedOver(
            database=one.trigger.database,
            trigger=one.trigger.name,
            state=one.state.value,
            reason=one.reason or "",
        )
        for one in engine.triggers.statistics()
        if one.state in idle
        and one.trigger.database == result.database
        and _watches(one.trigger.spec, result.tables)
    )


def _watches(spec: str, tables: Iterable[str]) -> bool:
    match parse_trigger_spec(spec):
        case TableSpec(table=table):
            return table in tables
        case AllTablesSpec():
            return True
    return False


def wait_for_runs(engine: Engine, stored: Stored) -> tuple[bool, str]:
    """Wait for the synchronous runs that a write caused; tell whether all have ended, and else why not.

    Runs that these cause by their writes are waited for as well. The wait ends after two seconds in all, and by an
    interrupt, which leaves the runs alone; after a write that was interrupted there is none.
    """
    if not stored.flushes or not engine.config.plugins_enabled:
        return True, ""
    if stored.interrupted:
        return all_caught_up(engine, stored), WAIT_INTERRUPTED
    try:
        return wait_for_chain(engine, stored.flushes, WAIT_SECONDS), ""
    except KeyboardInterrupt:
        return False, WAIT_INTERRUPTED


def all_caught_up(engine: Engine, stored: Stored) -> bool:
    """Tell, without waiting, whether all synchronous runs that a write caused, directly or not, have ended."""
    if not stored.flushes or not engine.config.plugins_enabled:
        return True
    return wait_for_chain(engine, stored.flushes, 0)
