"""What do the triggers log, as an inspector shows it: a tail that can be paused?

It follows the logs: a look costs the lines that are new since the last one. The newest stand at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from procengine.errors import InvalidInputError
from procengine.model.counted import counted
from procengine.model.log_columns import LOG_COLUMNS, encode_entries
from procengine.model.run import LogEntry
from procengine.processing.plugin_logs import ProcessingEngineLogs
from procengine.processing.run_history import RunHistory
from procengine_jupyter.inspectors.actions import Action, Said
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.run_whole import RunWhole, place
from procengine_jupyter.render.style import card, soft

MOST_LINES = 10_000
"""How many lines are shown; older ones are a query away."""

ROOM = 2_000
"""So many lines more are held before the oldest go: rows move up seldom while somebody reads them."""

SHOWN = {
    "event_time": "time (UTC)",
    "database": "database",
    "trigger_name": "trigger",
    "run_id": "run",
    "log_level": "level",
    "log_text": "text",
}
"""The columns that are shown, and what they are called; the database only where there are several."""

TONES = {"ERROR": "bad", "WARN": "warn"}


class LogState(Inspected):
    """The newest lines, newest last, of all triggers or of one; those on disk count as well.

    While it is paused nothing is added, and what came meanwhile is counted.
    """

    def __init__(
        self,
        logs: ProcessingEngineLogs,
        trigger: str | None = None,
        database: str | None = None,
        *,
        runs: RunHistory | None = None,
        cell_names: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """``runs`` has what a line's run did; ``cell_names`` tells what the file names of plugin cells stand for."""
        self._logs = logs
        self._trigger = trigger
        self._database = database
        self._runs = runs
        self._cell_names = cell_names
        self._paused = False
        self._seen = 0
        self._total = 0
        self._errors = 0
        self._lines: pa.Table = LOG_COLUMNS.empty_table()
        self._begin()

    def version(self) -> object:
        """Return how many lines of these there were; follows them."""
        self._follow()
        return (self._total, self._missed())

    def contents(self) -> Contents:
        """Return one row a line; its key is its number among all of them."""
        self._follow()
        lines = self._lines
        facts = [counted(self._total, "line")]
        if self._errors:
            facts.append(counted(self._errors, "error"))
        if self._total > lines.num_rows:
            facts.append(f"the newest {lines.num_rows:,}; all are in system.processing_engine_logs")
        if self._paused:
            facts.append(f"paused: {counted(self._missed(), 'line')} since")
        level = lines["log_level"]
        errors = pc.equal(level, "ERROR").to_numpy()
        warnings = pc.equal(level, "WARN").to_numpy()
        return Contents(
            title=f"logs of {self._trigger}" if self._trigger else "logs",
            facts=facts,
            table=_shown(lines),
            keys=range(self._total - lines.num_rows, self._total),
            hint="nothing was logged yet",
            tones={"level": TONES},
            tabs={"All": errors | ~errors, "Warnings, errors": errors | warnings, "Errors": errors},
            missing="",
            tail=True,
        )

    def detail(self, key: object) -> Html | None:
        """Return a line whole, and where it comes from."""
        line = self._line(key)
        if line is None:
            return None
        when = str(line["event_time"])
        details = f"{line['log_level']} · {when} UTC"
        return card(
            line["trigger_name"], element("pre", line["log_text"]), self._origin(line), details=details
        )

    def actions(self, key: object) -> Sequence[Action]:
        """Return what stops the tail and lets it go on, and what shows a line's run."""
        if self._paused:
            about = "show what was logged meanwhile, and go on"
            acts = [Action(name="resume", label="resume", act=self._resume, about=about)]
        else:
            about = "add nothing until you resume; what comes is counted"
            acts = [Action(name="pause", label="pause", act=self._pause, about=about)]
        run_id = (self._line(key) or {}).get("run_id")
        if isinstance(run_id, int) and self._runs is not None:
            acts.append(
                Action(
                    name="show-run",
                    label=f"show run {run_id}",
                    act=lambda _said: self._run(run_id),
                    about="what the run that logged this did",
                )
            )
        return acts

    def _pause(self, _said: Said) -> str:
        self._follow()
        self._paused = True
        return ""

    def _resume(self, _said: Said) -> str:
        missed = self._missed()
        self._paused = False
        return f"{counted(missed, 'line')} came while it was paused" if missed else ""

    def _run(self, run_id: int) -> RunWhole:
        """Return a run whole. Raises: InvalidInputError when it is not kept any more."""
        details = self._runs.details(run_id) if self._runs is not None else None
        if details is None:
            raise InvalidInputError(f"run {run_id} is still going on, or is not kept any more")
        return RunWhole(details, self._cell_names())

    def _origin(self, line: Mapping[str, object]) -> Html | str:
        """Return which run logged a line, and, of one that failed, where in the plugin that was."""
        run_id = line["run_id"]
        if not isinstance(run_id, int):
            return soft("of no run")
        run = self._runs.find(run_id) if self._runs is not None else None
        where = place(run, self._cell_names()) if run is not None else ""
        failed = f", which failed at {where}" if where else ""
        printed = ", printed" if line["printed"] else ""
        return soft(f"run {run_id} of {line['database']}{printed}{failed}")

    def _line(self, key: object) -> dict[str, object] | None:
        """Return the columns of a line that is held."""
        if not isinstance(key, int):
            return None
        number = key - (self._total - self._lines.num_rows)
        if not 0 <= number < self._lines.num_rows:
            return None
        row = self._lines.slice(number, 1)
        row = row.set_column(0, "event_time", row["event_time"].cast(pa.string()))
        return dict(row.to_pylist()[0])

    def _follow(self) -> None:
        """Take the lines since the last look; all anew when that is more than is in memory."""
        if self._paused:
            return
        seen, new = self._logs.appended_since(self._seen)
        if new is None:
            self._begin()
            return
        self._seen = seen
        mine = self._mine(new)
        if mine:
            self._add(pa.Table.from_batches([encode_entries(mine)], LOG_COLUMNS))

    def _missed(self) -> int:
        """Return how many lines were logged since the pause; of all triggers when they are too many to look at."""
        if not self._paused:
            return 0
        seen, new = self._logs.appended_since(self._seen)
        return seen - self._seen if new is None else len(self._mine(new))

    def _mine(self, lines: Sequence[LogEntry]) -> list[LogEntry]:
        return [
            line
            for line in lines
            if self._trigger in (None, line.trigger) and self._database in (None, line.database)
        ]

    def _begin(self) -> None:
        self._seen, lines = self._logs.counted_table()
        for name, value in (("trigger_name", self._trigger), ("database", self._database)):
            if value is not None:
                lines = lines.filter(pc.equal(lines[name], value))
        self._lines, self._total, self._errors = LOG_COLUMNS.empty_table(), 0, 0
        self._add(lines)

    def _add(self, lines: pa.Table) -> None:
        self._total += lines.num_rows
        self._errors += pc.sum(pc.equal(lines["log_level"], "ERROR"), min_count=0).as_py()
        joined = pa.concat_tables([self._lines, lines])
        if joined.num_rows > MOST_LINES + ROOM:
            joined = joined.slice(joined.num_rows - MOST_LINES)
        # One piece a column: many small ones would cost more at each look.
        self._lines = joined.combine_chunks()


def _shown(lines: pa.Table) -> pa.Table:
    """Return the columns that are shown, without the one that would say the same in each row."""
    names = dict(SHOWN)
    if pc.count_distinct(lines["database"]).as_py() < 2:
        del names["database"]
    return lines.select([*names]).rename_columns([*names.values()])
