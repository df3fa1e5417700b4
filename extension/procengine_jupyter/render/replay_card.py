"""How far is a replay, and what came of it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from procengine.model.counted import counted
from procengine.replay import Recorded, ReplayProgress, ReplayResult, ReplayState
from procengine.replay.result import TriggerCost
from procengine_jupyter.render.markup import Html, element, rows
from procengine_jupyter.render.phrases import duration, instant, listed
from procengine_jupyter.render.run_card import ending, measures, run_parts, run_text
from procengine_jupyter.render.run_card import title as run_title
from procengine_jupyter.render.style import card, code, part, soft
from procengine_jupyter.render.view import View

MOST_FAILED = 2
MOST_STATE = 6

_TONES = {
    ReplayState.DONE: "good",
    ReplayState.STOPPED: "warn",
    ReplayState.PAUSED: "warn",
    ReplayState.FAILED: "bad",
}


def span(nanoseconds: int) -> str:
    """Return a stretch of virtual time: ``3 d 4 h``, ``2 h 5 min``, or as `duration` says."""
    minutes, hours = nanoseconds // 60_000_000_000, nanoseconds // 3_600_000_000_000
    if hours >= 48:
        return f"{hours // 24:,} d {hours % 24} h"
    if hours >= 2:
        return f"{hours} h {minutes % 60} min"
    return duration(nanoseconds)


@dataclass(frozen=True, slots=True, repr=False)
class ReplayProgressCard(View):
    """How far a replay is."""

    progress: ReplayProgress

    def html(self) -> Html:
        """Return a bar and the facts as HTML."""
        progress = self.progress
        bar = element("progress", value=f"{progress.share:.4f}", max="1", style="width:100%")
        errors = element("span", f" · {counted(progress.errors, 'error')}", css="pe-text-bad")
        facts = element("div", self._facts(), errors if progress.errors else "", css="pe-part")
        return card(self._title(), bar, facts, details=self._rows(), tone=_TONES.get(progress.state, ""))

    def plain(self) -> str:
        """Return the facts as text."""
        errors = f" · {counted(self.progress.errors, 'error')}" if self.progress.errors else ""
        return f"{self._title()}: {self._rows()} · {self._facts()}{errors}"

    def _title(self) -> str:
        state = self.progress.state
        return "replaying" if state is ReplayState.RUNNING else f"replay {state.value}"

    def _rows(self) -> str:
        progress = self.progress
        return f"{progress.rows_done:,} of {progress.rows_total:,} rows · {progress.share:.0%}"

    def _facts(self) -> str:
        progress = self.progress
        rate = f"{progress.rows_per_second:,.0f} rows/s"
        return f"at {instant(progress.now_ns)} · {rate} · {counted(progress.runs, 'run')}"


@dataclass(frozen=True, slots=True, repr=False)
class ReplayCard(View):
    """What came of a replay. ``cell_names`` are what a reader knows plugin files of cells by."""

    result: ReplayResult
    cell_names: Mapping[str, str] = field(default_factory=dict)

    def html(self) -> Html:
        """Return the card as HTML."""
        result = self.result
        hidden = result.error_count - MOST_FAILED
        return card(
            self._title(),
            element("div", self._when(), css="pe-part"),
            cost_table(result.costs()),
            part("rows", listed(self._tables(), most=12)) if result.tables else "",
            *([part("plugin cache", rows(self._state_cells()))] if result.state else []),
            *(element("div", text, css="pe-part pe-text-warn") for text in result.notes),
            *(
                element(
                    "div",
                    element("span", run_title(run), css="pe-title"),
                    " ",
                    element("span", ending(run)[0], css="pe-text-bad"),
                    soft(f" · {measures(run)}"),
                    *run_parts(run, self.cell_names),
                    css="pe-run",
                )
                for run in result.failed_runs[:MOST_FAILED]
            ),
            element("div", soft(f"{counted(hidden, 'more failed run')}: .runs has them"), css="pe-part")
            if hidden > 0
            else "",
            details=self._details(),
            tone=self._tone(),
        )

    def plain(self) -> str:
        """Return the card as text."""
        result = self.result
        lines = [f"{self._title()} · {self._details()}", f"  {self._when()}"]
        lines += [f"  {_cost_text(cost)}" for cost in result.costs()]
        if result.tables:
            lines.append(f"  rows: {listed(self._tables(), most=12)}")
        lines += [
            f"  plugin cache: {one.namespace} {one.key} = {one.text}"
            for one in result.state[:MOST_STATE]
        ]
        lines += [f"  {text}" for text in result.notes]
        for run in result.failed_runs[:MOST_FAILED]:
            lines += [f"  {line}" for line in run_text(run, self.cell_names).splitlines()]
        return "\n".join(lines)

    def _title(self) -> str:
        return f"replay of {self.result.title} in {self.result.database}"

    def _details(self) -> str:
        result = self.result
        seconds = result.elapsed_ns / 1e9
        rate = f" · {result.row_count / seconds:,.0f} rows/s" if seconds else ""
        failed = f" · {counted(result.error_count, 'failed run')}" if result.error_count else ""
        stopped = "stopped · " if result.stopped else ""
        done = (
            f"{result.row_count:,} of {result.rows_total:,}"
            if result.stopped
            else f"{result.row_count:,}"
        )
        noun = "row" if done == "1" else "rows"
        return f"{stopped}{done} {noun} in {duration(result.elapsed_ns)}{rate}{failed}"

    def _when(self) -> str:
        result = self.result
        stretch = span(result.ended_ns - result.started_ns)
        return (
            f"{instant(result.started_ns)} to {instant(result.ended_ns)} ({stretch}) · batches: {result.batching} "
            f"· seed {result.seed}"
        )

    def _tables(self) -> list[str]:
        found = self.result.tables
        return [
            f"{table if database == self.result.database else f'{database}.{table}'} {rows_.num_rows:,}"
            for (database, table), rows_ in found.items()
        ]

    def _state_cells(self) -> list[list[object]]:
        state = self.result.state
        cells: list[list[object]] = [
            [one.namespace, code(one.key), code(one.text)] for one in state[:MOST_STATE]
        ]
        if len(state) > MOST_STATE:
            cells.append(["", "", soft(f"{len(state) - MOST_STATE:,} more: .state")])
        return cells

    def _tone(self) -> str:
        if self.result.error_count:
            return "bad"
        return "warn" if self.result.stopped or self.result.notes else "good"


@dataclass(frozen=True, slots=True, repr=False)
class RecordingCard(View):
    """How much is recorded."""

    recorded: Recorded
    is_going_on: bool

    def html(self) -> Html:
        """Return the card as HTML."""
        failure = self.recorded.failure
        return card(
            self._title(),
            element("div", self._next(), css="pe-part pe-soft"),
            element("div", failure, css="pe-part pe-text-bad") if failure else "",
            details=self._details(),
            tone="bad" if failure else "good",
        )

    def plain(self) -> str:
        """Return the card as text."""
        failure = f"\n  {self.recorded.failure}" if self.recorded.failure else ""
        return f"{self._title()} · {self._details()}\n  {self._next()}{failure}"

    def _title(self) -> str:
        verb = "recording" if self.is_going_on else "recorded"
        return f"{verb} {self.recorded.database}"

    def _details(self) -> str:
        said = self.recorded
        parts = (
            counted(said.rows, "row"),
            counted(said.requests, "request"),
            counted(said.ticks, "tick"),
        )
        return " · ".join(parts)

    def _next(self) -> str:
        if self.is_going_on:
            return f"into {self.recorded.path.name}; %record stop ends it"
        return f"%replay {self.recorded.path.name}"


def cost_table(costs: tuple[TriggerCost, ...]) -> Html:
    """Return what each trigger's runs cost as a table."""
    if not costs:
        return element(
            "div", "no trigger ran: the database has none that is enabled", css="pe-part pe-text-warn"
        )
    cells: list[list[object]] = [
        [
            cost.trigger,
            number(f"{cost.runs:,}"),
            number(f"{cost.errors:,}", "bad" if cost.errors else "none"),
            number(duration(cost.p50_ns)),
            number(duration(cost.p95_ns)),
            number(duration(cost.duration_ns)),
        ]
        for cost in costs
    ]
    heads: list[object] = ["trigger", *map(number, ("runs", "failed", "p50", "p95", "in all"))]
    return element("div", rows(cells, heads=heads, css="pe-data"), css="pe-part")


def number(text: str, tone: str = "none") -> Html:
    """Return a figure that stands at the right of its column."""
    return element("div", text, css=f"pe-number pe-text-{tone}")


def _cost_text(cost: TriggerCost) -> str:
    failed = f", {cost.errors:,} failed" if cost.errors else ""
    return (
        f"{cost.trigger}: {counted(cost.runs, 'run')}{failed} · p50 {duration(cost.p50_ns)} · "
        f"p95 {duration(cost.p95_ns)} · {duration(cost.duration_ns)} in all"
    )
