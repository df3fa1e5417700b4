"""What happened in one run, whole?

Cause and cost, input, what it wrote and asked, logs, the cache before and after, and its failure in the lines of the
cell. What is not kept any more is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from procengine.model.byte_size import format_bytes
from procengine.model.counted import counted
from procengine.model.result_format import format_pretty
from procengine.model.run import CacheChange, CauseKind, Run
from procengine.model.table_rows import TableRows
from procengine.processing.event import RequestEvent, ScheduleEvent, WriteEvent
from procengine.processing.run_details import RunDetails
from procengine.processing.run_trace import RunQuery, RunWrite
from procengine_jupyter.render.markup import Html, element, join, rows
from procengine_jupyter.render.phrases import duration, instant, listed
from procengine_jupyter.render.run_card import (
    cache_html,
    dropped,
    ending,
    failure_text,
    logs_html,
    response_html,
    shown_logs,
    title,
    written,
)
from procengine_jupyter.render.style import card, code, part, soft
from procengine_jupyter.render.table_card import cell_texts, table_html
from procengine_jupyter.render.view import View

MOST_ROWS = 20
"""How many rows of each table of the input are shown; `RunDetails.event` has all."""

MOST_CALLS = 20
"""How many writes, and how many queries, are shown."""

MOST_LINES = 20
"""How many lines of one write are shown."""

LONGEST_VALUE = 400
"""Characters of a cached value that are shown."""


@dataclass(frozen=True, slots=True, repr=False)
class RunWhole(View):
    """One run with everything that is known of it.

    ``cell_names`` maps the file names of plugin code that came from cells to what a reader knows them by.
    """

    details: RunDetails
    cell_names: Mapping[str, str] = field(default_factory=dict)

    def html(self) -> Html:
        """Return the run as HTML."""
        run = self.details.run
        word, tone = ending(run)
        parts = [
            part("cause", cause(run)),
            part("cost", cost(run)),
            *self._input(),
            *self._writes(),
            *(_write_fault(text) for text in run.write_errors),
            *self._queries(),
        ]
        if shown_logs(run):
            parts += [_heading("logs"), logs_html(run)]
        changes = self._cache()
        if changes:
            parts.append(cache_html(changes, label="plugin cache, before → after"))
        parts += [part("plugin cache", text) for text in run.cache_notes]
        if run.response is not None:
            parts.append(response_html(run.response))
        if run.failure is not None:
            where = place(run, self.cell_names)
            label = f"failed at {where}" if where else "failed"
            parts += [_heading(label), element("pre", failure_text(run, self.cell_names))]
        parts += [part("not shown", text) for text in self.details.missing]
        details = join(
            [element("span", word, css=f"pe-text-{tone}"), f" · run {run.run_id} of {run.database}"]
        )
        return card(title(run), *parts, details=details, tone=tone)

    def plain(self) -> str:
        """Return the run as text."""
        run = self.details.run
        lines = [
            f"{title(run)}: {ending(run)[0]} · run {run.run_id} of {run.database}",
            f"  cause: {cause(run)}",
            f"  cost: {cost(run)}",
        ]
        for label, table, hidden in self._input_tables():
            lines.append(f"  {label}{f', the first {MOST_ROWS} shown' if hidden else ''}:")
            lines += [f"    {line}" for line in format_pretty(_texts(table)).splitlines()]
        lines += [f"  {label}: {text}" for label, text in self._input_texts()]
        for write in self.details.writes[:MOST_CALLS]:
            lines.append(f"  {_write_label(write)}")
            lines += [f"    {line}" for line in _first_lines(write.lines).splitlines()]
        lines += [f"  {text}" for text in run.write_errors]
        for query in self.details.queries[:MOST_CALLS]:
            lines += [f"  {_query_label(query)}", *(f"    {line}" for line in query.sql.splitlines())]
        lines += [f"  {entry.level.value:5} {entry.text}" for entry in shown_logs(run)[:MOST_CALLS]]
        lines += [
            f"  cache {change.key!r}: {change.before or 'absent'} -> {change.after or 'deleted'}"
            for change in self._cache()
        ]
        lines += [f"  {line}" for line in failure_text(run, self.cell_names).splitlines()]
        lines += [f"  {text}" for text in ([dropped(run)] if dropped(run) else [])]
        lines += [f"  not shown: {text}" for text in self.details.missing]
        return "\n".join(lines)

    def _input(self) -> Iterator[Html]:
        for label, table, hidden in self._input_tables():
            note = soft(f"the first {MOST_ROWS} of {hidden + MOST_ROWS:,} are shown") if hidden else ""
            yield part(label, note, table_html(table))
        for label, text in self._input_texts():
            yield part(label, element("span", text, css="pe-long"))

    def _input_tables(self) -> Iterator[tuple[str, pa.Table, int]]:
        """Yield label, first rows and number of hidden rows for each table that came in."""
        event = self.details.event
        pieces = event.rows if isinstance(event, WriteEvent) else ()
        for name, batches in _by_table(pieces).items():
            table = pa.concat_tables(batches, promote_options="default")
            hidden = max(0, table.num_rows - MOST_ROWS)
            yield f"input: {counted(table.num_rows, 'row')} of {name}", table.slice(0, MOST_ROWS), hidden

    def _input_texts(self) -> Iterator[tuple[str, str]]:
        """Yield label and text of what came in, but for rows."""
        event, trigger = self.details.event, self.details.trigger
        if isinstance(event, ScheduleEvent):
            yield "input: scheduled time", instant(event.instant_ns)
        if isinstance(event, RequestEvent):
            query = "&".join(f"{name}={value}" for name, value in event.query_params.items())
            yield "input: request", f"{event.method} ?{query}" if query else event.method
            for name, value in event.headers.items():
                yield f"header {name}", value
            if event.body:
                yield "body", event.body.decode(errors="backslashreplace")
        if trigger is not None and trigger.arguments:
            yield "arguments", ", ".join(f"{k}={v}" for k, v in trigger.arguments.items())

    def _writes(self) -> Iterator[Html]:
        run, writes = self.details.run, self.details.writes
        if written(run):
            yield part("would write" if run.dry_run else "wrote", written(run))
        for write in writes[:MOST_CALLS]:
            css = "pe-text-bad" if write.fault else "pe-soft"
            yield element(
                "div",
                element("span", _write_label(write), css=css),
                element("pre", _first_lines(write.lines)),
                css="pe-part",
            )
        if len(writes) > MOST_CALLS:
            yield part("and", counted(len(writes) - MOST_CALLS, "more write"))
        if dropped(run):
            yield part("dropped", element("span", dropped(run), css="pe-text-warn"))
        for database, lines in self.details.dropped.items():
            yield part(f"lines for {database}", element("pre", _first_lines("\n".join(lines))))

    def _queries(self) -> Iterator[Html]:
        queries = self.details.queries
        for query in queries[:MOST_CALLS]:
            css = "pe-text-bad" if query.fault else "pe-soft"
            params: list[list[object]] = [
                [code(f"${name}"), code(value)] for name, value in (query.params or {}).items()
            ]
            yield element(
                "div",
                element("span", _query_label(query), css=css),
                element("pre", query.sql),
                rows(params) if params else "",
                css="pe-part",
            )
        if len(queries) > MOST_CALLS:
            yield part("and", counted(len(queries) - MOST_CALLS, "more query", "more queries"))

    def _cache(self) -> tuple[CacheChange, ...]:
        """Return what changed in the plugin cache: as noted at the time, else as it can still be known."""
        if self.details.run.cache_changes:
            return self.details.run.cache_changes
        return tuple(
            CacheChange(
                key=one.key,
                use_global=one.use_global,
                before=None if one.before is None else _short(one.before.text),
                after=None if one.after is None else _short(one.after.text),
            )
            for one in self.details.cache
        )


def cause(run: Run) -> str:
    """Return what made a run, in words."""
    attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
    depth = f", after {counted(run.cause.depth, 'run')} in a chain" if run.cause.depth else ""
    match run.cause.kind:
        case CauseKind.WRITE:
            what = f"a write, flush {run.cause.wal_sequence_number} of the write-ahead log"
        case CauseKind.TICK:
            due = run.cause.instant_ns
            what = "its schedule" if due is None else f"its schedule, due {instant(due)}"
        case CauseKind.REQUEST:
            what = "a request"
        case CauseKind.FIRE:
            what = "fired by hand"
    return f"{what}{depth}{attempt}"


def cost(run: Run) -> str:
    """Return when a run was and what it cost, in words."""
    facts = [
        f"{instant(run.started_ns)}",
        f"waited {duration(run.queue_wait_ns)}",
        f"took {duration(run.duration_ns)}",
        f"CPU {duration(run.cpu_ns)}",
    ]
    if run.peak_memory_bytes is not None:
        facts.append(f"memory grew by {format_bytes(run.peak_memory_bytes)}")
    return " · ".join(facts)


def place(run: Run, cell_names: Mapping[str, str]) -> str:
    """Return where the plugin failed: a cell or a file, and its line; empty when that is not known."""
    failure = run.failure
    if failure is None or failure.filename is None:
        return ""
    name = cell_names.get(failure.filename, failure.filename)
    return f"{name}, line {failure.line_number}" if failure.line_number else name


def _heading(text: str) -> Html:
    return element("div", soft(text), css="pe-part")


def _write_fault(text: str) -> Html:
    return element("div", text, css="pe-part pe-text-bad")


def _write_label(write: RunWrite) -> str:
    how = "queued" if write.queued else "write_sync"
    stored = listed([f"{counted(count, 'row')} into {table}" for table, count in write.rows.items()])
    end = f"refused: {write.fault}" if write.fault else stored
    return f"lines for {write.database} ({how}){f': {end}' if end else ''}"


def _query_label(query: RunQuery) -> str:
    end = f"failed: {query.fault}" if query.fault else counted(query.row_count or 0, "row")
    return f"query of {query.database}: {end} in {duration(query.duration_ns)}"


def _first_lines(text: str) -> str:
    lines = text.split("\n", MOST_LINES)
    if len(lines) <= MOST_LINES:
        return text
    hidden = lines.pop().count("\n") + 1
    return "\n".join([*lines, f"… {counted(hidden, 'more line', 'more lines')}"])


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _by_table(pieces: tuple[TableRows, ...]) -> dict[str, list[pa.Table]]:
    found: dict[str, list[pa.Table]] = {}
    for piece in pieces:
        found.setdefault(piece.table, []).append(pa.Table.from_batches([piece.batch]))
    return found


def _texts(table: pa.Table) -> pa.Table:
    columns = [pa.array(cell_texts(column), pa.string()) for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.column_names)
