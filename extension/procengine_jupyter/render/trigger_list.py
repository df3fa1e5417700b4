"""Which triggers are there, and how are they?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from procengine.model.counted import counted
from procengine.model.node_spec import ALL_NODES
from procengine.model.run import RunOutcome
from procengine.model.trigger import ErrorBehavior, Trigger
from procengine_jupyter.render.markup import Html, element, join, rows
from procengine_jupyter.render.phrases import clock_time, duration, instant
from procengine_jupyter.render.style import card, code, soft
from procengine_jupyter.render.view import View

HEADS: list[object] = ["trigger", "database", "when", "state", "runs", "last run", "next (UTC)"]

LAST_RUNS: Mapping[RunOutcome, tuple[str, str]] = {
    RunOutcome.SUCCESS: ("success", "good"),
    RunOutcome.ERROR: ("failed", "bad"),
    RunOutcome.WRITE_ERROR: ("lines rejected", "bad"),
    RunOutcome.CANCELLED: ("cancelled", "warn"),
    RunOutcome.LIMIT_EXCEEDED: ("past a limit", "bad"),
}
"""What the last run is called by its outcome, and the tone of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerLine:
    """One trigger and how it is doing; times are nanoseconds UTC.

    ``in_flight`` are runs going on, ``queue_depth`` are events that wait for one; of a write trigger
    ``lag_rows`` wait, the first since ``lag_seconds``. ``warning`` is what it cannot keep up with,
    ``missing_table`` the table that it watches where there is none.
    """

    trigger: Trigger
    state: str
    reason: str = ""
    runs: int = 0
    errors: int = 0
    last_run_ns: int | None = None
    last_outcome: RunOutcome | None = None
    p50_ns: int | None = None
    next_fire_ns: int | None = None
    in_flight: int = 0
    queue_depth: int = 0
    warning: str = ""
    lag_rows: int = 0
    lag_seconds: float = 0.0
    missing_table: str = ""

    @property
    def state_text(self) -> str:
        """The state with what is not the usual."""
        facts = [f"{self.state}: {self.reason}" if self.reason else self.state]
        if self.missing_table:
            facts.append(f"waiting for table {self.missing_table}")
        if self.trigger.run_async:
            facts.append("asynchronous")
        if self.trigger.node_spec != ALL_NODES and not self.reason:
            facts.append(f"on {self.trigger.node_spec}")
        if self.trigger.error_behavior is not ErrorBehavior.LOG:
            facts.append(f"on error {self.trigger.error_behavior.value}")
        if self.warning:
            facts.append(f"warning: {self.warning}")
        if str(self.trigger.limits):
            facts.append(f"limits {self.trigger.limits}")
        return ", ".join(facts)

    @property
    def runs_text(self) -> str:
        """What is going on, how many runs there were, how many failed, and how long they take."""
        facts = []
        if self.in_flight:
            facts.append("running" if self.in_flight == 1 else f"{self.in_flight:,} running")
        if self.queue_depth:
            facts.append(f"{self.queue_depth:,} waiting{self._lag_text}")
        facts.append(counted(self.runs, "run"))
        if self.errors:
            facts.append(f"{self.errors:,} failed")
        if self.p50_ns is not None:
            facts.append(duration(self.p50_ns))
        return ", ".join(facts)

    @property
    def _lag_text(self) -> str:
        if not self.lag_rows:
            return ""
        return f" ({counted(self.lag_rows, 'row')}, {self.lag_seconds:,.1f} s behind)"

    @property
    def last_text(self) -> str:
        """When the last run was, and how it ended."""
        if self.last_run_ns is None or self.last_outcome is None:
            return "" if self.in_flight else "not yet"
        return f"{LAST_RUNS[self.last_outcome][0]} {clock_time(self.last_run_ns)[:8]}"

    @property
    def last_tone(self) -> str:
        """How the last run's end is coloured."""
        return "none" if self.last_outcome is None else LAST_RUNS[self.last_outcome][1]

    @property
    def next_text(self) -> str:
        """When the next scheduled run is."""
        return instant(self.next_fire_ns).removesuffix(" UTC") if self.next_fire_ns is not None else ""


@dataclass(frozen=True, slots=True, repr=False)
class TriggerList(View):
    """All triggers, as a table."""

    lines: tuple[TriggerLine, ...]

    def html(self) -> Html:
        """Return the list as HTML."""
        if not self.lines:
            return card("no triggers", details="%%plugin NAME --trigger SPEC --database DB makes one")
        return card(
            counted(len(self.lines), "trigger"),
            rows([_cells(line) for line in self.lines], heads=HEADS),
            tone="warn" if any(line.last_tone == "bad" or line.warning for line in self.lines) else "",
        )

    def plain(self) -> str:
        """Return the list as text."""
        if not self.lines:
            return "no triggers"
        return "\n".join(_text(line) for line in self.lines)


def _cells(line: TriggerLine) -> list[object]:
    trigger = line.trigger
    return [
        element("span", trigger.name, _plugin_html(trigger), css="pe-wrap"),
        trigger.database,
        code(trigger.spec),
        element("span", line.state_text, css="pe-wrap"),
        element("span", _broken_at_commas(line.runs_text), css="pe-wrap"),
        element("span", line.last_text, css=f"pe-wrap pe-text-{line.last_tone}"),
        soft(line.next_text),
    ]


def _broken_at_commas(facts: str) -> str:
    """Return facts that a narrow page breaks between, and not within."""
    return facts.replace(" ", "\N{NO-BREAK SPACE}").replace(",\N{NO-BREAK SPACE}", ", ")


def _plugin_html(trigger: Trigger) -> Html | str:
    """Return the plugin's file name where the trigger's name does not say it."""
    if trigger.plugin_filename in {trigger.name, f"{trigger.name}.py"}:
        return ""
    return join([" ", soft(trigger.plugin_filename)])


def _text(line: TriggerLine) -> str:
    trigger = line.trigger
    facts = [trigger.name, trigger.database, trigger.spec, trigger.plugin_filename, line.state_text]
    facts.append(line.runs_text)
    if line.last_text:
        facts.append(line.last_text)
    if line.next_text:
        facts.append(f"next {line.next_text}")
    return " · ".join(facts)
