"""What does ``%procengine plugin`` do?

The commands of `procengine plugin`, seen from the notebook's folder and into the engine's plugin directory; and the
way back to a text that a plugin had.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from procengine.cli.help_text import help_text
from procengine.cli.outcome import Surroundings
from procengine.cli.parser import parse_command
from procengine.cli.plugin_commands import run_plugin_command
from procengine.cli.plugin_grammar import FORGET, NOTEBOOK_COMMANDS, ROLLBACK
from procengine.cli.words import split_words
from procengine.clock import SystemClock
from procengine.errors import InvalidInputError, NotFoundError, StorageError
from procengine.model.byte_size import format_bytes
from procengine.model.counted import counted
from procengine.model.near_names import did_you_mean
from procengine.processing.plugin_versions import PluginVersion, version_of
from procengine_jupyter.inspectors.plugin_state import plugin_texts
from procengine_jupyter.named_text import named_text
from procengine_jupyter.render.difference import MOST_LINES, difference_lines
from procengine_jupyter.render.phrases import instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procengine.engine import Engine
    from procengine_jupyter.session import Session

PROGRAM = "%procengine"
SHOWN_DIGITS = 6
MOST_NAMES = 20
"""How many plugins are listed where none of them was named."""


def run_plugin_line(session: Session, line: str) -> str:
    """Run what follows ``%procengine``, from ``plugin`` on; return what is to be shown.

    A word ``$NAME`` is a text of the notebook or the environment.

    Raises:
        UsageError: there is no such text.
        ProcengineError: the line cannot be read, or the command failed.
    """
    words = [named_text(session, word) for word in split_words(line)]
    invocation = parse_command(words, os.environ, program=PROGRAM, commands=NOTEBOOK_COMMANDS)
    if invocation.command is None:
        return help_text(invocation.help_for or (), program=PROGRAM, commands=NOTEBOOK_COMMANDS)
    if invocation.command is ROLLBACK:
        return roll_back(session.engine, invocation["plugin"])
    if invocation.command is FORGET:
        return forget(session.engine, invocation["plugin"], keep=invocation["keep"])
    folder = session.engine.plugins.folder if invocation.command.words[1] == "install" else None
    surroundings = Surroundings(folder=session.folder, ask=input)
    done = run_plugin_command(invocation, surroundings, SystemClock(), plugin_dir=folder, mark="%")
    return done.text


def roll_back(engine: Engine, said: Sequence[str]) -> str:
    """Give a plugin an earlier text again; return what changed by it.

    ``said`` are the plugin's file or folder and, perhaps, the first digits of a version.

    Raises:
        NotFoundError: there is no such plugin, or it has no such version.
        InvalidInputError: something else was said.
    """
    if len(said) not in (1, 2):
        raise InvalidInputError("accepted: %procengine plugin rollback PLUGIN [VERSION]")
    filename = _filename(engine, said[0])
    now = plugin_texts(engine, filename)
    one = _version(
        engine.plugin_versions.of(filename),
        version_of(now),
        said[1] if len(said) == 2 else None,
        filename,
    )
    engine.plugin_uploads.put_back(filename, one.texts)
    lines = difference_lines(now, one.texts)
    more = [f"… {len(lines) - MOST_LINES:,} more lines"] if len(lines) > MOST_LINES else []
    head = (
        f"{filename} is again as of {instant(one.first_loaded_ns)}: version {one.version[:SHOWN_DIGITS]} in place of "
        f"{version_of(now)[:SHOWN_DIGITS]}; the next run takes it"
    )
    return "\n".join([head, *lines[:MOST_LINES], *more])


def forget(engine: Engine, said: str | None, *, keep: int) -> str:
    """Let old versions of a plugin go, of each when none is named; return how many, and what is left.

    Raises:
        NotFoundError: there is no such plugin, nor a version of one.
        StorageError: a file cannot be removed.
    """
    versions = engine.plugin_versions
    filename = None if said is None else _versioned_filename(engine, said)
    present = {
        version_of(plugin_texts(engine, one.filename))
        for one in engine.plugins.plugins()
        if filename in {None, one.filename}
    }
    try:
        gone = versions.forget(filename, keep=keep, spare=present)
    except OSError as error:
        raise StorageError(f"cannot forget all that was asked for: {error}") from error
    left = versions.statistics()
    return (
        f"forgot {counted(gone.versions, 'version')} of {filename or 'all plugins'} "
        f"({format_bytes(gone.file_bytes)}); {counted(left.versions, 'version')} of all plugins "
        f"({format_bytes(left.file_bytes)}) left"
    )


def _versioned_filename(engine: Engine, said: str) -> str:
    """Return the plugin that is meant, which may be gone but for its versions."""
    for name in (said.rstrip("/"), f"{said}.py"):
        if engine.plugin_versions.of(name):
            return name
    return _filename(engine, said)


def _filename(engine: Engine, said: str) -> str:
    known = [one.filename for one in engine.plugins.plugins()]
    for name in (said.rstrip("/"), f"{said}.py"):
        if name in known:
            return name
    near = did_you_mean(said, [*known, *(one.removesuffix(".py") for one in known)])
    more = f" and {len(known) - MOST_NAMES:,} more" if len(known) > MOST_NAMES else ""
    there = f"there are: {', '.join(sorted(known)[:MOST_NAMES]) or 'none'}{more}"
    raise NotFoundError(f"there is no plugin {said!r}; {near or there}")


def _version(
    versions: Sequence[PluginVersion], current: str, digits: str | None, filename: str
) -> PluginVersion:
    """Return the version that is meant: that of the digits, else the one before the present."""
    there = ", ".join(
        f"{one.version[:SHOWN_DIGITS]} ({instant(one.first_loaded_ns)})" for one in versions
    )
    if digits is not None:
        found = [one for one in versions if one.version.startswith(digits.lower())]
        if len(found) == 1 and digits:
            return found[0]
        how_many = "more than one version" if found else "no version"
        raise NotFoundError(f"{filename} has {how_many} {digits!r}; there is {there or 'none'}")
    places = [number for number, one in enumerate(versions) if one.version == current]
    before = versions[: places[0]] if places else versions
    if not before:
        raise NotFoundError(
            f"{filename} has no version before {current[:SHOWN_DIGITS]}; there is {there or 'none'}"
        )
    return before[-1]
