"""Frozen records that the cards are tested with."""

from __future__ import annotations

from dataclasses import replace

from procengine.errors import LineError
from procengine.model.column import Column, ColumnType
from procengine.model.run import (
    CacheChange,
    Cause,
    CauseKind,
    LogEntry,
    LogLevel,
    Response,
    Run,
    RunFailure,
    RunOutcome,
)
from procengine.model.trigger import TriggerKind
from procengine.model.write_result import WriteResult

NOON_NS = 1_672_488_000_000_000_000
HOSTILE = "<script>alert('x\")</script>\x1b[31m\x00\u202e"
"""Markup, both quotes, an escape sequence, NUL and a character that reverses the text."""


def log(text: str, level: LogLevel = LogLevel.INFO, *, printed: bool = False) -> LogEntry:
    """Return a log entry of the run below."""
    return LogEntry(
        time_ns=NOON_NS, database="home", trigger="hot_rooms", level=level, text=text, printed=printed
    )


def run(**changes: object) -> Run:
    """Return a successful run of a write trigger, with some fields changed."""
    plain = Run(
        run_id=1,
        database="home",
        trigger="hot_rooms",
        plugin_filename="hot_rooms.py",
        kind=TriggerKind.WRITE,
        cause=Cause(kind=CauseKind.WRITE, wal_sequence_number=7),
        started_ns=NOON_NS,
        queue_wait_ns=20_000,
        duration_ns=1_240_000,
        cpu_ns=1_000_000,
        outcome=RunOutcome.SUCCESS,
        rows_in=3,
        writes={("home", "alerts"): 1},
        logs=(log("checked 3 rows"), log("kitchen is hot", LogLevel.WARN)),
    )
    return replace(plain, **changes)


def failed_run(**changes: object) -> Run:
    """Return a run that raised in line 4 of its cell."""
    failure = RunFailure(
        type_name="KeyError",
        message="KeyError: 'temp'",
        traceback_text=(
            "Traceback (most recent call last):\n"
            '  File "/tmp/cells/1.py", line 4, in process_writes\n'
            "    row['temp']\n"
            "KeyError: 'temp'\n"
        ),
        filename="/tmp/cells/1.py",
        line_number=4,
    )
    return run(**({"outcome": RunOutcome.ERROR, "failure": failure, "writes": {}} | changes))


def response(body: bytes, content_type: str = "application/json", status: int = 200) -> Response:
    """Return a response of a request trigger."""
    return Response(status=status, headers=(("Content-Type", content_type),), body=body)


CHANGES = (
    CacheChange(key="count", use_global=False, before="1", after="2"),
    CacheChange(key="gone", use_global=True, before="'x'", after=None),
)


def write_result(**changes: object) -> WriteResult:
    """Return the result of a write that made a table."""
    plain = WriteResult(
        database="home",
        tables={"room": 3},
        new_database=True,
        new_tables=("room",),
        new_columns=(
            ("room", Column("temp", ColumnType.FLOAT)),
            ("room", Column("name", ColumnType.TAG)),
        ),
        wal_sequence_number=7,
    )
    return replace(plain, **changes)


def line_error(text: str = "room temp=x", line_number: int = 2) -> LineError:
    """Return the reason why a line was rejected."""
    return LineError(
        message="invalid field value", line_number=line_number, original_line=text, column=11
    )
