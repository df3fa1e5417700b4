"""What would be otherwise on a real server, for plugins that are saved?

Read from the plugins' files and the triggers that use them; nothing is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from procengine.errors import ProcengineError
from procengine.model.near_names import did_you_mean
from procengine.model.portability import Note, portability_notes
from procengine.model.trigger import ErrorBehavior, Trigger
from procengine_jupyter.render.doctor_card import DoctorCard, Examined

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine.processing.plugin_registry import PluginFile


def doctor(engine: Engine, name: str | None, cell_names: Mapping[str, str]) -> DoctorCard:
    """Return the notes on a plugin, by its name or its file's, or on all of the plugin directory.

    Raises: UsageError when there is no such plugin.
    """
    known = [info.filename for info in engine.plugins.plugins()]
    wanted = (
        known if name is None else [each for each in known if name in {each, each.removesuffix(".py")}]
    )
    if name is not None and not wanted:
        meant = did_you_mean(name, [each.removesuffix(".py") for each in known])
        raise UsageError(f"no plugin {name!r}; {meant or 'there are: ' + (', '.join(known) or 'none')}")
    files = [
        _examined(engine, filename, file, cell_names)
        for filename in wanted
        for file in engine.plugins.files(filename)
    ]
    return DoctorCard(tuple(files))


def notes_on(engine: Engine, filename: str, cell_names: Mapping[str, str]) -> tuple[Examined, ...]:
    """Return the notes on a plugin's files, those without any left out; none of a plugin that cannot be read."""
    try:
        files = engine.plugins.files(filename)
    except ProcengineError:
        return ()
    examined = [_examined(engine, filename.rstrip("/"), file, cell_names) for file in files]
    return tuple(one for one in examined if one.notes)


def _examined(
    engine: Engine, filename: str, file: PluginFile, cell_names: Mapping[str, str]
) -> Examined:
    triggers = [one for one in engine.triggers.list() if one.plugin_filename.rstrip("/") == filename]
    is_single_file = file.name == filename
    label, offset = _place(engine, filename, cell_names) if is_single_file else ("", 0)
    try:
        text = file.path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        return Examined(file.name, unread=str(error))
    notes = tuple(
        replace(note, line_number=note.line_number + offset) if note.line_number else note
        for note in _notes(text, triggers, is_single_file=is_single_file)
    )
    return Examined(file.name if is_single_file else f"{filename}/{file.name}", label=label, notes=notes)


def _notes(text: str, triggers: list[Trigger], *, is_single_file: bool) -> tuple[Note, ...]:
    arguments = {key: value for one in triggers for key, value in (one.arguments or {}).items()}
    return portability_notes(
        text,
        specs=[one.spec for one in triggers],
        arguments=arguments,
        retries=any(one.error_behavior is ErrorBehavior.RETRY for one in triggers),
        limited=any(str(one.limits) for one in triggers),
        is_single_file=is_single_file,
    )


def _place(engine: Engine, filename: str, cell_names: Mapping[str, str]) -> tuple[str, int]:
    """Return the cell that a single file came from, and how many of its lines stand above the text."""
    try:
        source = getattr(engine.plugins.load(filename), "source", None)
    except ProcengineError:
        return "", 0
    if source is None or source.display_filename not in cell_names:
        return "", 0
    return cell_names[source.display_filename], source.first_line - 1
