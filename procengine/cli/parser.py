"""Which command was said, and with which values?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from procengine.cli.grammar import ALIASES, COMMANDS, PROGRAM, Arity, Command, Option
from procengine.cli.help_text import HELP_OPTIONS
from procengine.cli.original_commands import original_command
from procengine.cli.values import parse_flag
from procengine.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """A command with its values, by option key and positional key.

    An option that was not said has its default, or None (False for a flag, an empty tuple for a list).
    ``help_for`` is set instead of values when help was asked for: the command words said so far.
    """

    command: Command | None
    values: Mapping[str, Any] = field(default_factory=dict)
    help_for: tuple[str, ...] | None = None

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


def parse_command(
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    program: str = PROGRAM,
    commands: tuple[Command, ...] = COMMANDS,
) -> Invocation:
    """Read the words that follow ``influxdb3``, or another ``program``; its own name may stand first.

    ``environment`` supplies what was not said, by the variables that the grammar names.

    Raises: InvalidInputError, saying what is accepted.

    Differs: options may stand before, between and after the words of a command and its argument.
    """
    said = list(words[1:] if words[:1] in ([PROGRAM], [program]) else words)
    reader = _Reader(said, program, commands)
    if reader.asks_for_help():
        return Invocation(command=None, help_for=tuple(reader.command_words()))
    return reader.read(environment or {})


class _Reader:
    """One pass over the words of one line."""

    def __init__(self, words: list[str], program: str, commands: tuple[Command, ...]) -> None:
        self.words = words
        self.program = program
        self.position = 0
        self.candidates = commands
        self.said: list[str] = []
        self.found: dict[str, Any] = {}
        self.options: list[Option] = []
        self.arguments: list[str] = []

    def asks_for_help(self) -> bool:
        """Tell whether nothing, ``help`` or a help option was said."""
        before_end = self.words[: self.words.index("--")] if "--" in self.words else self.words
        return not self.words or self.words[0] == "help" or bool(HELP_OPTIONS & set(before_end))

    def command_words(self) -> list[str]:
        """Return the leading words that are not options, for help."""
        return [
            ALIASES.get(word, word) for word in self.words if not word.startswith("-") and word != "help"
        ][:3]

    def read(self, environment: Mapping[str, str]) -> Invocation:
        """Read all words and fill in what was not said."""
        only_arguments = False
        while self.position < len(self.words):
            word = self.words[self.position]
            self.position += 1
            if word == "--" and not only_arguments:
                only_arguments = True
            elif word.startswith("-") and len(word) > 1 and not only_arguments:
                self._read_option(word)
            else:
                self._read_word(word)
        return self._finish(environment)

    def _read_word(self, word: str) -> None:
        depth = len(self.said)
        if all(len(command.words) == depth for command in self.candidates):
            self.arguments.append(word)
            return
        name = ALIASES.get(word, word)
        matching = tuple(c for c in self.candidates if c.words[depth : depth + 1] == (name,))
        if not matching:
            raise self._no_command(word)
        self.candidates = matching
        self.said.append(name)

    def _no_command(self, word: str) -> InvalidInputError:
        """Return what is wrong with a command word: it is the original's, or nobody's."""
        accepted = ", ".join(self._next_words())
        original = original_command(self.said, word, self.words[self.position :])
        if original is not None:
            offered = f"offered as {self._command_text()!r}: " if self.said else "offered: "
            return InvalidInputError(
                f"'influxdb3 {original}' is a command of InfluxDB 3 that procengine does not offer; "
                f"{offered}{accepted}"
            )
        return InvalidInputError(
            f"unrecognized subcommand {word!r} of {self._command_text()!r}; accepted: {accepted}"
        )

    def _read_option(self, word: str) -> None:
        name, has_value, value = _split_option(word)
        option = next((o for c in self.candidates if (o := c.option(name)) is not None), None)
        if option is None:
            raise self._unexpected(word)
        self.options.append(option)
        if option.arity is Arity.FLAG:
            if has_value:
                raise InvalidInputError(f"unexpected value {value!r} for {option.name}: it takes none")
            self.found[option.key] = True
            return
        texts = [value] if has_value else self._following_words(option)
        self._store(option, texts)

    def _following_words(self, option: Option) -> list[str]:
        start = self.position
        limit = len(self.words) if option.arity is Arity.WORDS else start + 1
        while self.position < min(limit, len(self.words)):
            word = self.words[self.position]
            if word.startswith("-") and self._is_option(word):
                break
            self.position += 1
        if start == self.position:
            raise InvalidInputError(f"a value is required for {option.name}: {option.about}")
        return self.words[start : self.position]

    def _is_option(self, word: str) -> bool:
        name = _split_option(word)[0]
        return word == "--" or any(c.option(name) is not None for c in self.candidates)

    def _store(self, option: Option, texts: list[str]) -> None:
        if option.arity is Arity.ONE:
            if option.key in self.found:
                raise InvalidInputError(f"the option {option.name} cannot be used multiple times")
            self.found[option.key] = _parse_item(option, texts[0])
            return
        items = [item for text in texts for item in text.split(",")]
        earlier = self.found.get(option.key, ())
        self.found[option.key] = (*earlier, *(_parse_item(option, item) for item in items))

    def _finish(self, environment: Mapping[str, str]) -> Invocation:
        command = self._command()
        for option in self.options:
            if option not in command.options:
                raise self._unexpected(option.name)
        values = {option.key: self._option_value(option, environment) for option in command.options}
        values |= self._argument_value(command, environment)
        return Invocation(command=command, values=values)

    def _command(self) -> Command:
        for command in self.candidates:
            if len(command.words) == len(self.said):
                return command
        raise InvalidInputError(
            f"{self._command_text()!r} requires a subcommand; accepted: {', '.join(self._next_words())}"
        )

    def _option_value(self, option: Option, environment: Mapping[str, str]) -> Any:
        if option.key in self.found:
            if option.conflicts_with is not None:
                self._refuse_conflict(option)
            return self.found[option.key]
        text = environment.get(option.variable) if option.variable is not None else None
        if text and option.arity is Arity.FLAG:
            return _parse_flag(option, text)
        text = text or option.default
        if text is not None:
            return _parse_item(option, text)
        if option.required:
            raise InvalidInputError(f"{self._command_text()!r} requires {option.name}: {option.about}")
        return {Arity.FLAG: False, Arity.ONE: None}.get(option.arity, ())

    def _refuse_conflict(self, option: Option) -> None:
        other = next(o for o in self.candidates[0].options if o.name == option.conflicts_with)
        if other.key in self.found:
            raise InvalidInputError(f"{option.name} cannot be used with {other.name}")

    def _argument_value(self, command: Command, environment: Mapping[str, str]) -> dict[str, Any]:
        positional = command.positional
        if positional is None:
            if self.arguments:
                raise self._unexpected(self.arguments[0])
            return {}
        if positional.many:
            return {positional.key: tuple(self.arguments)}
        if len(self.arguments) > 1:
            raise InvalidInputError(
                f"unexpected argument {self.arguments[1]!r}: {self._command_text()!r} takes one "
                f"<{positional.name}>; enclose it in quotes if it has spaces"
            )
        value = self.arguments[0] if self.arguments else environment.get(positional.variable or "")
        if value is None and positional.required:
            raise InvalidInputError(
                f"{self._command_text()!r} requires <{positional.name}>: {positional.about}"
            )
        return {positional.key: value}

    def _command_text(self) -> str:
        return " ".join((self.program, *self.said))

    def _next_words(self) -> list[str]:
        depth = len(self.said)
        return list(dict.fromkeys(c.words[depth] for c in self.candidates if len(c.words) > depth))

    def _unexpected(self, word: str) -> InvalidInputError:
        options = dict.fromkeys(option.name for c in self.candidates for option in c.options)
        accepted = ", ".join(options) if len(self.candidates) == 1 else ", ".join(self._next_words())
        return InvalidInputError(
            f"unexpected argument {word!r} for {self._command_text()!r}; accepted: {accepted}"
        )


def _split_option(word: str) -> tuple[str, bool, str]:
    """Return an option word's name, whether a value is attached, and that value."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, bool(equals), value
    return word[:2], len(word) > 2, word[2:].removeprefix("=")


def _parse_item(option: Option, text: str) -> object:
    if option.choices and text not in option.choices:
        raise InvalidInputError(
            f"invalid value {text!r} for {option.name}; accepted: {', '.join(option.choices)}"
        )
    try:
        return option.parse(text)
    except ValueError as error:
        raise InvalidInputError(f"invalid value {text!r} for {option.name}: {error}") from error


def _parse_flag(option: Option, text: str) -> bool:
    try:
        return parse_flag(text)
    except ValueError as error:
        raise InvalidInputError(f"invalid value {text!r} of {option.variable}: {error}") from error
