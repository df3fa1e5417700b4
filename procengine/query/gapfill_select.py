"""What does a SELECT with gap filling aggregate, by what, and what does it make of that?

Read off its text, so that what is not about gap filling stays as the user wrote it. Every aggregate and every
expression of the GROUP BY gets a column of the filled rows; in the rest of the SELECT the column stands in for it.

Source: core/iox_query/src/analyzer/handle_gapfill.rs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from procengine.errors import QueryError
from procengine.query.error_text import planning_error
from procengine.query.gapfill_groups import GAPFILL_FUNCTIONS, read_groups, time_column
from procengine.query.gapfill_rows import Fill
from procengine.query.selector_functions import SELECTORS
from procengine.query.sql_calls import Call, closing, find_calls
from procengine.query.sql_columns import ColumnSubstitution, Normal, is_subquery
from procengine.query.sql_select import Select, SelectItem, Span
from procengine.query.sql_tokens import normal_text, quote_name
from procengine.query.sql_with import visible_with
from procengine.query.statement_planner import StatementPlanner
from procengine.query.text_edits import TextEdits

FILL_FUNCTIONS = {"locf": Fill.LOCF, "interpolate": Fill.INTERPOLATE}

_COUNTING = ("count", "regr_count", "approx_distinct")
_TAIL = ("WINDOW", "QUALIFY", "ORDER", "LIMIT", "OFFSET", "FETCH")
_WORDS = {"GROUP": "GROUP BY", "ORDER": "ORDER BY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GapfillSelect:
    """The texts and names that one SELECT with gap filling comes down to.

    ``inner_text`` aggregates, sorted by ``series_columns`` and then ``time_column``; ``range_text`` selects the time
    column alone. ``head`` and ``tail`` are the SELECT before and behind its FROM, over the filled rows.
    """

    inner_text: str
    range_text: str
    series_columns: tuple[str, ...]
    time_column: str
    fills: Mapping[str, Fill]
    stride: str
    origin: tuple[str, ...]
    bin_function: str
    head: str
    tail: str

    @property
    def wallclock(self) -> bool:
        """Whether the bins are those of a wall's clock."""
        return self.bin_function != "date_bin"

    def outer_text(self, table: str) -> str:
        """Return the SELECT over a table of the filled rows."""
        return f"{self.head} FROM {quote_name(table)}{self.tail}"


def read_select(edits: TextEdits, select: Select, planner: StatementPlanner) -> GapfillSelect:
    """Take a SELECT apart.

    Raises:
        QueryError: gap filling is asked for where or how it cannot be, or the SELECT is wrong in itself.
    """
    return _Reader(edits, select, planner).read()


class _Reader:
    """One SELECT being read."""

    def __init__(self, edits: TextEdits, select: Select, planner: StatementPlanner) -> None:
        self._edits = edits
        self._tokens = edits.tokens
        self._select = select
        self._planner = planner
        self._with = visible_with(edits.sql, edits.tokens, select.first)
        known = planner.look(f"{self._with}SELECT *{self._clause('FROM')}").schema().names
        self._groups = read_groups(edits.tokens, select, known)
        self._columns: dict[Normal, str] = {}
        for number, (start, end) in enumerate(self._groups.spans):
            self._columns.setdefault(normal_text(self._tokens[start:end]), f"g{number}")
        self._aggregates = self._read_aggregates()
        self._fills = self._read_fills()

    def read(self) -> GapfillSelect:
        """Return the parts."""
        names = self._checked_names()
        groups = self._groups
        call = groups.call
        time = self._edits.source(*time_column(self._tokens, call.arguments[1]))
        texts = [self._edits.argument(call, number) for number in range(len(call.arguments))]
        return GapfillSelect(
            inner_text=self._inner_text(),
            range_text=f"{self._with}SELECT {time}{self._clause('FROM')}{self._clause('WHERE')}",
            series_columns=tuple(f"g{n}" for n in range(len(groups.spans)) if n != groups.gapfill),
            time_column=f"g{groups.gapfill}",
            fills=self._fills,
            stride=texts[0],
            origin=tuple(texts[2:]),
            bin_function=GAPFILL_FUNCTIONS[call.name],
            head=self._head(names),
            tail=self._tail(names),
        )

    def _clause(self, word: str) -> str:
        """Return a clause with its word, as it stands, behind a space; empty where there is none."""
        span = self._select.clauses.get(word)
        return "" if span is None else f" {_WORDS.get(word, word)} {self._edits.source(*span)}"

    def _expressions(self) -> list[Span]:
        """Return the spans behind the aggregation, in which aggregates may stand."""
        words = ["HAVING", "QUALIFY", *([] if self._select.in_set else ["ORDER"])]
        spans = [self._select.clauses[word] for word in words if word in self._select.clauses]
        return [*(item.expression for item in self._select.items), *spans]

    def _calls(self, names: Collection[str], spans: list[Span]) -> Iterator[Call]:
        """Yield calls within spans, but for those in subqueries of theirs."""
        hidden = [
            range(position, closing(self._tokens, position))
            for start, end in spans
            for position in range(start, end)
            if is_subquery(self._tokens, position)
        ]
        for call in find_calls(self._tokens, names):
            within = any(start <= call.first < end for start, end in spans)
            if within and not any(call.first in one for one in hidden):
                yield call

    def _read_aggregates(self) -> dict[str, Call]:
        aggregates: dict[str, Call] = {}
        for call in self._calls(self._planner.aggregate_names | SELECTORS, self._expressions()):
            normal = normal_text(self._tokens[call.first : call.end])
            if call.over is None and normal not in self._columns:
                name = f"a{len(aggregates)}"
                self._columns[normal] = name
                aggregates[name] = call
        return aggregates

    def _read_fills(self) -> dict[str, Fill]:
        """Return what fills each aggregate's column."""
        fills = {
            name: Fill.ZERO if call.name in _COUNTING else Fill.NULL
            for name, call in self._aggregates.items()
        }
        filled = set()
        items = [item.expression for item in self._select.items]
        for call in self._calls(FILL_FUNCTIONS, [(self._select.first, self._select.end)]):
            in_list = any(start <= call.first < end for start, end in items)
            if not in_list and any(start <= call.first < end for start, end in self._order_spans()):
                continue
            if not in_list or "HAVING" in self._select.clauses:
                raise planning_error(
                    f"{call.name} may only be used in the SELECT list of a gap-filling query"
                )
            if len(call.arguments) != 1:
                raise planning_error(f"{call.name} expects 1 argument, got {len(call.arguments)}")
            name = self._columns.get(normal_text(self._tokens[slice(*call.arguments[0])]))
            if name not in self._aggregates:
                raise planning_error(
                    f"{call.name} must be called on an aggregate column in a gap-filling query"
                )
            if name in filled:
                raise QueryError(
                    "This feature is not implemented: multiple fill strategies for the same column"
                )
            filled.add(name)
            fills[name] = FILL_FUNCTIONS[call.name]
            self._columns[normal_text(self._tokens[call.first : call.close])] = name
        return fills

    def _order_spans(self) -> list[Span]:
        return [self._select.clauses["ORDER"]] if "ORDER" in self._select.clauses else []

    def _plain(self, span: Span) -> str:
        """Return a span's text without gap filling: bins as they are, aggregates unfilled."""
        start, end = span
        part = TextEdits(self._edits.sql, self._tokens)
        for call in find_calls(self._tokens, {*GAPFILL_FUNCTIONS, *FILL_FUNCTIONS}):
            if start <= call.first < end:
                part.replace(call.first, call.first + 1, GAPFILL_FUNCTIONS.get(call.name, ""))
        return part.applied_source(start, end)

    def _checked_names(self) -> list[str]:
        """Let DataFusion judge the SELECT without gap filling; return the names of its columns."""
        items = [
            f"{self._plain(item.expression)} AS {quote_name(f'i{number}')}"
            for number, item in enumerate(self._select.items)
        ]
        if any(self._tokens[end - 1].text == "*" for _, end in self._expressions()[: len(items)]):
            items = [self._plain(item.expression) for item in self._select.items]
        groups = ", ".join(self._plain(span) for span in self._groups.spans)
        having = self._select.clauses.get("HAVING")
        sql = f"{self._with}SELECT {', '.join(items)}{self._clause('FROM')}{self._clause('WHERE')}"
        sql += f" GROUP BY {groups}" + ("" if having is None else f" HAVING {self._plain(having)}")
        projections = self._planner.look(sql).logical_plan().to_variant().projections()
        return [
            self._name(item, expression)
            for item, expression in zip(self._select.items, projections, strict=True)
        ]

    def _name(self, item: SelectItem, expression: object) -> str:
        if item.alias is not None:
            return item.alias
        inner = expression.to_variant().expr()  # type: ignore[attr-defined]
        name = str(
            inner.to_variant().name() if inner.variant_name() == "Column" else inner.schema_name()
        )
        start, end = item.expression
        calls = list(find_calls(self._tokens[start:end], {*GAPFILL_FUNCTIONS, *FILL_FUNCTIONS}))
        if not calls:
            return name
        whole = calls[0].first == 0 and calls[0].end == end - start
        if whole and calls[0].name in FILL_FUNCTIONS:
            return f"{calls[0].name}({name})"
        if whole and calls[0].name == "date_bin_gapfill":
            return "date_bin_gapfill" + name.removeprefix("date_bin")
        return self._edits.source(start, end)

    def _inner_text(self) -> str:
        columns = [f"{self._plain(span)} AS g{number}" for number, span in enumerate(self._groups.spans)]
        columns += [
            f"{self._edits.source(call.first, call.end)} AS {name}"
            for name, call in self._aggregates.items()
        ]
        count = len(self._groups.spans)
        series = [n for n in range(1, count + 1) if n != self._groups.gapfill + 1]
        order = ", ".join(f"{n} NULLS FIRST" for n in [*series, self._groups.gapfill + 1])
        groups = ", ".join(str(n) for n in range(1, count + 1))
        source = f"{self._clause('FROM')}{self._clause('WHERE')}"
        return f"{self._with}SELECT {', '.join(columns)}{source} GROUP BY {groups} ORDER BY {order}"

    def _head(self, names: list[str]) -> str:
        columns = ColumnSubstitution(self._edits, self._columns)
        items = [
            f"{columns.text(item.expression)} AS {quote_name(name)}"
            for item, name in zip(self._select.items, names, strict=True)
        ]
        return f"{self._edits.source(self._select.first, self._select.items_start)} {', '.join(items)}"

    def _tail(self, names: list[str]) -> str:
        columns = ColumnSubstitution(self._edits, self._columns)
        having = self._select.clauses.get("HAVING")
        tail = "" if having is None else f" WHERE {columns.text(having)}"
        for word in _TAIL:
            if word in self._select.clauses:
                keep = names if word == "ORDER" else ()
                as_it_stands = self._select.in_set and word == "ORDER"
                span = self._select.clauses[word]
                text = self._edits.source(*span) if as_it_stands else columns.text(span, keep)
                tail += f" {_WORDS.get(word, word)} {text}"
        return tail
