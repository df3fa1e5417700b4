"""Which runs ended lately, as an inspector shows them?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import pyarrow as pa

from procengine.model.counted import counted
from procengine.model.run import Run, RunOutcome
from procengine.processing.run_history import RunHistory
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.render.markup import Html
from procengine_jupyter.render.phrases import duration, instant
from procengine_jupyter.render.run_card import RunCard

MOST_RUNS = 1_000
"""How many runs are shown; older ones are a query away."""

_GOOD = {RunOutcome.SUCCESS: "good", RunOutcome.CANCELLED: "warn"}
TONES = {outcome.value: _GOOD.get(outcome, "bad") for outcome in RunOutcome}


class RunState(Inspected):
    """The newest runs, newest first, of all triggers or of one; dry runs are none."""

    def __init__(
        self,
        runs: RunHistory,
        trigger: str | None = None,
        database: str | None = None,
        *,
        cell_names: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """``cell_names`` tells what the file names of plugin cells stand for."""
        self._runs = runs
        self._cell_names = cell_names
        self._trigger = trigger
        self._database = database

    def version(self) -> object:
        """Return the newest run's id."""
        return max((run.run_id for run in self._runs if not run.dry_run), default=0)

    def contents(self) -> Contents:
        """Return one row a run."""
        runs = self._runs.select(database=self._database, trigger=self._trigger, limit=MOST_RUNS)[::-1]
        failed = sum(run.failure is not None for run in runs)
        facts = [counted(len(runs), "run"), *([f"{failed:,} failed"] if failed else [])]
        if len(runs) == MOST_RUNS:
            facts.append("the newest; all are in system.processing_engine_runs")
        return Contents(
            title=f"runs of {self._trigger}" if self._trigger else "runs",
            facts=facts,
            table=_table(runs),
            keys=[run.run_id for run in runs],
            hint="no run yet; %fire NAME makes one",
            tones={"outcome": TONES},
        )

    def detail(self, key: object) -> Html | None:
        """Return a run's card."""
        assert isinstance(key, int)
        run = self._runs.find(key)
        return None if run is None else RunCard(run, self._cell_names()).html()


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
