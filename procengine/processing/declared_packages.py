"""Which packages do a plugin's files say it needs?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from procengine.model.declared_packages import declared_in_manifest, declared_in_text
from procengine.model.manifest import MANIFEST


def declared_packages(folder: Path, filename: str, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a plugin's texts and the manifest in its folder declare, each once, as written.

    ``folder`` is the plugin directory; ``texts`` are the plugin's by file name.
    """
    place = folder / filename
    manifest = (place if place.is_dir() else place.parent) / MANIFEST
    try:
        found = [*declared_in_manifest(manifest.read_text("utf-8"))]
    except (OSError, ValueError):
        found = []
    for text in texts.values():
        found += declared_in_text(text)
    return tuple(dict.fromkeys(found))
