"""How is a command explained?"""

from __future__ import annotations

from collections.abc import Sequence

from procengine.cli.grammar import COMMANDS, Arity, Command, Option

HELP_OPTIONS = frozenset({"-h", "--help", "--help-all"})


def help_text(words: Sequence[str]) -> str:
    """Return the help for a command, or a list of the commands that begin with some words."""
    matching = _commands_at(tuple(words))
    if len(matching) == 1 and matching[0].words == tuple(words):
        return _command_help(matching[0])
    width = max(len(command.name) for command in matching)
    lines = [f"  {command.name:<{width}}  {command.about}" for command in matching]
    return "\n".join(["Commands:", *lines, "", "Add --help to a command for its options."])


def _commands_at(words: tuple[str, ...]) -> list[Command]:
    """Return the commands under the longest known beginning of some words."""
    for length in range(len(words), -1, -1):
        matching = [command for command in COMMANDS if command.words[:length] == words[:length]]
        if matching:
            exact = [command for command in matching if command.words == words[:length]]
            return exact or matching
    return list(COMMANDS)


def _command_help(command: Command) -> str:
    lines = [f"{command.name}: {command.about}", "", f"Usage: {usage(command)}"]
    if command.positional is not None:
        lines += ["", "Arguments:", f"  <{command.positional.name}>  {command.positional.about}"]
    rows = [(_option_head(option), _option_about(option)) for option in command.options]
    width = max(len(head) for head, _ in rows)
    lines += ["", "Options:", *(f"  {head:<{width}}  {about}" for head, about in rows)]
    return "\n".join(lines)


def usage(command: Command) -> str:
    """Return the one-line usage of a command."""
    required = [f"{o.name} <{o.key.upper()}>" for o in command.options if o.required]
    parts = [command.name, "[OPTIONS]", *required]
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
