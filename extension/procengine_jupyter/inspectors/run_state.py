"""Which runs ended lately, as an inspector shows them?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from procengine.model.counted import counted
from procengine.model.run import Run
from procengine.processing.run_history import RunHistory
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.render.markup import Html
from procengine_jupyter.render.phrases import duration, instant
from procengine_jupyter.render.run_card import RunCard


class RunState(Inspected):
    """The runs that are in memory, newest first, of all triggers or of one."""

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
        return max((run.run_id for run in self._wanted()), default=0)

    def contents(self) -> Contents:
        """Return one row a run."""
        runs = self._wanted()[::-1]
        failed = sum(run.failure is not None for run in runs)
        return Contents(
            title=f"runs of {self._trigger}" if self._trigger else "runs",
            facts=[counted(len(runs), "run"), *([f"{failed:,} failed"] if failed else [])],
            table=_table(runs),
            keys=[run.run_id for run in runs],
            hint="no run yet; %fire NAME makes one",
        )

    def detail(self, key: object) -> Html | None:
        """Return a run's card."""
        run = next((run for run in self._wanted() if run.run_id == key), None)
        return None if run is None else RunCard(run, self._cell_names()).html()

    def _wanted(self) -> list[Run]:
        return [
            run
            for run in self._runs
            if self._trigger in (None, run.trigger) and self._database in (None, run.database)
        ]


def _table(runs: list[Run]) -> pa.Table:
    texts: dict[str, list[str]] = {
        "started (UTC)": [instant(run.started_ns).removesuffix(" UTC") for run in runs],
        "trigger": [run.trigger for run in runs],
        "database": [run.database for run in runs],
        "cause": [run.cause.kind.value for run in runs],
        "outcome": [run.outcome.value for run in runs],
        "took": [duration(run.duration_ns) for run in runs],
    }
    numbers = {
        "rows in": [run.rows_in for run in runs],
        "rows written": [sum(run.writes.values()) for run in runs],
        "queries": [run.query_count for run in runs],
        "logs": [len(run.logs) for run in runs],
    }
    said = [run.failure.message if run.failure is not None else "" for run in runs]
    columns: dict[str, pa.Array] = {
        "run": pa.array([run.run_id for run in runs], pa.int64()),
        **{name: pa.array(values, pa.string()) for name, values in texts.items()},
        **{name: pa.array(values, pa.int64()) for name, values in numbers.items()},
        "error": pa.array(said, pa.string()),
    }
    return pa.table(columns)
