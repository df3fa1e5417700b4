"""What did a run do? One card for production runs, fired runs and dry runs of all kinds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from traceback import walk_tb
from typing import Any

from procengine.errors import InvalidInputError
from procengine.model.byte_size import format_bytes
from procengine.model.counted import counted
from procengine.model.run import (
    CANCELLED_TEXT,
    CacheChange,
    CauseKind,
    LogEntry,
    LogLevel,
    Response,
    Run,
    RunOutcome,
)
from procengine.model.trigger import TriggerKind
from procengine_jupyter.render.markup import Html, element, join, rows
from procengine_jupyter.render.phrases import clock_time, duration, instant, listed
from procengine_jupyter.render.run_profile import RunProfile, profile_html, profile_lines
from procengine_jupyter.render.style import card, code, part, soft
from procengine_jupyter.render.view import OfferingView, View

MOST_LOGS = 20
MOST_LINES = 12

_OUTCOMES: Mapping[RunOutcome, tuple[str, str]] = {
    RunOutcome.SUCCESS: ("success", "good"),
    RunOutcome.ERROR: ("error", "bad"),
    RunOutcome.WRITE_ERROR: ("wrote nothing: lines were rejected", "bad"),
    RunOutcome.CANCELLED: ("cancelled", "warn"),
    RunOutcome.LIMIT_EXCEEDED: ("past a limit, cancelled", "bad"),
}

_LEVEL_TONES = {LogLevel.INFO: "", LogLevel.WARN: "warn", LogLevel.ERROR: "bad"}


@dataclass(frozen=True, slots=True, repr=False)
class RunCard(OfferingView):
    """The card of one run.

    ``cell_names`` maps the file names of plugin code that came from cells to what a reader knows them
    by, such as ``Cell In[3]``. ``write_test`` writes a test of the run, None where that cannot be.
    ``notes`` are those on the plugin, by their codes. ``profile`` says where the time went, if that was measured.
    ``offer`` is as in `OfferingView`.
    """

    run: Run
    cell_names: Mapping[str, str] = field(default_factory=dict)
    write_test: Callable[[str | Path, bool], View] | None = None
    notes: str = ""
    profile: RunProfile | None = None
    offer: Callable[[View], Mapping[str, Any]] | None = None

    def to_pytest(self, path: str | Path, *, replace: bool = False) -> View:
        """Write a test to a file: it replays the run's input against the plugin, and asserts what the run did.

        A file that is there is left alone, unless ``replace`` says otherwise.

        Raises: InvalidInputError: the file is there, or the run's input is not kept any more.
        """
        if self.write_test is None:
            raise InvalidInputError("this run cannot become a test; fire its trigger again")
        return self.write_test(path, replace)

    def html(self) -> Html:
        """Return the card as HTML."""
        word, tone = ending(self.run)
        return card(
            title(self.run),
            *run_parts(self.run, self.cell_names),
            profile_html(self.profile, self.cell_names) if self.profile is not None else "",
            part("notes", soft(self.notes)) if self.notes else "",
            details=join([element("span", word, css=f"pe-text-{tone}"), " · ", measures(self.run)]),
            tone=tone,
        )

    def plain(self) -> str:
        """Return the card as text."""
        text = run_text(self.run, self.cell_names)
        if self.profile is not None:
            text = "\n  ".join([text, *profile_lines(self.profile, self.cell_names)])
        return f"{text}\n  notes: {self.notes}" if self.notes else text


@dataclass(frozen=True, slots=True, repr=False)
class RunsCard(View):
    """The cards of several runs of one trigger, the last one whole."""

    runs: tuple[Run, ...]
    cell_names: Mapping[str, str] = field(default_factory=dict)

    def html(self) -> Html:
        """Return a summary of all and the last run as HTML."""
        last = self.runs[-1]
        word, tone = ending(last)
        return card(
            title(last),
            part("last run", element("span", word, css=f"pe-text-{tone}"), " · ", measures(last)),
            *run_parts(last, self.cell_names),
            details=self._summary(),
            tone="bad" if self._failed() else "good",
        )

    def plain(self) -> str:
        """Return a summary of all and the last run as text."""
        return f"{self._summary()}\n{run_text(self.runs[-1], self.cell_names)}"

    def _failed(self) -> int:
        return sum(run.outcome is not RunOutcome.SUCCESS for run in self.runs)

    def _summary(self) -> str:
        durations = sorted(run.duration_ns for run in self.runs)
        failed = f", {self._failed()} failed" if self._failed() else ""
        middle = durations[len(durations) // 2]
        return (
            f"{counted(len(self.runs), 'run')}{failed} · {duration(durations[0])} at least, "
            f"{duration(middle)} median, {duration(durations[-1])} at most"
        )


def title(run: Run) -> str:
    """Return what a run is called."""
    name = run.trigger or run.plugin_filename
    return f"{name} · dry run, nothing was stored" if run.dry_run else name


def ending(run: Run) -> tuple[str, str]:
    """Return how a run ended and the tone of that.

    Lines of one database may be rejected when another's were stored; a dry run stores none at all.
    """
    if run.outcome is RunOutcome.WRITE_ERROR and run.dry_run:
        return "lines would be rejected", "bad"
    if run.outcome is RunOutcome.WRITE_ERROR and run.writes:
        return "some lines were rejected", "bad"
    return _OUTCOMES[run.outcome]


def measures(run: Run) -> str:
    """Return when a run was and what it cost, in one line."""
    facts = [f"{clock_time(run.started_ns)} UTC", duration(run.duration_ns)]
    if run.kind is TriggerKind.SCHEDULE and run.cause.instant_ns is not None:
        facts.insert(0, f"due {instant(run.cause.instant_ns)}")
    if run.rows_in:
        facts.append(f"{counted(run.rows_in, 'row')} in")
    if run.query_count:
        facts.append(counted(run.query_count, "query", "queries"))
    if run.peak_memory_bytes is not None:
        facts.append(f"memory grew by {format_bytes(run.peak_memory_bytes)}")
    if run.attempt > 1:
        facts.append(f"attempt {run.attempt}")
    if run.queue_wait_ns >= 100_000_000:
        facts.append(f"waited {duration(run.queue_wait_ns)}")
    return " · ".join(facts)


def written(run: Run) -> str:
    """Return which tables received rows, or would have: ``1 row into alerts``.

    Nothing for a dry run with rejected lines: its counts are of all lines, the rejected ones too.
    """
    if not run.writes or (run.dry_run and run.outcome is RunOutcome.WRITE_ERROR):
        return ""
    tables = [
        f"{counted(number, 'row')} into {database}.{table}"
        if database != run.database
        else f"{counted(number, 'row')} into {table}"
        for (database, table), number in run.writes.items()
    ]
    return listed(tables)


def dropped(run: Run) -> str:
    """Return how many lines a run queued in vain, in words; empty for none."""
    if not run.dropped_lines:
        return ""
    lines = counted(run.dropped_lines, "queued line was", "queued lines were")
    why = "was cancelled" if run.outcome is RunOutcome.CANCELLED else "failed"
    return f"{lines} not written: the run {why}"


def breakpoint_text(run: Run, cell_names: Mapping[str, str]) -> str:
    """Return where a run met a breakpoint that nobody stopped at, in the cell if it is one's; empty for none."""
    met = run.breakpoint
    if met is None or run.outcome.is_failure:  # its failure is what %debug opens then
        return ""
    where = f"line {met.line_number} of {Path(met.filename).name}"
    for frame, line in walk_tb(met.exception.__traceback__):
        if frame.f_code.co_filename in cell_names:
            where = f"{cell_names[frame.f_code.co_filename]}, line {line}"
    return f"passed in {met.function}, {where}; %debug looks at it"


def run_parts(run: Run, cell_names: Mapping[str, str]) -> list[Html]:
    """Return what stands below the head of a run's card."""
    parts = []
    if written(run):
        parts.append(part("would write" if run.dry_run else "wrote", written(run)))
    if run.dry_run or run.cause.kind is CauseKind.FIRE:
        parts += [_lines_html(database, lines) for database, lines in run.lines.items() if lines]
    if shown_logs(run):
        parts.append(logs_html(run))
    parts += [_error_html(text) for text in run.write_errors]
    if run.failure is not None:
        parts.append(element("pre", failure_text(run, cell_names)))
    if met := breakpoint_text(run, cell_names):
        parts.append(part("breakpoint", met))
    if dropped(run):
        parts.append(element("div", dropped(run), css="pe-part pe-text-warn"))
    if run.cache_changes:
        parts.append(cache_html(run.cache_changes, label=_cache_label(run)))
    parts += [part("plugin cache", soft(text)) for text in run.cache_notes]
    if run.response is not None:
        parts.append(response_html(run.response))
    return parts


def shown_logs(run: Run) -> tuple[LogEntry, ...]:
    """Return a run's logs without what its card says anyway: that it began, ended, and why it failed."""
    reasons = [run.failure.message] if run.failure is not None else []
    reasons += run.write_errors
    return tuple(
        entry
        for entry in run.logs
        if entry.printed
        or not (
            (
                entry.level is LogLevel.INFO
                and entry.text.startswith(("starting execution", "finished execution in "))
            )
            or (entry.level is LogLevel.ERROR and any(reason in entry.text for reason in reasons))
            or (run.outcome is RunOutcome.CANCELLED and CANCELLED_TEXT in entry.text)
            or (entry.level is LogLevel.WARN and run.dropped_lines and entry.text == dropped(run))
        )
    )


def logs_html(run: Run) -> Html:
    """Return the first logs of a run as a table."""
    cells: list[list[object]] = [
        [
            soft(clock_time(entry.time_ns)),
            element("span", _level(entry), css=f"pe-text-{_LEVEL_TONES[entry.level] or 'none'}"),
            element("span", entry.text, css="pe-long"),
        ]
        for entry in shown_logs(run)[:MOST_LOGS]
    ]
    more = _more_logs(run)
    return element("div", rows(cells), soft(more) if more else "", css="pe-part")


def _more_logs(run: Run) -> str:
    """Return how many logs a card leaves out and where they are; a dry run's are in its record alone."""
    hidden = len(shown_logs(run)) + run.lines_left_out - MOST_LOGS
    if hidden <= 0:
        return ""
    if run.dry_run:
        return f"{counted(hidden, 'more line', 'more lines')}: run.logs"
    return f"{hidden:,} more in system.processing_engine_logs"


def _level(entry: LogEntry) -> str:
    return "print" if entry.printed else entry.level.value


def _lines_html(database: str, lines: tuple[str, ...]) -> Html:
    shown = "\n".join(lines[:MOST_LINES])
    hidden = len(lines) - MOST_LINES
    more = f"\n… {counted(hidden, 'more line', 'more lines')}" if hidden > 0 else ""
    return element("div", soft(f"lines for {database}"), element("pre", shown + more), css="pe-part")


def _error_html(text: str) -> Html:
    return element("div", text, css="pe-part pe-text-bad")


def _cache_label(run: Run) -> str:
    return "plugin cache (a copy, thrown away)" if run.dry_run else "plugin cache"


def cache_html(changes: tuple[CacheChange, ...], *, label: str) -> Html:
    """Return keys with their values before and after."""
    cells: list[list[object]] = [
        [
            "global" if change.use_global else "",
            code(change.key),
            code(change.before) if change.before is not None else soft("absent"),
            "→",
            code(change.after) if change.after is not None else soft("deleted"),
        ]
        for change in changes
    ]
    return part(label, rows(cells))


def response_html(response: Response) -> Html:
    """Return what a request was answered."""
    headers = "\n".join(f"{name}: {value}" for name, value in response.headers)
    tone = "good" if response.status < 400 else "bad"
    return part(
        "response",
        element("span", response.status, css=f"pe-text-{tone}"),
        element("pre", f"{headers}\n\n{body_text(response)}".strip("\n")),
    )


def body_text(response: Response) -> str:
    """Return a response's body as text: JSON indented, other text as it is, bytes by their number."""
    try:
        text = response.body.decode()
    except UnicodeDecodeError:
        return f"<{counted(len(response.body), 'byte')}>"
    kinds = [value for name, value in response.headers if name.lower() == "content-type"]
    if kinds and "json" in kinds[0].lower():
        try:
            return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except ValueError:
            return text
    return text


def failure_text(run: Run, cell_names: Mapping[str, str]) -> str:
    """Return a failure's traceback in the plugin's own lines; cells go by their names."""
    failure = run.failure
    if failure is None:
        return ""
    text = failure.traceback_text.rstrip() or failure.message
    if run.outcome in {RunOutcome.LIMIT_EXCEEDED, RunOutcome.CANCELLED} and failure.message not in text:
        # the traceback ends with the interrupt alone
        text = f"{failure.message}\n{text}"
    for filename, name in cell_names.items():
        text = text.replace(f'File "{filename}", line', f"{name}, line")
    return f"{text}\n{failure.hint}" if failure.hint else text


def run_text(run: Run, cell_names: Mapping[str, str]) -> str:
    """Return a run's card as text."""
    lines = [f"{title(run)}: {ending(run)[0]} · {measures(run)}"]
    if written(run):
        lines.append(f"  {'would write' if run.dry_run else 'wrote'} {written(run)}")
    if run.dry_run or run.cause.kind is CauseKind.FIRE:
        for each in run.lines.values():
            lines += [f"    {line}" for line in each[:MOST_LINES]]
            if len(each) > MOST_LINES:
                lines.append(f"    ... and {counted(len(each) - MOST_LINES, 'more line', 'more lines')}")
    lines += [
        f"  {clock_time(entry.time_ns)} {_level(entry):5} {entry.text}"
        for entry in shown_logs(run)[:MOST_LOGS]
    ]
    if _more_logs(run):
        lines.append(f"  ... and {_more_logs(run)}")
    lines += [f"  {text}" for text in run.write_errors]
    lines += [f"  {line}" for line in failure_text(run, cell_names).splitlines()]
    if met := breakpoint_text(run, cell_names):
        lines.append(f"  breakpoint {met}")
    if dropped(run):
        lines.append(f"  {dropped(run)}")
    lines += [
        f"  {'copy of the cache' if run.dry_run else 'cache'} {change.key!r}: "
        f"{change.before or 'absent'} -> {change.after or 'deleted'}"
        for change in run.cache_changes
    ]
    lines += [f"  cache: {text}" for text in run.cache_notes]
    if run.response is not None:
        lines.append(f"  response {run.response.status}")
        lines += [f"    {line}" for line in body_text(run.response).splitlines()]
    return "\n".join(lines)
