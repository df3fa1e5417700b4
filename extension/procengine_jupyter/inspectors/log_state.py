"""What did the triggers log, as an inspector shows it?"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from procengine.model.counted import counted
from procengine.processing.plugin_logs import ProcessingEngineLogs
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import card

MOST_LINES = 10_000
"""How many lines are shown; older ones are a query away."""

SHOWN = {
    "event_time": "time (UTC)",
    "trigger_name": "trigger",
    "run_id": "run",
    "log_level": "level",
    "log_text": "text",
    "database": "database",
}
"""The columns that are shown, and what they are called."""

TONES = {"ERROR": "bad", "WARN": "warn"}


class LogState(Inspected):
    """The newest lines, newest first, of all triggers or of one; those on disk count as well."""

    def __init__(
        self, logs: ProcessingEngineLogs, trigger: str | None = None, database: str | None = None
    ) -> None:
        self._logs = logs
        self._trigger = trigger
        self._database = database
        self._lines: pa.Table = pa.table({})
        self._total = 0

    def version(self) -> object:
        """Return how many lines there were since the start."""
        return self._logs.appended

    def contents(self) -> Contents:
        """Return one row a line; its key is its number among all of them."""
        lines = self._logs.table(self._database)
        if self._trigger is not None:
            lines = lines.filter(pc.equal(lines["trigger_name"], self._trigger))
        self._total = lines.num_rows
        newest = lines.slice(max(0, self._total - MOST_LINES))
        self._lines = newest.take(pa.array(range(newest.num_rows - 1, -1, -1), pa.int64()))
        errors = pc.sum(pc.equal(lines["log_level"], "ERROR"), min_count=0).as_py()
        facts = [counted(self._total, "line"), *([counted(errors, "error")] if errors else [])]
        if self._total > MOST_LINES:
            facts.append(f"the newest {MOST_LINES:,}; all are in system.processing_engine_logs")
        return Contents(
            title=f"logs of {self._trigger}" if self._trigger else "logs",
            facts=facts,
            table=self._lines.select([*SHOWN]).rename_columns([*SHOWN.values()]),
            keys=range(self._total - 1, self._total - 1 - newest.num_rows, -1),
            hint="nothing was logged yet",
            tones={"level": TONES},
        )

    def detail(self, key: object) -> Html | None:
        """Return a line whole."""
        assert isinstance(key, int)
        place = self._total - 1 - key
        if not 0 <= place < self._lines.num_rows:
            return None
        level, text, trigger = (
            self._lines[name][place].as_py() for name in ("log_level", "log_text", "trigger_name")
        )
        when = self._lines["event_time"][place].cast(pa.string()).as_py()
        return card(trigger, element("pre", text), details=f"{level} · {when} UTC")
