"""What changed from one text to another? Lines that came in green, lines that went in red."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from procengine_jupyter.render.markup import Html, element, join

MOST_LINES = 400
"""Lines of a difference that are shown."""


def difference_lines(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the unified difference of two sets of files, by name, without line ends; none when they are equal."""
    found: list[str] = []
    for name in sorted({*before, *after}):
        found += difflib.unified_diff(
            before.get(name, "").splitlines(),
            after.get(name, "").splitlines(),
            fromfile=name if name in before else "(no file)",
            tofile=name if name in after else "(no file)",
            lineterm="",
        )
    return found


def difference_html(before: Mapping[str, str], after: Mapping[str, str]) -> Html:
    """Return the difference with its lines in colour, the first of them where there are many."""
    lines = difference_lines(before, after)
    shown = [element("span", line, css=f"pe-text-{_tone(line)}") for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(element("span", f"… {len(lines) - MOST_LINES:,} more lines", css="pe-soft"))
    return element("pre", join(shown, "\n"))


def _tone(line: str) -> str:
    """Return the tone of a line of a unified difference."""
    if line.startswith(("+++", "---", "@@")):
        return "none pe-soft"
    return {"+": "good", "-": "bad"}.get(line[:1], "none")
