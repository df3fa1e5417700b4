"""Is this folder a plugin, and which file of it runs?

The manifest is read first; without it nothing else can be said. Then the entry point, ``__init__.py`` or the only
Python file at the top, must define each trigger as a function of its own that is not ``async``.

Source: influxdb3-plugin-sdk/src/validate.rs, plugin_dir; influxdb3-plugin-schemas/src/plugin_format.rs (texts).
Differs: a syntax error is Python's own, of the version that runs here.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from procengine.errors import InvalidInputError
from procengine.model.manifest import MANIFEST, Manifest, parse_manifest
from procengine.model.plugin_fields import canonical_name
from procengine.model.plugin_syntax import entry_point
from procengine.model.registry_index import RegistryIndex
from procengine.model.schema_fault import Fault, Place, SchemaFaultsError, placed, quoted
from procengine.model.toml_places import toml_places
from procengine.registry.source_files import SourceFile, source_files

INIT: Final = "__init__.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFolder:
    """A folder that is a plugin. ``entry_point`` is the name of the file that runs."""

    folder: Path
    manifest: Manifest
    entry_point: str
    files: tuple[SourceFile, ...]

    @property
    def is_package(self) -> bool:
        """Whether the folder as a whole is what a trigger names, rather than one file in it."""
        return self.entry_point == INIT


def read_plugin_folder(folder: Path, *, index: RegistryIndex | None = None) -> PluginFolder:
    """Return the plugin in a folder; with an ``index``, one that is not published there yet.

    Raises:
        SchemaFaultsError: with all faults of the manifest; when it has none, with all of the folder.
        PatternError: a pattern of ``plugin.exclude`` cannot be read.
        InvalidInputError: a file cannot be read.
    """
    subject = str(folder)
    try:
        return _read(folder, index)
    except FileNotFoundError as error:
        if folder.is_dir() and Path(str(error.filename)).name == MANIFEST:
            raise SchemaFaultsError(subject, [_missing_manifest()]) from error
        raise InvalidInputError(f"cannot read plugin {subject!r}: there is no such folder") from error
    except OSError as error:
        raise InvalidInputError(f"cannot read plugin {subject!r}: {error.strerror}") from error


def _read(folder: Path, index: RegistryIndex | None) -> PluginFolder:
    data = (folder / MANIFEST).read_bytes()
    manifest = parse_manifest(data, subject=str(folder / MANIFEST))
    files = source_files(folder, manifest.exclude)
    top = [one.name for one in files if "/" not in one.name]
    faults = [] if MANIFEST in top else [_missing_manifest()]
    runs = _entry_point(top, faults)
    if runs is not None:
        places = toml_places(data.decode("utf-8").replace("\r\n", "\n"))
        faults += _trigger_faults(manifest, folder / runs, places)
    if index is not None:
        faults += _published(manifest, index)
    if faults or runs is None:
        raise SchemaFaultsError(str(folder), faults)
    return PluginFolder(folder=folder, manifest=manifest, entry_point=runs, files=files)


def _missing_manifest() -> Fault:
    message = f"required file {quoted(MANIFEST)} is missing from the plugin directory"
    return Fault(path="", code="MissingRequiredFile", message=message)


def _entry_point(top: Sequence[str], faults: list[Fault]) -> str | None:
    """Return the file that runs, or None after a fault was noted."""
    if INIT in top:
        return INIT
    python = [one for one in top if one.endswith(".py")]
    if len(python) == 1:
        return python[0]
    if not python:
        message = "no Python entry point found in the plugin directory (no .py files at the top level)"
        faults.append(Fault(path="", code="NoEntryPoint", message=message))
        return None
    message = (
        f"multiple .py files found at the top level without {INIT}: {', '.join(sorted(python))}; add {INIT} for a "
        "multi-file plugin, or keep only one .py file"
    )
    faults.append(Fault(path="", code="AmbiguousEntryPoint", message=message))
    return None


def _trigger_faults(manifest: Manifest, file: Path, places: dict[str, Place]) -> list[Fault]:
    try:
        module = ast.parse(file.read_bytes(), filename=file.name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        where = f" at line {line}, column {getattr(error, 'offset', None) or 1}" if line else ""
        said = getattr(error, "msg", None) or "it is nested too deeply"
        message = f"{file.name} does not parse as valid Python: {said}{where}"
        return [Fault(path="", code="PythonParse", message=message)]
    faults = []
    for number, trigger in enumerate(manifest.triggers):
        found = entry_point(module, trigger)
        if isinstance(found, ast.FunctionDef):
            continue
        if found is None:
            code, message = (
                "TriggerNotImplemented",
                (
                    f"trigger {trigger} is declared in {MANIFEST} but has no matching top-level "
                    f"`def {trigger}(...)` in {file.name}"
                ),
            )
        else:
            code, message = (
                "AsyncTriggerFn",
                (
                    f"trigger {trigger} is implemented as `async def` in {file.name}; the runtime invokes trigger "
                    "functions synchronously"
                ),
            )
        faults.append(Fault(path=f"plugin.triggers[{number}]", code=code, message=message))
    return placed(faults, places)


def _published(manifest: Manifest, index: RegistryIndex) -> list[Fault]:
    same = [one for one in index.of_name(manifest.name) if one.version == manifest.version]
    if not same:
        return []
    assert canonical_name(same[0].name) == canonical_name(manifest.name)
    pair = f"({quoted(manifest.name)}, {quoted(str(manifest.version))})"
    message = f"plugin {pair} already exists in the target index"
    return [Fault(path="plugin.version", code="NameVersionConflict", message=message)]
