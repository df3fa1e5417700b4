"""Which runs ended lately, as an inspector shows them: on a line of time, in a table, and one of them whole?

It follows the runs: a look costs what is new since the last one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from procengine.clock import Clock
from procengine.model.counted import counted
from procengine.model.run import Run, RunOutcome
from procengine.processing.run_history import RunHistory
from procengine_jupyter.inspectors.actions import Action, Field
from procengine_jupyter.inspectors.contents import Contents, Inspected, Instrument
from procengine_jupyter.inspectors.run_index import RunIndex
from procengine_jupyter.render.markup import Html
from procengine_jupyter.render.phrases import duration, instant
from procengine_jupyter.render.run_whole import RunWhole
from procengine_jupyter.render.timeline import timeline_lines, timeline_svg
from procengine_jupyter.render.view import View

if TYPE_CHECKING:
    from procengine_jupyter.inspectors.inspector import Inspector

MOST_RUNS = 1_000
"""How many runs the table has; the timeline knows more, and older ones still are a query away."""

MOST_MEANWHILE = 10_000
"""How many runs may end while all are read."""

_GOOD = {RunOutcome.SUCCESS: "good", RunOutcome.CANCELLED: "warn"}
TONES = {outcome.value: _GOOD.get(outcome, "bad") for outcome in RunOutcome}


class RunState(Inspected):
    """The runs, newest first, of all triggers or of one; dry runs are none."""

    def __init__(
        self,
        runs: RunHistory,
        trigger: str | None = None,
        database: str | None = None,
        *,
        clock: Clock,
        cell_names: Callable[[], Mapping[str, str]] = dict,
        write_test: Callable[[Run, str], View] | None = None,
    ) -> None:
        """``cell_names`` tells what the file names of plugin cells stand for; ``write_test`` makes a run a test."""
        self._write_test = write_test
        self._runs = runs
        self._clock = clock
        self._cell_names = cell_names
        self._trigger = trigger
        self._database = database
        self._seen = 0
        self._placed: frozenset[int] = frozenset()
        self._listed: frozenset[int] = frozenset()
        self._newest: deque[Run] = deque(maxlen=MOST_RUNS)
        self._whole: tuple[int, Html] | None = None
        self.index = RunIndex()
        """When the runs were; more of them than the table has."""
        self._begin()

    def now_ns(self) -> int:
        """Return the engine's time."""
        return self._clock.now_ns()

    def version(self) -> object:
        """Return how many runs of these there were; follows them."""
        self._follow()
        return (len(self.index), self._newest[-1].run_id if self._newest else 0)

    def contents(self) -> Contents:
        """Return one row a run."""
        self._follow()
        runs = [*reversed(self._newest)]
        failed = sum(run.failure is not None for run in runs)
        facts = [counted(len(runs), "run"), *([f"{failed:,} failed"] if failed else [])]
        if len(self.index) > MOST_RUNS:
            facts.append(f"the newest of {len(self.index):,}; all are in system.processing_engine_runs")
        return Contents(
            title=f"runs of {self._trigger}" if self._trigger else "runs",
            facts=facts,
            table=_table(runs),
            keys=[run.run_id for run in runs],
            hint="no run yet; %fire NAME makes one",
            tones={"outcome": TONES},
            picture=lambda: timeline_svg(*self.index.by_name()),
            picture_lines=lambda: timeline_lines(*self.index.by_name()),
        )

    def detail(self, key: object) -> Html | None:
        """Return a run whole; it stays as it was when it was first looked at."""
        assert isinstance(key, int)
        if self._whole is None or self._whole[0] != key:
            details = self._runs.details(key)
            if details is None:
                return None
            self._whole = (key, RunWhole(details, self._cell_names()).html())
        return self._whole[1]

    def actions(self, key: object) -> Sequence[Action]:
        """Return what writes a test of the chosen run."""
        run = self._runs.find(key) if isinstance(key, int) else None
        write_test = self._write_test
        if run is None or write_test is None:
            return ()
        path = f"tests/test_{run.trigger}_{run.run_id}.py"
        return (
            Action(
                name="test",
                label="test…",
                about="write a test, for pytest, that replays this run and asserts what it did",
                fields=(Field(name="path", label="file", value=path, fresh=True),),
                act=lambda said: write_test(run, said["path"]),
                waits=True,
            ),
        )

    def instrument(self, inspector: Inspector, on_sight: Callable[[bool], None]) -> Instrument:
        """Return the timeline of a live form."""
        from procengine_jupyter.inspectors.run_timeline import RunTimeline

        return RunTimeline(inspector, on_sight)

    def _follow(self) -> None:
        """Take what ended since the last look; all anew when that is more than is in memory."""
        seen, new = self._runs.ended_since(self._seen)
        if new is None:
            self._begin()
            return
        self._seen = seen
        mine = [run for run in new if self._is_shown(run)]
        self._newest.extend(run for run in mine if run.run_id not in self._listed)
        self.index.add([run for run in mine if run.run_id not in self._placed])
        self._listed = self._placed = frozenset()

    def _begin(self) -> None:
        """Take all runs. Those that end meanwhile may be among them, and come again as new ones."""
        self._seen, _ = self._runs.ended_since(0)
        self.index.clear()
        self.index.add_table(self._rows())
        self._placed = frozenset(self.index.runs.run[-MOST_MEANWHILE:].tolist())
        self._newest.clear()
        self._newest.extend(
            self._runs.select(database=self._database, trigger=self._trigger, limit=MOST_RUNS)
        )
        self._listed = frozenset(run.run_id for run in self._newest)

    def _rows(self) -> pa.Table:
        rows = self._runs.table(self._database)
        return (
            rows if self._trigger is None else rows.filter(pc.equal(rows["trigger_name"], self._trigger))
        )

    def _is_shown(self, run: Run) -> bool:
        return (
            not run.dry_run
            and self._trigger in (None, run.trigger)
            and self._database in (None, run.database)
        )


def _table(runs: Sequence[Run]) -> pa.Table:
    columns = {
        "run": _numbers(run.run_id for run in runs),
        "started (UTC)": _texts(instant(run.started_ns).removesuffix(" UTC") for run in runs),
        "trigger": _texts(run.trigger for run in runs),
        "outcome": _texts(run.outcome.value for run in runs),
        "took": _texts(duration(run.duration_ns) for run in runs),
        "in": _numbers(run.rows_in for run in runs),
        "written": _numbers(sum(run.writes.values()) for run in runs),
        "error": _texts(run.failure.message if run.failure is not None else "" for run in runs),
        "cause": _texts(run.cause.kind.value for run in runs),
        "queries": _numbers(run.query_count for run in runs),
        "logs": _numbers(run.log_line_count for run in runs),
        "database": _texts(run.database for run in runs),
    }
    return pa.table(columns)


def _texts(texts: Iterable[str]) -> pa.Array:
    return pa.array(list(texts), pa.string())


def _numbers(numbers: Iterable[int]) -> pa.Array:
    return pa.array(list(numbers), pa.int64())
