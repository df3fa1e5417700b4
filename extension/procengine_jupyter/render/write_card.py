"""What did a write do, and which runs did it cause?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from procengine.errors import LineError
from procengine.model.counted import counted
from procengine.model.run import Run, RunOutcome
from procengine.model.write_result import WriteResult
from procengine_jupyter.render.markup import Html, element, join, rows, visible
from procengine_jupyter.render.phrases import duration, enabling, listed
from procengine_jupyter.render.run_card import ending, measures, run_parts, run_text
from procengine_jupyter.render.style import card, code, part, soft
from procengine_jupyter.render.view import View

MOST_REJECTED = 10
MOST_RUNS = 10
DEEPEST_STEP = 4
"""How far to the right runs go that other runs caused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A trigger that watches what was written and did not run; ``state`` says why, ``reason`` why that is so."""

    database: str
    trigger: str
    state: str
    reason: str = ""

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        cure = f"; to go on: {enabling(self.database, self.trigger)}" if self.state == "paused" else ""
        return f"{self.trigger} did not run: it is {self.state}{why}{cure}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WriteCard(View):
    """The card of one write.

    ``rejected`` counts the rejected lines where the result has only the first of them.
    ``runs`` are those that it caused and that have ended, each followed by those that it caused itself: ``behind``
    names the triggers that wrote before it, by run id. ``is_waiting`` says that more are expected, ``waited`` how the
    wait for them ended where that needs saying. ``passed_over`` are triggers that do not run.
    """

    result: WriteResult
    duration_ns: int
    rejected: int | None = None
    runs: tuple[Run, ...] = ()
    behind: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    is_waiting: bool = False
    waited: str = ""
    passed_over: tuple[PassedOver, ...] = ()
    cell_names: Mapping[str, str] = field(default_factory=dict)

    def html(self) -> Html:
        """Return the card as HTML."""
        return card(
            headline(self.result, self.rejected),
            _added_html(self.result),
            _rejected_html(self.result.errors, self.rejected),
            *(_run_html(run, self._behind(run), self.cell_names) for run in self.runs[:MOST_RUNS]),
            *(element("div", soft(str(one)), css="pe-part") for one in self.passed_over),
            element("div", self._rest(), css="pe-part pe-soft") if self._rest() else "",
            details=self._details(),
            tone=self._tone(),
        )

    def plain(self) -> str:
        """Return the card as text."""
        lines = [f"{headline(self.result, self.rejected)} · {self._details()}"]
        lines += [f"  {fact}" for fact in _added(self.result)]
        lines += [f"  rejected {error}" for error in self.result.errors[:MOST_REJECTED]]
        more = _more_rejected(self.result.errors, self.rejected)
        if more:
            lines.append(f"  ... and {more}")
        for run in self.runs[:MOST_RUNS]:
            behind = self._behind(run)
            indent = "  " * (1 + len(behind))
            after = f"after {behind[-1]}: " if behind else ""
            first, *others = run_text(run, self.cell_names).splitlines()
            lines += [f"{indent}{after}{first}", *(f"{indent}{line}" for line in others)]
        lines += [f"  {one}" for one in self.passed_over]
        if self._rest():
            lines.append(f"  {self._rest()}")
        return "\n".join(lines)

    def _details(self) -> str:
        tables = [f"{table} {number:,}" for table, number in self.result.tables.items()]
        facts = [listed(tables)] if len(tables) > 1 else []
        durable = self.result.wal_sequence_number is not None or not self.result.row_count
        facts.append(duration(self.duration_ns) if durable else "in memory, durable with the next flush")
        return " · ".join(facts)

    def _behind(self, run: Run) -> tuple[str, ...]:
        return self.behind.get(run.run_id, ())

    def _rest(self) -> str:
        hidden = len(self.runs) - MOST_RUNS
        facts = [f"{hidden:,} more runs"] if hidden > 0 else []
        if self.is_waiting:
            facts.append(self.waited or "runs are still going; this card follows them")
        return " · ".join(facts)

    def _tone(self) -> str:
        if any(run.outcome.is_failure or run.outcome is RunOutcome.WRITE_ERROR for run in self.runs):
            return "bad"
        return "warn" if self.result.errors else "good"


def headline(result: WriteResult, rejected: int | None = None) -> str:
    """Return what was stored, in one line."""
    where = result.database
    if len(result.tables) == 1:
        where = f"{result.database}.{next(iter(result.tables))}"
    stored = f"{counted(result.row_count, 'row')} into {where}"
    bad = len(result.errors) if rejected is None else rejected
    return f"{stored}, {counted(bad, 'line')} rejected" if bad else stored


def _added(result: WriteResult) -> list[str]:
    """Return what the write added to the catalog."""
    facts = [f"new database {result.database}"] if result.new_database else []
    if result.new_tables:
        facts.append(
            f"new {'table' if len(result.new_tables) == 1 else 'tables'} {listed(list(result.new_tables))}"
        )
    several = len({table for table, _ in result.new_columns}) > 1
    columns = [
        f"{f'{table}.' if several else ''}{column.name} ({column.type.value})"
        for table, column in result.new_columns
    ]
    if columns:
        facts.append(f"new {'column' if len(columns) == 1 else 'columns'} {listed(columns, most=12)}")
    return facts


def _added_html(result: WriteResult) -> Html | str:
    facts = _added(result)
    return element("div", soft(" · ".join(facts)), css="pe-part") if facts else ""


def _rejected_html(errors: tuple[LineError, ...], rejected: int | None) -> Html | str:
    if not errors:
        return ""
    cells: list[list[object]] = [
        [
            error.line_number,
            error.column or "",
            element("span", error.message, css="pe-long"),
            code(visible(error.original_line, longest=120)),
        ]
        for error in errors[:MOST_REJECTED]
    ]
    more = _more_rejected(errors, rejected)
    return element(
        "div",
        rows(cells, heads=["line", "column", "why", ""]),
        soft(more) if more else "",
        css="pe-part",
    )


def _more_rejected(errors: tuple[LineError, ...], rejected: int | None) -> str:
    """Return how many rejected lines a card leaves out."""
    hidden = (len(errors) if rejected is None else rejected) - MOST_REJECTED
    return counted(hidden, "more rejected line", "more rejected lines") if hidden > 0 else ""


def _run_html(run: Run, behind: tuple[str, ...], cell_names: Mapping[str, str]) -> Html:
    word, tone = ending(run)
    head = join(
        [
            soft(f"after {behind[-1]}: ") if behind else "",
            element("span", run.trigger, css="pe-title"),
            " ",
            element("span", word, css=f"pe-text-{tone}"),
            " ",
            soft(measures(run)),
        ]
    )
    step = {"style": f"margin-left:{1.5 * min(len(behind), DEEPEST_STEP)}em"} if behind else {}
    return element("div", head, *run_parts(run, cell_names), css="pe-run", **step)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StoppedWriteCard(View):
    """The card of a long write that was interrupted between two of its pieces."""

    result: WriteResult
    lines_done: int
    lines_total: int
    duration_ns: int

    def html(self) -> Html:
        """Return the card as HTML."""
        return card(
            f"interrupted: {headline(self.result)}",
            part("stopped after", self._place()),
            details=duration(self.duration_ns),
            tone="warn",
        )

    def plain(self) -> str:
        """Return the card as text."""
        return f"interrupted: {headline(self.result)} · stopped after {self._place()}"

    def _place(self) -> str:
        return (
            f"line {self.lines_done:,} of {self.lines_total:,}; everything up to there is durable, "
            "nothing after it was written"
        )
