"""How does a plugin cell become a file with live triggers?

The cell is checked before the file is touched, so a mistake leaves the running plugin as it was.
"""

from __future__ import annotations

import ast
import re
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from procengine.errors import PluginSourceError, ProcengineError
from procengine.model.names import INTERNAL_DATABASE
from procengine.model.near_names import did_you_mean
from procengine.model.plugin_syntax import entry_points
from procengine.model.portability import Note, portability_notes
from procengine.model.run_limits import parse_limits
from procengine.model.trigger import ENTRY_POINTS, Trigger, TriggerKind
from procengine.model.trigger_spec import parse_trigger_spec
from procengine_jupyter.cells import CellSource
from procengine_jupyter.missing_modules import missing_modules
from procengine_jupyter.plugin_file import NEW, PluginFiles, Saved
from procengine_jupyter.render.plugin_card import PluginCard, RegisteredTrigger
from procengine_jupyter.shown_path import shown_path
from procengine_jupyter.status import missing_table

if TYPE_CHECKING:
    from procengine.engine import Engine

INIT = "__init__.py"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_FIRE_OPTIONS = {
    TriggerKind.WRITE: '--dry-run --lp "..."',
    TriggerKind.SCHEDULE: "--dry-run",
    TriggerKind.REQUEST: "--dry-run --param key=value",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a plugin cell is saved.

    ``path`` is relative to the plugin directory; ``filename`` is what triggers know the plugin by: the file,
    or the folder that the file is part of.
    """

    path: PurePosixPath
    filename: str
    is_package: bool

    @property
    def has_entry_points(self) -> bool:
        """Whether entry points are looked for in this file."""
        return not self.is_package or self.path.name == INIT

    @property
    def trigger_name(self) -> str:
        """What a trigger is called unless another name is said."""
        return PurePosixPath(self.filename).stem


def place_of(name: str, plugin_dir: Path) -> Place:
    """Return where the cell of a name is saved: ``NAME.py``, or ``FOLDER/FILE.py``.

    A file belongs to a package when it is, or lies beside, an ``__init__.py``.

    Raises: UsageError for a name that cannot be a file's.
    """
    path = PurePosixPath(name if name.endswith(".py") else f"{name}.py")
    if path.is_absolute() or not all(_NAME.fullmatch(part) for part in path.parts):
        raise UsageError(
            f"the plugin name {name!r} is not allowed; accepted: letters, digits, _, - and . in NAME or FOLDER/NAME"
        )
    package = path.parent
    is_package = len(path.parts) > 1 and (path.name == INIT or (plugin_dir / package / INIT).is_file())
    return Place(path=path, filename=str(package if is_package else path), is_package=is_package)


def save_plugin(engine: Engine, said: Namespace, cell: CellSource, files: PluginFiles) -> PluginCard:
    """Check a plugin cell, save it, create or update its triggers, and return the card.

    Raises: UsageError for code that cannot be a plugin, at the cell's line; ProcengineError for a trigger that
        cannot be.
    """
    from procengine.processing.declared_packages import declared_packages

    registry = engine.plugins
    place = place_of(said.name, registry.folder)
    kinds = [parse_trigger_spec(text).kind for text in said.trigger]
    if twice := {text for text in said.trigger if said.trigger.count(text) > 1}:
        raise UsageError(f"--trigger {min(twice)} is said twice: each event would run the plugin twice")
    others = _other_triggers(engine, place, said)
    _check_code(cell, place, {*kinds, *(parse_trigger_spec(other.spec).kind for other in others)})
    known = {each.name for each in engine.catalog.databases}
    database = _database(engine, said.database, needed=bool(kinds))

    # Before the file has the text: whoever reads it first finds where it comes from.
    registry.register_origin(
        str(place.path), cell.code, display_filename=cell.filename, first_line=cell.line_offset + 1
    )
    saved = files.save(registry.folder / place.path, cell.code)
    names = _trigger_names(place, len(kinds))
    try:
        registered = [
            _put_trigger(engine, said, database=database, name=name, spec=spec, place=place, saved=saved)
            for name, spec in zip(names, said.trigger, strict=True)
        ]
    except ProcengineError:
        used = {trigger.plugin_filename.rstrip("/") for trigger in engine.triggers.list()}
        if saved.change == NEW and place.filename not in used:
            files.take_back(registry.folder / place.path)
        raise
    registered += [_reload(engine, other, saved) for other in others]
    return PluginCard(
        name=place.filename,
        path=shown_path(registry.folder / place.path),
        change=saved.change,
        former=shown_path(saved.former) if saved.former is not None else "",
        entry_points=_entry_points(cell, place),
        triggers=tuple(registered),
        new_database=database if database and database not in known else "",
        missing_modules=missing_modules(
            cell,
            own=place.path.parts[0],
            declared=declared_packages(registry.folder, place.filename, {str(place.path): cell.code}),
        ),
        notes=_notes(cell, said, is_single_file=not place.is_package),
        next_step=f"%fire {names[0]} {_FIRE_OPTIONS[kinds[0]]}" if kinds else "",
    )


def _check_code(cell: CellSource, place: Place, kinds: Iterable[TriggerKind]) -> None:
    """Accept code that compiles and can serve triggers of some kinds."""
    from procengine.processing.plugin_registry import text_plugin

    plugin = text_plugin(cell.code, display_filename=cell.filename, first_line=cell.line_offset + 1)
    try:
        plugin.source.compiled()
    except SyntaxError as error:
        raise UsageError(_syntax_text(error, cell)) from error
    except (PluginSourceError, RecursionError, MemoryError) as error:
        raise UsageError(f"the plugin does not compile: {error}") from error
    if not place.has_entry_points:
        return
    if not entry_points(ast.parse(cell.code)) & set(ENTRY_POINTS.values()) and not kinds:
        raise UsageError(
            f"the plugin has no entry point; define one of {', '.join(ENTRY_POINTS.values())}, "
            "or save it into a folder plugin: %%plugin FOLDER/FILE"
        )
    for kind in kinds:
        try:
            plugin.check(kind)
        except PluginSourceError as error:
            where = f"{cell.label}, line {error.line_number}: " if error.line_number is not None else ""
            raise UsageError(f"{where}{error}") from error


def _syntax_text(error: SyntaxError, cell: CellSource) -> str:
    """Return a syntax error as Python shows it, at the cell's line."""
    lines = [f"the plugin does not compile: {error.msg}", f"{cell.label}, line {error.lineno}"]
    if error.text is not None:
        text = error.text.rstrip("\n")
        stripped = text.lstrip()
        lines.append(f"    {stripped}")
        if error.offset is not None and error.offset > 0:
            column = max(error.offset - 1 - (len(text) - len(stripped)), 0)
            lines.append("    " + " " * column + "^")
    return "\n".join(lines)


def _entry_points(cell: CellSource, place: Place) -> tuple[str, ...]:
    found = entry_points(ast.parse(cell.code))
    names = tuple(name for name in ENTRY_POINTS.values() if name in found)
    return names if place.has_entry_points else (f"part of {place.filename}",)


def _database(engine: Engine, name: str | None, *, needed: bool) -> str:
    """Return the database of the triggers, made where it is missing; the only one there is when none is said."""
    known = [each.name for each in engine.catalog.databases if each.name != INTERNAL_DATABASE]
    if name is not None:
        if needed and name not in known:
            engine.catalog.create_database(name)
        return name
    if needed and len(known) != 1:
        listed = f"; there are: {', '.join(known)}" if known else ""
        raise UsageError(f"a trigger needs --database DB{listed}")
    return known[0] if needed else ""


def _trigger_names(place: Place, count: int) -> list[str]:
    first = place.trigger_name
    return [first, *(f"{first}_{number}" for number in range(2, count + 1))][:count]


def _other_triggers(engine: Engine, place: Place, said: Namespace) -> list[Trigger]:
    """Return the triggers that use the plugin and that the cell does not name."""
    named = set(_trigger_names(place, len(said.trigger)))
    return [
        trigger
        for trigger in engine.triggers.list()
        if trigger.plugin_filename.rstrip("/") == place.filename
        and (trigger.name not in named or said.database not in {None, trigger.database})
    ]


def _put_trigger(
    engine: Engine,
    said: Namespace,
    *,
    database: str,
    name: str,
    spec: str,
    place: Place,
    saved: Saved,
) -> RegisteredTrigger:
    found = engine.catalog.database(database).triggers.get(name)
    trigger = engine.triggers.replace(
        database,
        name,
        place.filename,
        spec,
        arguments=dict(said.args) if said.args else None,
        run_async=said.run_async,
        node_spec=said.node_spec,
        error_behavior=said.error_behavior,
        disabled=said.disabled,
        limits=parse_limits(said.limit),
    )
    if found is None:
        return _registered(engine, trigger, "created")
    differences = trigger_differences(found, trigger)
    return _registered(
        engine, trigger, f"changed ({'; '.join(differences)})" if differences else _code_change(saved)
    )


def trigger_differences(before: Trigger, after: Trigger) -> list[str]:
    """Return what a cell changed of a trigger, in the user's words; the trigger is what the cell says, no more."""
    said: list[str] = []
    if before.disabled != after.disabled:
        said.append("disabled" if after.disabled else "enabled again")
    if before.spec != after.spec:
        said.append(f"{after.spec} instead of {before.spec}")
    if before.plugin_filename != after.plugin_filename:
        said.append(f"{after.plugin_filename} instead of {before.plugin_filename}")
    old, new = before.arguments or {}, after.arguments or {}
    gone = [key for key in old if key not in new]
    said += [f"argument {key}={value}" for key, value in new.items() if old.get(key) != value]
    said += [f"no longer with argument {key}" for key in gone]
    if before.run_async != after.run_async:
        said.append("asynchronous" if after.run_async else "synchronous")
    if before.node_spec != after.node_spec:
        said.append(f"on {after.node_spec}, not {before.node_spec}")
    if before.error_behavior != after.error_behavior:
        said.append(f"error behavior {after.error_behavior.value}, not {before.error_behavior.value}")
    if before.limits != after.limits:
        said.append(f"limits {after.limits}" if str(after.limits) else "no limits")
    return said


def _code_change(saved: Saved) -> str:
    return "goes on as it was" if saved.is_unchanged else "runs the new code"


def _reload(engine: Engine, trigger: Trigger, saved: Saved) -> RegisteredTrigger:
    reloaded = engine.triggers.reload(trigger.database, trigger.name)
    return _registered(engine, reloaded, _code_change(saved))


def _registered(engine: Engine, trigger: Trigger, change: str) -> RegisteredTrigger:
    table = missing_table(engine, trigger)
    waits = ""
    if table is not None:
        meant = did_you_mean(table, engine.catalog.database(trigger.database).tables)
        waits = f"table {table} does not exist yet in {trigger.database}" + (
            f"; {meant}" if meant else ""
        )
    return RegisteredTrigger(
        waits=waits,
        name=trigger.name,
        database=trigger.database,
        spec=trigger.spec,
        change=change,
        disabled=trigger.disabled,
    )


def _notes(cell: CellSource, said: Namespace, *, is_single_file: bool) -> tuple[Note, ...]:
    """Return the notes on the cell's code, by the cell's lines."""
    notes = portability_notes(
        cell.code,
        specs=said.trigger,
        arguments=dict(said.args or ()),
        retries=said.error_behavior == "retry",
        limited=bool(said.limit),
        is_single_file=is_single_file,
    )
    return tuple(
        replace(note, line_number=note.line_number + cell.line_offset) if note.line_number else note
        for note in notes
    )
