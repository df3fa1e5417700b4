"""Is the engine up, where does it keep things, and what can be tried next?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.model.byte_size import format_bytes
from procengine.model.counted import counted
from procengine_jupyter.render.markup import Html, element, join, rows
from procengine_jupyter.render.style import card, code, soft
from procengine_jupyter.render.view import View

NOTHING_SURVIVES = "memory: nothing survives this process"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StatusCard(View):
    """The state of the notebook's engine.

    ``reason`` says why it is down, ``mended`` what its start cut off damaged files, ``missing`` what it did not find.
    ``paused_triggers`` are those that the engine stopped to protect itself, each with why and the cure.
    """

    is_running: bool
    version: str
    reason: str = ""
    plugin_dir: str | None = None
    data_dir: str | None = None
    object_store: str = "memory"
    api: str = ""
    databases: int = 0
    tables: int = 0
    triggers: int = 0
    disabled_triggers: int = 0
    plugin_versions: int = 0
    plugin_version_bytes: int = 0
    paused_triggers: tuple[str, ...] = ()
    failing_triggers: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    attached: tuple[str, ...] = ()
    detached: tuple[str, ...] = ()
    suggestions: tuple[tuple[str, str], ...] = ()

    def html(self) -> Html:
        """Return the card as HTML."""
        facts: list[list[object]] = [[soft(label), value] for label, value in self._facts()]
        tips: list[list[object]] = [
            [code(command), soft(meaning)] for command, meaning in self.suggestions
        ]
        return card(
            "Processing engine",
            rows(facts),
            element("div", soft("try next"), rows(tips), css="pe-part") if tips else "",
            details=join([self._state_html(), f" · procengine {self.version}"]),
            tone="good" if self.is_running and not self._troubles() else "warn",
        )

    def plain(self) -> str:
        """Return the card as text."""
        lines = [f"Processing engine: {self._state()} · procengine {self.version}"]
        lines += [f"  {label:13} {value}" for label, value in self._facts()]
        if self.suggestions:
            lines.append("  try next:")
            lines += [f"    {command}  ({meaning})" for command, meaning in self.suggestions]
        return "\n".join(lines)

    def _troubles(self) -> tuple[str, ...]:
        return (*self.paused_triggers, *self.failing_triggers, *self.mended, *self.missing)

    def _state(self) -> str:
        return "up" if self.is_running else f"down{f': {self.reason}' if self.reason else ''}"

    def _state_html(self) -> Html:
        return element("span", self._state(), css=f"pe-text-{'good' if self.is_running else 'warn'}")

    def _facts(self) -> list[tuple[str, str]]:
        if not self.is_running:
            return []
        kept = (
            NOTHING_SURVIVES
            if self.object_store == "memory"
            else f"{self.data_dir} (object store {self.object_store})"
        )
        held = [counted(self.databases, "database"), counted(self.tables, "table")]
        if self.plugin_dir is not None:
            held.append(counted(self.triggers, "trigger"))
        if self.disabled_triggers:
            held[-1] += f" ({self.disabled_triggers} disabled)"
        if self.plugin_versions:
            size = f" ({format_bytes(self.plugin_version_bytes)})" if self.plugin_version_bytes else ""
            held.append(
                counted(self.plugin_versions, "version of plugins", "versions of plugins") + size
            )
        facts = [
            ("plugin folder", self.plugin_dir or "none: the plugin part is off"),
            ("data", kept),
            ("holds", ", ".join(held)),
        ]
        if self.api:
            facts.insert(2, ("API", self.api))
        facts += [("attached", text) for text in self.attached]
        facts += [("no longer attached", text) for text in self.detached]
        facts += [("paused", text) for text in self.paused_triggers]
        if self.failing_triggers:
            facts.append(("last run failed", ", ".join(self.failing_triggers)))
        facts += [("mended", text) for text in self.mended]
        facts += [("missing", text) for text in self.missing]
        return facts
