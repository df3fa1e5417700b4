"""What is kept of runs and logs, and what starts and stops that?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from procengine.file_system import FileSystem
from procengine.history import HistoryFiles, HistoryWriter, Writable
from procengine.model.log_columns import LOG_COLUMNS
from procengine.model.run_columns import ADDED_COLUMNS, RUN_COLUMNS
from procengine.processing.plugin_logs import ProcessingEngineLogs
from procengine.processing.run_history import RunHistory
from procengine.processing.trigger_totals import TriggerTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingHistory:
    """The runs and the logs of one engine, and the thread that writes them down."""

    runs: RunHistory
    logs: ProcessingEngineLogs
    writer: HistoryWriter | None = None

    @classmethod
    def in_memory(cls) -> Self:
        """Return a history that ends with the engine."""
        logs = ProcessingEngineLogs()
        return cls(runs=RunHistory(logs=logs), logs=logs)

    @classmethod
    def on_disk(cls, folder: Path, *, run_bytes: int, log_bytes: int, file_system: FileSystem) -> Self:
        """Return the history in a folder, with what engines before have left there; it is made if need be.

        ``run_bytes`` and ``log_bytes`` bound the files of each.
        """
        writer = HistoryWriter()
        log_files = HistoryFiles(
            folder / "logs",
            schema=LOG_COLUMNS,
            time_column="event_time",
            total_bytes=log_bytes,
            file_system=file_system,
        )
        totals = TriggerTotals(folder / "runs", file_system=file_system)
        run_files = HistoryFiles(
            folder / "runs",
            schema=RUN_COLUMNS,
            time_column="start_time",
            total_bytes=run_bytes,
            file_system=file_system,
            totals=totals,
            added_columns=ADDED_COLUMNS,
        )
        logs = ProcessingEngineLogs(files=log_files, writer=writer)
        runs = RunHistory(files=run_files, writer=writer, totals=totals, logs=logs)
        logs.open()
        runs.open()
        return cls(runs=runs, logs=logs, writer=writer)

    @property
    def last_run_id(self) -> int:
        """The highest id of a run that is in memory, or has logged something; 0 when there is none.

        Ids rise, so no run on disk has a higher one.
        """
        ended = max((run.run_id for run in self.runs), default=0)
        logged = max((line.run_id or 0 for line in self.logs.entries()), default=0)
        return max(ended, logged)

    def start(self, *others: Writable) -> None:
        """Begin to write, and to have others written that have something to write."""
        if self.writer is not None:
            self.writer.start((self.runs.journal, self.logs.journal, *others))

    def stop(self) -> None:
        """Write what waits, and let the files go."""
        if self.writer is not None:
            self.writer.stop()
        self.runs.journal.close()
        self.logs.journal.close()
