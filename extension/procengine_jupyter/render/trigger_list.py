"""Which triggers are there, and how are they?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.model.run import Run
from procengine.model.trigger import Trigger
from procengine_jupyter.render.markup import Html, element, rows
from procengine_jupyter.render.phrases import clock_time, count
from procengine_jupyter.render.run_card import OUTCOMES
from procengine_jupyter.render.style import card, code, soft
from procengine_jupyter.render.view import View

HEADS: list[object] = ["trigger", "database", "when", "plugin", "state", "last run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerLine:
    """One trigger and its last run."""

    trigger: Trigger
    last_run: Run | None = None


@dataclass(frozen=True, slots=True, repr=False)
class TriggerList(View):
    """All triggers, as a table."""

    lines: tuple[TriggerLine, ...]

    def html(self) -> Html:
        """Return the list as HTML."""
        if not self.lines:
            return card("no triggers", details="%%plugin NAME --trigger SPEC --database DB makes one")
        cells: list[list[object]] = [
            [
                t.name,
                t.database,
                code(t.spec),
                code(t.plugin_filename),
                _state(line),
                _last_html(line.last_run),
            ]
            for line in self.lines
            for t in (line.trigger,)
        ]
        return card(count(len(self.lines), "trigger"), rows(cells, heads=HEADS))

    def plain(self) -> str:
        """Return the list as text."""
        if not self.lines:
            return "no triggers"
        return "\n".join(
            f"{t.name} · {t.database} · {t.spec} · {t.plugin_filename} · {_state(line)} · {_last(line.last_run)}"
            for line in self.lines
            for t in (line.trigger,)
        )


def _state(line: TriggerLine) -> str:
    flags = ["disabled" if line.trigger.disabled else "enabled"]
    if line.trigger.run_async:
        flags.append("asynchronous")
    if line.trigger.error_behavior.value != "log":
        flags.append(f"on error {line.trigger.error_behavior.value}")
    return ", ".join(flags)


def _last(run: Run | None) -> str:
    return f"{OUTCOMES[run.outcome][0]} {clock_time(run.started_ns)}" if run is not None else "never ran"


def _last_html(run: Run | None) -> Html:
    if run is None:
        return soft("never ran")
    return element("span", _last(run), css=f"pe-text-{OUTCOMES[run.outcome][1]}")
