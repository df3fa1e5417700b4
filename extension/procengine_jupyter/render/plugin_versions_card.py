"""What has become of a plugin, and what does it need?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from procengine.model.counted import counted
from procengine.processing.plugin_versions import PluginVersion, version_of
from procengine_jupyter.render.difference import difference_html
from procengine_jupyter.render.markup import Html, element, join
from procengine_jupyter.render.phrases import instant
from procengine_jupyter.render.style import card, code, part, soft

MOST_VERSIONS = 20
"""How many versions are shown, the newest first."""


def plugin_versions_card(
    filename: str,
    *,
    place: str,
    now: Mapping[str, str],
    versions: Sequence[PluginVersion],
    triggers: Sequence[str],
    modules: Sequence[tuple[str, bool]],
    needs: Sequence[str] = (),
) -> Html:
    """Return a plugin's triggers, its modules (by name, and whether they are there) and its versions.

    ``needs`` is what its manifest asks for. ``now`` are its texts of now; ``versions`` are those that were loaded,
    oldest first.
    """
    imported = [
        code(name) if is_there else element("span", f"{name} (not installed)", css="pe-text-bad")
        for name, is_there in modules
    ]
    return card(
        filename,
        part("triggers", join(list(triggers), ", ") if triggers else soft("none")),
        part("imports", join(imported, ", ") if imported else soft("nothing")),
        *([part("needs", join([code(one) for one in needs], ", "))] if needs else []),
        *_versions(now, versions),
        details=f"{place} · {counted(len(versions), 'version')}",
    )


def _versions(now: Mapping[str, str], versions: Sequence[PluginVersion]) -> list[Html]:
    """Return what changed from each version to the next, the newest first; the newest change is open."""
    current = version_of(now)
    states = [(one.version, instant(one.first_loaded_ns), one.texts) for one in versions]
    if current not in {version for version, _, _ in states}:
        states.append((current, "not loaded yet", now))
    parts = []
    first = max(0, len(states) - MOST_VERSIONS)
    for number in range(len(states) - 1, first - 1, -1):
        version, when, texts = states[number]
        head = [code(version[:6]), " ", when, " · now" if version == current else ""]
        if number == 0:
            parts.append(element("div", *head, soft(" · the first that is known"), css="pe-part"))
            continue
        is_newest = number == len(states) - 1
        opened = {"open": "open"} if is_newest else {}
        summary = element("summary", *head)
        changed = difference_html(states[number - 1][2], texts)
        parts.append(element("details", summary, changed, css="pe-part", **opened))
    return parts
