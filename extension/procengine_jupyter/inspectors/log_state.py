"""What did the triggers log lately, as an inspector shows it?"""

from __future__ import annotations

import pyarrow as pa

from procengine.model.counted import counted
from procengine.model.run import LogEntry
from procengine.processing.plugin_logs import ProcessingEngineLogs
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.phrases import clock_time, instant
from procengine_jupyter.render.style import card


class LogState(Inspected):
    """The lines of the processing engine logs that are in memory, newest first, of all triggers or of one."""

    def __init__(
        self, logs: ProcessingEngineLogs, trigger: str | None = None, database: str | None = None
    ) -> None:
        self._logs = logs
        self._trigger = trigger
        self._database = database

    def version(self) -> object:
        """Return how many lines there ever were."""
        return self._logs.appended

    def contents(self) -> Contents:
        """Return one row a line."""
        lines = self._logs.entries(self._database, self._trigger)[::-1]
        errors = sum(line.level.value == "ERROR" for line in lines)
        columns: dict[str, pa.Array] = {
            "time (UTC)": pa.array([clock_time(line.time_ns) for line in lines], pa.string()),
            "trigger": pa.array([line.trigger for line in lines], pa.string()),
            "database": pa.array([line.database for line in lines], pa.string()),
            "run": pa.array([line.run_id for line in lines], pa.int64()),
            "level": pa.array([line.level.value for line in lines], pa.string()),
            "text": pa.array([line.text for line in lines], pa.string()),
        }
        return Contents(
            title=f"logs of {self._trigger}" if self._trigger else "logs",
            facts=[counted(len(lines), "line"), *([counted(errors, "error")] if errors else [])],
            table=pa.table(columns),
            keys=lines,
            hint="nothing was logged yet",
        )

    def detail(self, key: object) -> Html | None:
        """Return a line whole."""
        assert isinstance(key, LogEntry)
        when = instant(key.time_ns)
        return card(key.trigger, element("pre", key.text), details=f"{key.level.value} · {when}")
