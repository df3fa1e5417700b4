"""How does a query that fills gaps run on a DataFusion that knows of none?

In two steps: what the SELECT aggregates is run as it is, and the rows of the missing bins are added to the result
(`gapfill_rows`); the rest of the SELECT then reads those rows in place of its FROM. Only that SELECT changes, the
text around it stays.

Source: core/iox_query/src/analyzer/handle_gapfill.rs, whose error texts these are.
Differs: rows lying outside the range that the WHERE names widen the range of all series, not of their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from procengine.errors import QueryError
from procengine.query.gapfill_bins import even_bins, wallclock_bins
from procengine.query.gapfill_groups import GAPFILL_FUNCTIONS
from procengine.query.gapfill_range import evaluate_range, find_range
from procengine.query.gapfill_rows import Numbers, fill_rows
from procengine.query.gapfill_select import FILL_FUNCTIONS, GapfillSelect, read_select
from procengine.query.sql_calls import find_calls
from procengine.query.sql_select import Select, find_selects
from procengine.query.sql_tokens import Token, tokenize
from procengine.query.statement_planner import StatementPlanner
from procengine.query.text_edits import TextEdits
from procengine.query.wallclock_bins import DAY_NS
from procengine.query.zone_functions import in_zone

_MENTION = re.compile(rf"\b(?:{'|'.join([*GAPFILL_FUNCTIONS, *FILL_FUNCTIONS])})\b", re.IGNORECASE)


def fill_gaps(sql: str, planner: StatementPlanner) -> str:
    """Return a text whose SELECTs with gap filling read rows that are filled already.

    Raises:
        QueryError: gap filling is asked for where or how it cannot be.
    """
    if _MENTION.search(sql) is None:
        return sql
    planner.check_syntax(sql)
    number = 0
    while True:
        tokens = tokenize(sql)
        select = _innermost(tokens)
        if select is None:
            break
        edits = TextEdits(sql, tokens)
        read = read_select(edits, select, planner)
        name = f"procengine_gapfill_{number}"
        number += 1
        planner.add_temporary(name, _filled(read, planner, explain=_only_explains(tokens)))
        edits.replace(select.first, select.end, read.outer_text(name))
        sql = edits.apply()
    for call in find_calls(tokens, FILL_FUNCTIONS):
        raise QueryError(
            f"Error during planning: {call.name} may only be used in the SELECT list of a gap-filling query"
        )
    return sql


def _innermost(tokens: Sequence[Token]) -> Select | None:
    """Return a SELECT that calls a gap-filling function and holds no other that does."""
    calls = [call.first for call in find_calls(tokens, GAPFILL_FUNCTIONS)]
    if not calls:
        return None
    selects = [one for one in find_selects(tokens) if any(one.first < call < one.end for call in calls)]
    if not selects:
        raise QueryError(
            f"Error during planning: {tokens[calls[0]].text.lower()} may only be used as a GROUP BY expression"
        )
    # What ends first holds no other, and what it reads by name was filled before it.
    return min(selects, key=lambda one: one.end)


def _only_explains(tokens: Sequence[Token]) -> bool:
    return tokens[0].upper == "EXPLAIN" and tokens[1].upper != "ANALYZE"


def _filled(read: GapfillSelect, planner: StatementPlanner, *, explain: bool) -> pa.Table:
    found = find_range(planner.look(read.range_text).logical_plan())
    first_ns, last_ns = evaluate_range(found, planner.look("SELECT 1 AS one"))
    if explain:
        return planner.look(read.inner_text).schema().empty_table()
    stride_ns = _stride_ns(read.stride, planner)
    rows = planner.collect(read.inner_text)
    return fill_rows(
        rows,
        series_columns=read.series_columns,
        time_column=read.time_column,
        bins=_bins(read, rows, (first_ns, last_ns), stride_ns, planner),
        fills=read.fills,
    )


def _bins(
    read: GapfillSelect,
    rows: pa.Table,
    range_ns: tuple[int, int],
    stride_ns: int,
    planner: StatementPlanner,
) -> Numbers:
    """Return the bins of the range, and those of rows outside of it."""
    if not rows.num_rows:
        return even_bins(0, -1, stride_ns)
    times = rows[read.time_column]
    zone = times.type.tz
    starts = [_bin_of(read, instant_ns, zone, planner) for instant_ns in range_ns]
    known = [] if times.null_count == len(times) else times.drop_null().cast(pa.int64()).to_numpy()
    first_ns, last_ns = min([starts[0], *known]), max([starts[1], *known])
    if read.wallclock and zone not in (None, "UTC"):
        return wallclock_bins(first_ns, last_ns, stride_ns, zone)
    return even_bins(first_ns, last_ns, stride_ns)


def _stride_ns(text: str, planner: StatementPlanner) -> int:
    stride = planner.evaluate(f"arrow_cast({text}, 'Interval(MonthDayNano)')").as_py()
    if stride is None:
        raise QueryError("gap filling expects a stride parameter to be a scalar interval")
    if stride.months:
        raise QueryError("gap filling does not support month intervals")
    stride_ns = int(stride.days * DAY_NS + stride.nanoseconds)
    if stride_ns <= 0:
        raise QueryError("gap filling expects a positive stride")
    return stride_ns


def _bin_of(read: GapfillSelect, instant_ns: int, zone: str | None, planner: StatementPlanner) -> int:
    literal = f"arrow_cast({instant_ns}, 'Timestamp(Nanosecond, None)')"
    time = literal if zone is None else in_zone(literal, zone)
    start = planner.collect(
        f"SELECT {read.bin_function}({', '.join([read.stride, time, *read.origin])}) AS start"
    )
    return int(start["start"].cast(pa.int64())[0].as_py())
