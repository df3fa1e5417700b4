"""Triggers over real plugins, their history on disk, without a write-ahead log or SQL: what benchmarks run on."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from procengine.catalog import Catalog
from procengine.clock import SystemClock
from procengine.file_system import LOCAL
from procengine.model.table_rows import TableRows, WalContents
from procengine.model.write_result import WriteResult
from procengine.processing.log_view import LogView
from procengine.processing.plugin_cache import PluginCache
from procengine.processing.plugin_registry import PluginRegistry
from procengine.processing.processing_history import ProcessingHistory
from procengine.processing.runner import PluginRunner
from procengine.processing.trigger_options import TriggerOptions
from procengine.processing.triggers import Triggers

HISTORY_BYTES = 16 << 20


class NoWrites:
    """Accepts writes and forgets them."""

    def write_lines(self, database: str, lines: str, *, no_sync: bool, depth: int) -> WriteResult:
        return WriteResult(database=database)

    def check_lines(self, database: str, lines: str) -> Sequence[object]:
        return ()


class NoAnswers:
    """Answers queries with no rows."""

    def query(self, sql: str, database: str, params: Mapping[str, object] | None = None) -> pa.Table:
        return pa.table({})


class PluginTriggers:
    """A context: triggers over a folder of plugins, on the system clock, with the database ``db``."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.clock = SystemClock()
        self.catalog = Catalog(None, clock=self.clock)
        self.catalog.start()
        self.database_id = self.catalog.create_database("db").id
        self.registry = PluginRegistry(Path(self._folder.name))
        self.history = ProcessingHistory.on_disk(
            Path(self._folder.name) / "state",
            run_bytes=HISTORY_BYTES,
            log_bytes=HISTORY_BYTES,
            file_system=LOCAL,
        )
        self.runner = PluginRunner(
            self.registry,
            PluginCache(self.clock),
            self.history.logs,
            NoWrites(),
            NoAnswers(),
            self.clock,
            recent=self.history.runs.recent,
        )
        self.contents: dict[int, WalContents] = {}
        self.triggers = Triggers(
            self.catalog,
            self.runner,
            LogView(read=self.contents.__getitem__),
            self.clock,
            check_plugin=self.registry.check,
            log=lambda trigger, level, text: None,
            drop_cache=lambda trigger: None,
            options=TriggerOptions(),
            runs=self.history.runs,
        )

    def __enter__(self) -> PluginTriggers:
        self.history.start()
        self.runner.start()
        self.triggers.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.triggers.stop()
        self.runner.close()
        self.history.stop()
        self.registry.close()
        self.catalog.close()
        self.clock.close()
        self._folder.cleanup()

    def save(self, name: str, text: str) -> str:
        """Save a plugin; return its file name."""
        (self.registry.folder / name).write_text(text)
        return name

    def flush(self, rows: TableRows) -> WalContents:
        """Make the next contents of the log, as the flush thread does before it offers them."""
        number = len(self.contents) + 1
        contents = WalContents(sequence_number=number, persisted_ns=self.clock.now_ns(), rows=(rows,))
        self.contents[number] = contents
        return contents

    def rows(self, table: str) -> TableRows:
        """Return one row of a table."""
        batch = pa.record_batch({"n": [1], "time": pa.array([0], pa.timestamp("ns"))})
        return TableRows(
            database_id=self.database_id,
            table_id=1,
            database="db",
            table=table,
            batch=batch,
            shapes=(("n",),),
        )
