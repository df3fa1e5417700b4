"""How is the profile of a run shown? As a table with a bar a row, the dearest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from procengine_jupyter.render.markup import Html, element, rows
from procengine_jupyter.render.phrases import duration
from procengine_jupyter.render.style import code, part, soft


class Whose(Enum):
    """Whose function a row is about."""

    PLUGIN = "plugin"
    ENGINE = "engine"
    OTHER = "called"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """One function: how often it was called, and how long it took.

    One of the plugin's own without what it called; any other with all that it did, called back functions of the
    plugin included. ``line_number`` is where the plugin's begins.
    """

    name: str
    whose: Whose
    calls: int
    time_ns: int
    filename: str = ""
    line_number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProfile:
    """The profile of one run: ``total_ns`` is the time inside its entry point, ``rows`` the dearest first."""

    total_ns: int
    rows: tuple[ProfileRow, ...]


MOST_ROWS: Final = 15
_BAR_PIXELS: Final = 160
_BAR_SIGNS: Final = 20
_COLORS: Final = {
    Whose.PLUGIN: "var(--pe-good)",
    Whose.ENGINE: "var(--pe-warn)",
    Whose.OTHER: "var(--pe-soft)",
}


def profile_html(profile: RunProfile, cell_names: Mapping[str, str]) -> Html:
    """Return a profile as a labelled part of a card."""
    cells: list[list[object]] = [
        [
            code(row.name),
            soft(_place(row, cell_names)),
            f"{row.calls:,}×",
            duration(row.time_ns),
            _percent(_share(row, profile)),
            element(
                "span",
                style=f"display:inline-block;height:9px;width:{max(_share(row, profile) * _BAR_PIXELS, 1):.0f}px;"
                f"background:{_COLORS[row.whose]}",
            ),
        ]
        for row in profile.rows[:MOST_ROWS]
    ]
    more = _more(profile)
    return part("profile", soft(_summary(profile)), rows(cells), soft(more) if more else "")


def profile_lines(profile: RunProfile, cell_names: Mapping[str, str]) -> list[str]:
    """Return a profile as lines of text."""
    shown = profile.rows[:MOST_ROWS]
    width = max((len(row.name) for row in shown), default=0)
    lines = [f"profile: {_summary(profile)}"]
    for row in shown:
        share = _share(row, profile)
        bar = "█" * round(share * _BAR_SIGNS)
        lines.append(
            f"  {row.name:{width}} {row.calls:>6,}× {duration(row.time_ns):>8} {_percent(share):>4} "
            f"{bar:{_BAR_SIGNS}} {_place(row, cell_names)}".rstrip()
        )
    more = _more(profile)
    return [*lines, *([f"  {more}"] if more else [])]


def _summary(profile: RunProfile) -> str:
    return f"{duration(profile.total_ns)} in the entry point, the profiler's own cost included"


def _share(row: ProfileRow, profile: RunProfile) -> float:
    return min(row.time_ns / profile.total_ns, 1.0) if profile.total_ns else 0.0


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def _place(row: ProfileRow, cell_names: Mapping[str, str]) -> str:
    """Return where a function of the plugin begins, or whose another one is."""
    if row.whose is not Whose.PLUGIN:
        return str(row.whose.value)
    return f"{cell_names.get(row.filename, Path(row.filename).name)}, line {row.line_number}"


def _more(profile: RunProfile) -> str:
    hidden = profile.rows[MOST_ROWS:]
    if not hidden:
        return ""
    return f"{len(hidden):,} more took {duration(sum(row.time_ns for row in hidden))}"
