"""What has become of a plugin, and what does it need?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from procengine.errors import ProcengineError
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
    older = max(0, len(versions) - MOST_VERSIONS)
    # Of the newest that is not shown, the texts: what has changed since then is.
    states = [
        (one.version, instant(one.first_loaded_ns), _texts(one)) for one in versions[max(0, older - 1) :]
    ]
    if all(one.version != current for one in versions):
        states.append((current, "not loaded yet", now))
    parts = []
    for number in range(len(states) - 1, -1 if not older else 0, -1):
        version, when, texts = states[number]
        head = [code(version[:6]), " ", when, " · now" if version == current else ""]
        if number == 0:
            parts.append(element("div", *head, soft(" · the first that is known"), css="pe-part"))
            continue
        before, is_newest = states[number - 1][2], number == len(states) - 1
        if before is None or texts is None:
            which = "it" if texts is None else "the one before"
            parts.append(element("div", *head, soft(f" · {which} cannot be read"), css="pe-part"))
            continue
        opened = {"open": "open"} if is_newest else {}
        summary = element("summary", *head)
        parts.append(
            element("details", summary, difference_html(before, texts), css="pe-part", **opened)
        )
    if older:
        parts.append(element("div", soft(f"and {counted(older, 'older version')}"), css="pe-part"))
    return parts


def _texts(one: PluginVersion) -> Mapping[str, str] | None:
    """Return the texts of a version, None where they cannot be read."""
    try:
        return one.texts
    except ProcengineError:
        return None
