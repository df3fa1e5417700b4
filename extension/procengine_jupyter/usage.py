"""How are a magic's words read, and how is misuse answered?"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import NoReturn, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand

from procengine.cli.words import split_words
from procengine.errors import InvalidInputError
from procengine.model.duration import parse_duration
from procengine.model.near_names import did_you_mean
from procengine.model.node_spec import parse_node_spec
from procengine.model.run_limits import parse_limits

MagicFunction = TypeVar("MagicFunction", bound=Callable[..., object])


_UNKNOWN_OPTION = re.compile(r"^unrecognized arguments: (--[\w-]+)")
_INVALID_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")
_WITHOUT_VALUE = re.compile(r"^argument (--[\w/-]+): expected one argument")


class MagicParser(argparse.ArgumentParser):
    """A parser that answers misuse with a `UsageError` saying what is accepted.

    ``examples`` follow the options in the help, as they would be typed. ``usage`` stands for the line that is
    made of the options, where these are too many for one.
    """

    def __init__(self, name: str, about: str, examples: str, *, usage: str | None = None) -> None:
        super().__init__(
            prog=name,
            usage=usage,
            description=about,
            epilog=examples,
            add_help=False,
            allow_abbrev=False,
            formatter_class=_HelpFormatter,
        )
        self._line = ""

    def error(self, message: str) -> NoReturn:
        """Refuse the words.

        Raises: UsageError.
        """
        hint = self._hint(message)
        usage = " ".join(self.format_usage().removeprefix("usage:").split())
        raise UsageError("\n".join(filter(None, (message, hint, f"accepted: {usage}"))))

    def _hint(self, message: str) -> str:
        """Return what may have been meant; empty where nothing suggests itself."""
        if message.startswith("unrecognized arguments") and "cron:" in self._line:
            return "put a specification with spaces in quotes: --trigger 'cron:0 */5 * * * *'"
        if unknown := _UNKNOWN_OPTION.search(message):
            return did_you_mean(unknown[1], options_of(self))
        if choice := _INVALID_CHOICE.search(message):
            return did_you_mean(choice[1], re.findall(r"'([^']*)'", choice[2]))
        if without := _WITHOUT_VALUE.search(message):
            option = without[1].split("/")[0]
            value = re.search(rf"{re.escape(option)}\s+(-\S+)", self._line)
            if value is not None and value[1] not in options_of(self):
                return f"a value that begins with a hyphen is joined to its option: {option}={value[1]}"
        return ""

    def read(self, line: str) -> argparse.Namespace:
        """Return what a magic's line says; quotes and backslashes work as in a shell.

        Raises: UsageError.
        """
        self._line = line
        try:
            words = split_words(line)
        except InvalidInputError as error:
            raise UsageError(str(error)) from error
        if words[-1:] in (["--help"], ["-h"]):
            raise UsageError(f"{self.prog}? shows this\n{self.format_help()}")
        return self.parse_args(words)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help as it reads under ``?``: the usage, then what it does."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=100)


def documented_by(parser: Callable[[], MagicParser]) -> Callable[[MagicFunction], MagicFunction]:
    """Give a magic its parser's help as docstring, and its line as it was typed."""

    def decorate(function: MagicFunction) -> MagicFunction:
        function.__doc__ = parser().format_help()
        raw: MagicFunction = no_var_expand(function)
        return raw

    return decorate


def key_value(text: str) -> tuple[str, str]:
    """Return key and value of ``key=value``."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form key=value")
    return key, value


def pair_of_files(text: str) -> tuple[str, str]:
    """Return both names of ``old.py=new.py``."""
    old, equals, new = text.partition("=")
    if not equals or not old or not new:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form old.py=new.py")
    return old, new


def header(text: str) -> tuple[str, str]:
    """Return name, in lower case, and value of ``Name: value`` or ``name=value``."""
    separator = ":" if ":" in text.partition("=")[0] else "="
    name, found, value = text.partition(separator)
    if not found or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 'Name: value'")
    return name.strip().lower(), value.strip()


def limit(text: str) -> str:
    """Return the text of a limit, such as ``wall=5s``, that can be read."""
    try:
        parse_limits([text])
    except InvalidInputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def placement(text: str) -> str:
    """Return a node specification, or ``auto``, for a deployment."""
    return text if text == "auto" else node_spec(text)


def node_spec(text: str) -> str:
    """Return the nodes of a cluster, as ``nodes:a,b``, in the form that is kept."""
    try:
        return parse_node_spec(text)
    except InvalidInputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def span(text: str) -> int:
    """Return the nanoseconds of a duration such as ``5s``."""
    try:
        return parse_duration(text)
    except (InvalidInputError, ValueError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration: {error}; expected one such as 5s"
        ) from error


def as_options(error: InvalidInputError) -> str:
    """Return the text of an error with a magic's options in the place of the arguments of a call."""
    text = str(error)
    for argument, option in (
        ("time_column=", "--time-column "),
        ("table='...'", "--table"),
        ("table=...", "--table"),
        ("tags=[...]", "--tags"),
    ):
        text = text.replace(argument, option)
    return text


def names(text: str) -> list[str]:
    """Return names that are separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def whole_number(text: str) -> int:
    """Return a whole number of at least 0."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def options_of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Return a parser's options by their long names, in order."""
    found: dict[str, argparse.Action] = {}
    for action in parser._actions:
        for name in action.option_strings:
            if name.startswith("--"):
                found[name] = action
    return found


def takes_value(action: argparse.Action) -> bool:
    """Tell whether a word follows an option."""
    return action.nargs != 0
