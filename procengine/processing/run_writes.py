"""What becomes of the lines that a run queued?

One write a database, after the entry point returned. A write that is refused is reported, and is no failure of the
run that would be retried.

Source: influxdb3_processing_engine/src/plugins.rs, handle_return_state and DryRunWriteHandler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from procengine.errors import InvalidNameError, LineProtocolError, ProcengineError
from procengine.model.names import check_database_name
from procengine.processing.active_run import ActiveRun
from procengine.processing.endpoints import WriteEndpoint
from procengine.processing.local_api import cannot_write_text


def write_queued(run: ActiveRun, queued: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Write the lines of each database; return the original's text for each write that was refused.

    Differs: where a line is at fault, a second line of the text shows it.
    """
    faults = []
    for database, lines in queued.items():
        try:
            check_database_name(database, from_plugin=True)
        except InvalidNameError:
            faults.append(f"invalid database name: {database}")
            continue
        try:
            run.write_as_engine(database, lines)
        except ProcengineError as error:
            where = ""
            if isinstance(error, LineProtocolError):
                first = error.errors[0]
                where = f"\nline {first.line_number} of the batch: {first.original_line}"
            faults.append(f"error writing back lines to {database}: {cannot_write_text(error)}{where}")
    return tuple(faults)


def keep_queued(run: ActiveRun, queued: Mapping[str, list[str]]) -> None:
    """Add the lines that a dry run queued to those that it wrote synchronously."""
    for database, lines in queued.items():
        run.write_as_engine(database, lines)


def check_kept_lines(write: WriteEndpoint, lines: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return what the live schema would refuse of the lines that a dry run kept; change nothing."""
    faults: list[str] = []
    for database, texts in lines.items():
        try:
            check_database_name(database, from_plugin=True)
        except InvalidNameError as error:
            faults.append(f"database name {database} is invalid: {error}")
            continue
        try:
            found = write.check_lines(database, "\n".join(texts))
        except ProcengineError as error:
            faults.append(f"Failed to validate output lines to db {database}: {error}")
            continue
        faults.extend(f"line protocol parse error on write to db {database}: {fault}" for fault in found)
    return tuple(faults)
