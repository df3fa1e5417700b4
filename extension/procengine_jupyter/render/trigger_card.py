"""What is there to say of one trigger, and how is it made elsewhere?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.cli.trigger_line import create_trigger_line, unsaid
from procengine.model.counted import counted
from procengine.model.trigger import Trigger
from procengine.processing.trigger_statistics import TriggerStatistics
from procengine_jupyter.render.markup import Html, element, rows
from procengine_jupyter.render.phrases import duration, enabling
from procengine_jupyter.render.style import card, code, part, soft
from procengine_jupyter.render.view import View


@dataclass(frozen=True, slots=True, repr=False)
class CommandLineCard(View):
    """The command line that makes a trigger, to be copied."""

    trigger: Trigger

    def html(self) -> Html:
        """Return the line, which one click chooses whole."""
        notes = (element("div", soft(note)) for note in unsaid(self.trigger))
        line = element("pre", create_trigger_line(self.trigger), style="user-select:all")
        return card(self.trigger.name, line, *notes, details="command line; one click chooses it")

    def plain(self) -> str:
        """Return the line."""
        return "\n".join([create_trigger_line(self.trigger), *unsaid(self.trigger)])


def trigger_card(one: TriggerStatistics, missing_table: str | None, *, commit: str = "") -> Html:
    """Return what a board's row leaves out: settings, why it stands still, and its last failure.

    ``commit`` is the one that the plugin is pinned to, empty for none.
    """
    trigger = one.trigger
    facts: list[list[object]] = [
        ["plugin", code(trigger.plugin_filename)],
        ["runs for", code(trigger.spec)],
    ]
    if commit:
        facts.append(["commit", code(commit[:12])])
    if trigger.arguments:
        facts.append(["arguments", code(" ".join(f"{k}={v}" for k, v in trigger.arguments.items()))])
    facts.append(["on error", trigger.error_behavior.value])
    if trigger.run_async:
        facts.append(["runs", "may overlap"])
    if str(trigger.limits):
        facts.append(["limits", str(trigger.limits)])
    if one.lag.rows:
        behind = f"{counted(one.lag.rows, 'row')}, {one.lag.seconds:,.1f} s behind"
        facts.append(["waiting", behind])
    if one.last_duration_ns is not None:
        facts.append(["last run took", duration(one.last_duration_ns)])
    if missing_table is not None:
        facts.append(["waits for", f"table {missing_table}, which does not exist"])
    if one.warning:
        facts.append(["warning", element("span", one.warning, css="pe-text-warn")])
    if one.reason:
        facts.append([one.state.value, element("span", one.reason, css="pe-text-warn")])
        facts.append(["to go on", code(enabling(trigger.database, trigger.name))])
    return card(
        trigger.name,
        rows(facts),
        _failure(one),
        details=f"of database {trigger.database}",
        tone="bad" if one.failing else "",
    )


def _failure(one: TriggerStatistics) -> Html | None:
    """Return the last failure, and whether it has been overcome since."""
    failure = one.last_failure
    if failure is None:
        return None
    when = "last run failed" if one.failing else "last failure; a run has ended well since"
    css = "pe-text-bad" if one.failing else "pe-soft"
    return part(when, element("span", failure.message, css=css))
