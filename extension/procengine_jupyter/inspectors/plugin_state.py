"""Which plugins are there, what has become of each, and what uses it?

A plugin is a file or folder of the plugin directory, or one that a trigger fetches from a repository. Its versions
are the texts that were loaded since it is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from procengine.errors import ProcengineError
from procengine.model.counted import counted
from procengine.model.manifest import MANIFEST, parse_manifest
from procengine.model.plugin_address import GH, is_fetched
from procengine.model.schema_fault import SchemaFaultsError
from procengine.model.trigger import Trigger
from procengine.processing.plugin_registry import PluginInfo
from procengine.processing.plugin_versions import PluginVersion, version_of
from procengine.registry.installation import origin_of
from procengine_jupyter.inspectors.actions import Action, Said
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.missing_modules import Module, modules_of
from procengine_jupyter.render.markup import Html
from procengine_jupyter.render.phrases import instant
from procengine_jupyter.render.plugin_versions_card import plugin_versions_card
from procengine_jupyter.render.update_card import short_commit

if TYPE_CHECKING:
    from procengine.engine import Engine

COLUMNS = {
    "plugin": pa.string(),
    "place": pa.string(),
    "triggers": pa.string(),
    "version": pa.string(),
    "versions": pa.int64(),
    "changed (UTC)": pa.string(),
    "bytes": pa.int64(),
    "missing modules": pa.string(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFacts:
    """One plugin: its texts of now, those of before (oldest first), what uses it, and what it imports.

    ``needs`` is what its manifest asks for.
    """

    info: PluginInfo
    place: str
    texts: Mapping[str, str]
    versions: tuple[PluginVersion, ...]
    triggers: tuple[Trigger, ...]
    modules: tuple[Module, ...]
    needs: tuple[str, ...]

    @property
    def version(self) -> str:
        """The version of the texts of now."""
        return version_of(self.texts)


class PluginState(Inspected):
    """The plugins of the plugin directory, and those that triggers fetch."""

    def __init__(
        self,
        engine: Engine,
        name: str | None = None,
        *,
        cell_names: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """``name`` is the file or folder of the only one shown; ``cell_names`` tells what cells are called."""
        self._engine = engine
        self._name = name
        self._cell_names = cell_names
        self._plugins: tuple[PluginInfo, ...] = ()
        self._facts: dict[str, tuple[object, PluginFacts]] = {}

    def version(self) -> object:
        """Return what moves when a file changes, is loaded, or a trigger is made."""
        found = (*self._engine.plugins.plugins(), *fetched_plugins(self._engine))
        self._plugins = tuple(one for one in found if self._name in (None, one.filename))
        sequence_number = self._engine.catalog.state.sequence_number
        return self._plugins, self._engine.plugin_versions.changes, sequence_number

    def contents(self) -> Contents:
        """Return one row a plugin, as `version` has found them; what has not changed is not read again."""
        triggers = self._engine.triggers.list()
        before, self._facts = self._facts, {}
        for info in self._plugins:
            using = tuple(one for one in triggers if one.plugin_filename.rstrip("/") == info.filename)
            state = (info, using, self._engine.plugin_versions.changes)
            known = before.get(info.filename)
            facts = known[1] if known and known[0] == state else self._read(info, using)
            self._facts[info.filename] = (state, facts)
        shown = [facts for _, facts in self._facts.values()]
        columns = list(zip(*map(_cells, shown), strict=True)) or [()] * len(COLUMNS)
        arrays = [pa.array(c, kind) for c, kind in zip(columns, COLUMNS.values(), strict=True)]
        used = np.array([bool(one.triggers) for one in shown], np.bool_)
        return Contents(
            title=f"plugin {self._name}" if self._name else "plugins",
            facts=[counted(len(shown), "plugin")],
            table=pa.Table.from_arrays(arrays, names=[*COLUMNS]),
            keys=[*self._facts],
            hint="no plugin yet; %%plugin NAME makes one",
            tabs={"All": np.ones(len(shown), np.bool_), "In use": used, "Unused": ~used},
            missing="",
        )

    def detail(self, key: object) -> Html | None:
        """Return a plugin's versions with what changed in each, what uses it and what it imports."""
        found = self._facts.get(key)  # type: ignore[call-overload]
        if found is None:
            return None
        facts: PluginFacts = found[1]
        return plugin_versions_card(
            facts.info.filename,
            place=self._whence(facts),
            now=facts.texts,
            versions=facts.versions,
            triggers=[f"{one.name} ({one.database}, {one.spec})" for one in facts.triggers],
            modules=[(one.name, one.is_there) for one in facts.modules],
            needs=facts.needs,
        )

    def actions(self, key: object) -> Sequence[Action]:
        """Return the ways back to the newest versions that are kept."""
        found = self._facts.get(key)  # type: ignore[call-overload]
        if found is None:
            return ()
        facts: PluginFacts = found[1]
        return [
            Action(
                name=f"restore-{one.version}",
                label=f"restore {one.version[:6]}",
                about=f"make the plugin what it was at {instant(one.first_loaded_ns)}",
                act=partial(self._restore, one),
                asks=True,
            )
            for one in facts.versions[-MOST_WAYS_BACK:][::-1]
            if one.version != facts.version and not is_fetched(one.filename)
        ]

    def _restore(self, one: PluginVersion, _said: Said) -> str:
        """Write the texts of a version into the plugin directory; the next run takes them."""
        self._engine.plugin_uploads.put_back(one.filename, one.texts)
        return f"restored {one.filename} as of {instant(one.first_loaded_ns)}"

    def _read(self, info: PluginInfo, triggers: tuple[Trigger, ...]) -> PluginFacts:
        texts = plugin_texts(self._engine, info.filename)
        own = info.filename.removesuffix(".py").rpartition("/")[2].rpartition("#")[2]
        return PluginFacts(
            info=info,
            place=self._place(info, texts),
            texts=texts,
            versions=self._engine.plugin_versions.of(info.filename),
            triggers=triggers,
            modules=modules_of(texts.values(), own=own),
            needs=self._needs(info),
        )

    def _home(self, info: PluginInfo) -> Path:
        """Return the folder in which a manifest of the plugin would be; of one that is fetched none is looked for."""
        if is_fetched(info.filename):
            return self._engine.plugins.folder
        path = self._engine.plugins.folder / info.filename
        return path if info.is_directory else path.parent

    def _needs(self, info: PluginInfo) -> tuple[str, ...]:
        """Return what a plugin's manifest says that it needs; nothing where there is none that can be read."""
        home = self._home(info)
        if home == self._engine.plugins.folder:
            return ()
        try:
            manifest = parse_manifest((home / MANIFEST).read_bytes())
        except (OSError, SchemaFaultsError):
            return ()
        needs = manifest.dependencies
        plugins = (f"{one.name}@{one.version} of {one.index_url}" for one in needs.plugins)
        return f"InfluxDB 3 {needs.database_version}", *needs.python, *plugins

    def _whence(self, facts: PluginFacts) -> str:
        """Return a plugin's place, with the registry that it came from."""
        artifact = origin_of(self._home(facts.info))
        return facts.place if artifact is None else f"{facts.place} of {artifact.index_url}"

    def _repository(self, info: PluginInfo) -> str:
        """Return which repository a plugin is fetched from, and which of its texts runs."""
        if info.filename.startswith(GH):
            note = self._engine.plugins.note(info.filename)
            return f"plugin repository: {note}" if note else "plugin repository"
        commit = self._engine.catalog.state.pins.get(info.filename)
        return f"git, commit {short_commit(commit)}" if commit else "git"

    def _place(self, info: PluginInfo, texts: Mapping[str, str]) -> str:
        """Return the artifact or the cell that a plugin came from, or that it is a file or a folder."""
        if is_fetched(info.filename):
            return self._repository(info)
        artifact = origin_of(self._home(info))
        if artifact is not None:
            return artifact.identity
        if info.is_directory:
            return f"folder, {counted(len(texts), 'file')}"
        try:
            origin = self._engine.plugins.origin(info.filename)
        except ProcengineError:
            return "file"
        return self._cell_names().get(origin, "file")


def plugin_texts(engine: Engine, filename: str) -> dict[str, str]:
    """Return the texts of a plugin's files as they are; what cannot be read is left out."""
    texts = {}
    files = engine.plugins.fetched_files if is_fetched(filename) else engine.plugins.files
    for file in files(filename):
        try:
            texts[file.name] = file.path.read_bytes().decode("utf-8-sig", "replace")
        except OSError:
            continue
    return texts


def fetched_plugins(engine: Engine) -> list[PluginInfo]:
    """Return the plugins that triggers fetch, as they were fetched last; nothing is fetched."""
    names = dict.fromkeys(one.plugin_filename.rstrip("/") for one in engine.triggers.list())
    return [
        engine.plugins.fetched(name)
        or PluginInfo(filename=name, is_directory=False, size_bytes=0, modified_ns=0)
        for name in names
        if is_fetched(name)
    ]


MOST_WAYS_BACK = 6
"""To how many of the newest versions there is a button."""


def _cells(facts: PluginFacts) -> tuple[object, ...]:
    missing = [one.name for one in facts.modules if not one.is_there]
    return (
        facts.info.filename,
        facts.place,
        ", ".join(one.name for one in facts.triggers) or None,
        facts.version[:6],
        len(facts.versions),
        instant(facts.info.modified_ns).removesuffix(" UTC") if facts.info.modified_ns else None,
        facts.info.size_bytes,
        ", ".join(missing) or None,
    )
