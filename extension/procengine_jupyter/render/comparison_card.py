"""In what do two replays differ, to the eye?"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from procengine.model.column import TIME
from procengine.replay.comparison import Comparison, TableDifference
from procengine.replay.result import TriggerCost
from procengine_jupyter.render.bars import Series, stacked_bars
from procengine_jupyter.render.markup import Html, element, rows
from procengine_jupyter.render.phrases import duration, instant
from procengine_jupyter.render.replay_card import number
from procengine_jupyter.render.style import card, code, soft
from procengine_jupyter.render.view import View

MOST_ROWS = 4
MOST_STATE = 10

KINDS = ("added", "changed", "missing")
COLORS = {"added": "var(--pe-good)", "changed": "var(--pe-warn)", "missing": "var(--pe-bad)"}
TONES = {"added": "good", "changed": "warn", "missing": "bad"}


@dataclass(frozen=True, slots=True, repr=False)
class ComparisonCard(View):
    """Two replays side by side."""

    comparison: Comparison

    def html(self) -> Html:
        """Return the card as HTML."""
        found = self.comparison
        bins = found.bins()
        plot = stacked_bars(
            [Series(kind, getattr(bins, kind), COLORS[kind]) for kind in KINDS],
            begin=instant(bins.start_ns),
            end=instant(bins.start_ns + bins.width_ns * len(bins.added)),
        )
        return card(
            "comparison of two replays",
            element("div", f"{found.before.title} → {found.after.title}", css="pe-part pe-soft"),
            self._tables_html(),
            plot,
            *(_examples(one) for one in found.tables if not one.is_empty),
            self._state_html(),
            self._costs_html(),
            self._logs_html(),
            details=self._verdict(),
            tone="good" if found.is_same else "warn",
        )

    def plain(self) -> str:
        """Return the card as text."""
        found = self.comparison
        lines = [f"comparison of two replays · {self._verdict()}"]
        for one in found.tables:
            counts = ", ".join(f"{getattr(one, kind).num_rows:,} {kind}" for kind in KINDS)
            lines.append(f"  {self._table_name(one)}: {one.same:,} the same, {counts}")
        lines += [
            f"  plugin cache: {one.namespace} {one.key}: {_text(one.before)} → {_text(one.after)}"
            for one in found.state[:MOST_STATE]
        ]
        lines += [
            f"  {one.trigger}: {_cost_text(one.before)} → {_cost_text(one.after)}" for one in found.costs
        ]
        lines += [
            f"  {trigger} logged {level}: {before:,} → {after:,} lines"
            for trigger, level, before, after in found.logs
            if before != after
        ]
        return "\n".join(lines)

    def _verdict(self) -> str:
        found = self.comparison
        if found.is_same:
            return "the same rows and state"
        counts = [
            f"{sum(getattr(one, kind).num_rows for one in found.tables):,} {kind}" for kind in KINDS
        ]
        keys = f" · {len(found.state):,} in the plugin cache" if found.state else ""
        return f"rows: {', '.join(counts)}{keys}"

    def _table_name(self, one: TableDifference) -> str:
        return (
            one.table
            if one.database == self.comparison.before.database
            else f"{one.database}.{one.table}"
        )

    def _tables_html(self) -> Html:
        cells: list[list[object]] = [
            [
                self._table_name(one),
                number(f"{one.same:,}"),
                *(_count(getattr(one, kind).num_rows, TONES[kind]) for kind in KINDS),
            ]
            for one in self.comparison.tables
        ]
        heads: list[object] = ["table", *map(number, ("same", *KINDS))]
        return element("div", rows(cells, heads=heads, css="pe-data"), css="pe-part")

    def _state_html(self) -> Html:
        state = self.comparison.state
        if not state:
            return Html("")
        cells: list[list[object]] = [
            [one.namespace, code(one.key), _value(one.before), "→", _value(one.after)]
            for one in state[:MOST_STATE]
        ]
        if len(state) > MOST_STATE:
            cells.append([soft(f"{len(state) - MOST_STATE:,} more: .state")])
        return element("div", soft("plugin cache"), rows(cells, css="pe-data"), css="pe-part")

    def _costs_html(self) -> Html:
        cells: list[list[object]] = [
            [
                one.trigger,
                *(_pair(one.before, one.after, name) for name in ("runs", "p50", "p95", "in all")),
            ]
            for one in self.comparison.costs
        ]
        heads: list[object] = ["trigger", "runs", "p50", "p95", "in all"]
        return element("div", rows(cells, heads=heads, css="pe-data"), css="pe-part")

    def _logs_html(self) -> Html:
        differing = [
            f"{trigger} {level} {before:,} → {after:,}"
            for trigger, level, before, after in self.comparison.logs
            if before != after
        ]
        return (
            element("div", soft("log lines "), " · ".join(differing), css="pe-part")
            if differing
            else Html("")
        )


def _count(rows_: int, tone: str) -> Html:
    return number(f"{rows_:,}", tone if rows_ else "none")


def _examples(one: TableDifference) -> Html:
    """Return the first rows of each kind that differ."""
    blocks = []
    for kind in KINDS:
        found: pa.Table = getattr(one, kind)
        if found.num_rows:
            found = found.select([TIME, *(name for name in found.column_names if name != TIME)])
            names: list[object] = [*found.column_names]
            cells = [
                [_cell(value) for value in row.values()] for row in _rows(found.slice(0, MOST_ROWS))
            ]
            more = found.num_rows - MOST_ROWS
            blocks.append(
                element(
                    "div",
                    element("span", f"{one.table}, {kind}", css=f"pe-text-{TONES[kind]}"),
                    soft(f" · {more:,} more") if more > 0 else "",
                    rows(cells, heads=names, css="pe-data"),
                    css="pe-part",
                )
            )
    return element("div", *blocks)


def _rows(table: pa.Table) -> list[dict[str, object]]:
    """Return rows as values, times as text."""
    columns = [
        _times(column) if pa.types.is_timestamp(column.type) else column for column in table.columns
    ]
    found: list[dict[str, object]] = pa.table(columns, names=table.column_names).to_pylist()
    return found


def _times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return instants as text, without a fraction of zeros."""
    return pc.replace_substring_regex(column.cast(pa.string()), r"\.0+$", "")


def _cell(value: object) -> object:
    return soft("null") if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _value(text: str | None) -> Html:
    return soft("absent") if text is None else code(text)


def _text(text: str | None) -> str:
    return "absent" if text is None else text


def _pair(before: TriggerCost | None, after: TriggerCost | None, name: str) -> str:
    return " → ".join("–" if one is None else _figure(one, name) for one in (before, after))


def _figure(cost: TriggerCost, name: str) -> str:
    match name:
        case "runs":
            return f"{cost.runs:,}" + (f" ({cost.errors:,} failed)" if cost.errors else "")
        case "p50":
            return duration(cost.p50_ns)
        case "p95":
            return duration(cost.p95_ns)
    return duration(cost.duration_ns)


def _cost_text(cost: TriggerCost | None) -> str:
    return "not there" if cost is None else f"{_figure(cost, 'runs')} runs, p50 {_figure(cost, 'p50')}"
