"""How is a command explained?"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from procengine.cli.grammar import COMMANDS, PROGRAM, Arity, Command, Option

PAGE: Final = 92
"""Characters of a line of a notebook's page on a small screen, which breaks longer ones within words."""

_NARROWEST: Final = 32

HELP_OPTIONS = frozenset({"-h", "--help", "--help-all"})


def help_text(
    words: Sequence[str], *, program: str = PROGRAM, commands: Sequence[Command] = COMMANDS
) -> str:
    """Return the help for a command, or a list of the commands that begin with some words."""
    matching = _commands_at(tuple(words), commands)
    if len(matching) == 1 and matching[0].words == tuple(words):
        return _command_help(matching[0], program)
    names = [" ".join((program, *command.words)) for command in matching]
    lines = _in_columns([(name, one.about) for name, one in zip(names, matching, strict=True)])
    return "\n".join(["Commands:", *lines, "", "Add --help to a command for its options."])


def _commands_at(words: tuple[str, ...], commands: Sequence[Command]) -> list[Command]:
    """Return the commands under the longest known beginning of some words."""
    for length in range(len(words), -1, -1):
        matching = [command for command in commands if command.words[:length] == words[:length]]
        if matching:
            exact = [command for command in matching if command.words == words[:length]]
            return exact or matching
    return list(commands)


def _command_help(command: Command, program: str) -> str:
    name = " ".join((program, *command.words))
    lines = [f"{name}: {command.about}", "", f"Usage: {usage(command, program)}"]
    if command.positional is not None:
        lines += ["", "Arguments:", f"  <{command.positional.name}>  {command.positional.about}"]
    rows = [(_option_head(option), _option_about(option)) for option in command.options]
    lines += ["", "Options:", *_in_columns(rows)]
    return "\n".join(lines)


def _in_columns(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield the lines of a table of heads and explanations, which go on below themselves."""
    width = max(len(head) for head, _ in rows)
    room = max(_NARROWEST, PAGE - width - 4)
    for head, about in rows:
        for number, text in enumerate(textwrap.wrap(about, room, break_on_hyphens=False) or [""]):
            yield f"  {'' if number else head:<{width}}  {text}"


def usage(command: Command, program: str = PROGRAM) -> str:
    """Return the one-line usage of a command."""
    required = [f"{o.name} <{o.key.upper()}>" for o in command.options if o.required]
    parts = [program, *command.words, "[OPTIONS]", *required]
    if command.positional is not None:
        name = f"<{command.positional.name}>{'...' if command.positional.many else ''}"
        parts.append(name if command.positional.required else f"[{name}]")
    return " ".join(parts)


def _option_head(option: Option) -> str:
    short = f"{option.short}, " if option.short else "    "
    value = "" if option.arity is Arity.FLAG else f" <{option.key.upper()}>"
    return f"{short}{option.name}{value}"


def _option_about(option: Option) -> str:
    extra = []
    if option.choices:
        extra.append(f"one of {', '.join(option.choices)}")
    if option.default is not None:
        extra.append(f"default {option.default}")
    if option.variable is not None:
        extra.append(f"env {option.variable}")
    return f"{option.about} [{'; '.join(extra)}]" if extra else option.about
