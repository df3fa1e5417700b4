"""What can follow at the cursor in a magic's line, or below it?

Options come from the parsers and the command table, names from the live engine; below a magic's line
`procengine_jupyter.cell_completion` answers. The matcher speaks IPython's matcher API, ahead of the others and in
their stead: in a magic's line Python names are no help.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from procengine.cli.grammar import ALIASES, COMMANDS, Arity, Command, Option
from procengine.cli.plugin_grammar import NOTEBOOK_COMMANDS
from procengine.cli.words import split_words
from procengine.errors import InvalidInputError
from procengine.model.names import INTERNAL_DATABASE
from procengine.model.plugin_address import is_fetched
from procengine.model.run_limits import LIMIT_NAMES
from procengine_jupyter import grammar
from procengine_jupyter.cell_completion import Candidate, complete_body
from procengine_jupyter.usage import MagicParser, options_of, takes_value

if TYPE_CHECKING:
    from procengine_jupyter.session import Session

PRIORITY = 100
SPEC_PREFIXES = ("table:", "all_tables", "cron:", "every:", "request:")

_PARSERS: dict[str, Callable[[], MagicParser]] = {
    "%procengine": grammar.procengine_parser,
    "%%plugin": grammar.plugin_parser,
    "%fire": grammar.fire_parser,
    "%%fire": grammar.fire_parser,
    "%write": grammar.write_file_parser,
    "%%write": grammar.write_cell_parser,
    "%%query": grammar.query_parser,
    "%inspect": grammar.inspect_parser,
    "%replay": grammar.replay_parser,
    "%record": grammar.record_parser,
    "%deploy": grammar.deploy_parser,
}
_MEANT = {
    ("%%plugin", "name"): "plugin",
    ("%procengine", "name"): "plugin",
    ("%deploy", "name"): "deployable",
    ("%procengine detach", "name"): "attached",
    ("%procengine update", "name"): "git_trigger",
    ("%fire", "name"): "trigger",
    ("%inspect", "name"): "inspected",
}
"""What a positional word of a magic names, where its own name does not say it."""

_INSPECTED_BY_NAME = {
    "cache": "trigger",
    "runs": "trigger",
    "logs": "trigger",
    "tables": "database",
    "last": "table",
    "distinct": "table",
}
"""What the second word of ``%inspect`` names, by its first."""

_COMMAND_LINES = frozenset({"%influxdb3", "%%influxdb3"})


class MagicCompleter:
    """Completes the lines of one session's magics."""

    def __init__(self, session: Session) -> None:
        self._session = session

        # A function, as IPython keeps what identifies a matcher on the matcher itself.
        @context_matcher(priority=PRIORITY, identifier="procengine")  # type: ignore[untyped-decorator]
        def matcher(context: Any) -> dict[str, Any]:
            return self._match(context)

        self._matcher = matcher

    def attach(self, completer: Any) -> None:
        """Add the matcher to a shell's completer."""
        completer.custom_matchers.append(self._matcher)

    def detach(self, completer: Any) -> None:
        """Take the matcher from a shell's completer."""
        if self._matcher in completer.custom_matchers:
            completer.custom_matchers.remove(self._matcher)

    def _match(self, context: Any) -> dict[str, Any]:
        text = _magic_line(context)
        if text is None:
            return self._match_body(context)
        fragment, found = self.candidates(text)
        token = fragment.rpartition(":")[2] if ":" in fragment else fragment
        cut = len(fragment) - len(token)
        return {
            "completions": [SimpleCompletion(text=c.text[cut:], type=c.kind) for c in found],
            "matched_fragment": token,
            "suppress": bool(found),
            "ordered": True,
        }

    def _match_body(self, context: Any) -> dict[str, Any]:
        head, body = _cell(context)
        fragment, found = complete_body(head, body, self._session)
        return {
            "completions": [SimpleCompletion(text=one.text, type=one.kind) for one in found],
            "matched_fragment": fragment,
            "suppress": bool(found),
            "ordered": True,
        }

    def candidates(self, text: str) -> tuple[str, list[Candidate]]:
        """Return the word at the end of a magic's line, as far as it is typed, and what it can become."""
        magic, _, rest = text.lstrip().partition(" ")
        words, fragment = _split(rest)
        if magic in _COMMAND_LINES:
            found = self._for_command_line(words)
        elif magic == "%procengine" and words and words[0] in grammar.ACTION_PARSERS:
            found = self._for_magic(grammar.ACTION_PARSERS[words[0]](), words[1:])
        elif magic == "%procengine" and words[:1] == ["plugin"]:
            found = self._for_command_line(words, NOTEBOOK_COMMANDS)
        elif magic in _PARSERS:
            found = self._for_magic(_PARSERS[magic](), words)
        else:
            found = []
        return fragment, [c for c in found if c.text.startswith(fragment) and c.text != fragment]

    def _for_magic(self, parser: MagicParser, words: list[str]) -> list[Candidate]:
        options = options_of(parser)
        last = next((o for name, o in options.items() if words and words[-1] in o.option_strings), None)
        if last is not None and takes_value(last):
            return self._values(last.dest, last.choices, words)
        found = self._positionals(parser, _plain_words(words, options), words)
        once = {name for name, o in options.items() if name in words and not _may_repeat(o)}
        return found + [Candidate(name, "option") for name in options if name not in once]

    def _positionals(self, parser: MagicParser, plain: list[str], words: list[str]) -> list[Candidate]:
        wanted = [action for action in parser._actions if not action.option_strings]
        if len(plain) >= len(wanted):
            return []
        action = wanted[len(plain)]
        dest = _MEANT.get((parser.prog, action.dest), action.dest)
        if parser.prog == "%procengine" and plain and plain[0] != "doctor":
            return []
        if dest == "inspected":
            dest = _INSPECTED_BY_NAME.get(plain[0], "")
        return self._values(dest, action.choices, words)

    def _values(self, dest: str, choices: Iterable[str] | None, words: list[str]) -> list[Candidate]:
        """Return what an option or argument can be."""
        if choices is not None:
            return [Candidate(choice, "value") for choice in choices]
        special = {
            "attached": self._attached,
            "compare": self._replays,
            "git_trigger": self._git_triggers,
            "source": self._sources,
            "token": self._tokens,
        }
        if dest in special:
            return special[dest]()
        match dest:
            case "database" | "database_name" | "query_database":
                return [Candidate(name, "database") for name in self._databases()]
            case "trigger_name":
                return [Candidate(name, "trigger") for name in self._triggers()]
            case "trigger" if words and words[-1] == "--trigger":
                return self._specs()
            case "trigger":
                return [Candidate(name, "trigger") for name in self._triggers()]
            case "trigger_spec":
                return self._specs()
            case "plugin":
                return [Candidate(name.removesuffix(".py"), "plugin") for name in self._plugins()]
            case "deployable":
                names = [*(name.removesuffix(".py") for name in self._plugins()), *self._addresses()]
                return [Candidate(name, "plugin") for name in names]
            case "path" | "plugin_filename" | "filename":
                return [Candidate(name, "plugin") for name in self._plugins()]
            case "table" | "table_name":
                return [Candidate(name, "table") for name in self._tables()]
            case "limit":
                return [Candidate(f"{name}=", "limit") for name in LIMIT_NAMES]
        return []

    def _for_command_line(
        self, words: list[str], known: tuple[Command, ...] = COMMANDS
    ) -> list[Candidate]:
        said = [ALIASES.get(word, word) for word in words]
        path: list[str] = []
        commands = list(known)
        for word in said:
            deeper = [c for c in commands if c.words[len(path) : len(path) + 1] == (word,)]
            if deeper:
                commands, path = deeper, [*path, word]
        next_words = dict.fromkeys(c.words[len(path)] for c in commands if len(c.words) > len(path))
        if next_words:
            return [Candidate(word, "command") for word in next_words]
        command = commands[0]
        last = command.option(words[-1]) if words else None
        if last is not None and last.arity is not Arity.FLAG:
            return self._values(last.key, last.choices or None, words)
        positional = command.positional
        found = self._values(positional.key, None, words) if positional is not None else []
        return found + [Candidate(o.name, "option") for o in command.options if _is_open(o, words)]

    def _specs(self) -> list[Candidate]:
        tables = [Candidate(f"table:{name}", "trigger spec") for name in self._tables()]
        return [*(Candidate(prefix, "trigger spec") for prefix in SPEC_PREFIXES), *tables]

    def _sources(self) -> list[Candidate]:
        """Return the variables that can be written: those that hold frames, tables or text."""
        kinds = {"DataFrame", "Table", "RecordBatch"}
        variables = self._session.shell.user_ns.items()
        return [
            Candidate(name, "variable")
            for name, value in variables
            if not name.startswith("_") and type(value).__name__ in kinds
        ]

    def _replays(self) -> list[Candidate]:
        """Return the variables that hold results of replays."""
        variables = self._session.shell.user_ns.items()
        kinds = {"ReplayResult", "Replay"}
        return [
            Candidate(name, "variable")
            for name, value in variables
            if not name.startswith("_") and type(value).__name__ in kinds
        ]

    def _databases(self) -> list[str]:
        if not self._session.is_running:
            return []
        known = self._session.engine.catalog.databases
        return [database.name for database in known if database.name != INTERNAL_DATABASE]

    def _attached(self) -> list[Candidate]:
        if not self._session.is_running:
            return []
        return [Candidate(one.name, "database") for one in self._session.engine.attachments.all()]

    def _git_triggers(self) -> list[Candidate]:
        """Return the triggers whose plugins are pinned to a commit."""
        if not self._session.is_running:
            return []
        catalog = self._session.engine.catalog
        return [
            Candidate(trigger.name, "trigger")
            for database in catalog.databases
            for trigger in database.triggers.values()
            if trigger.plugin_filename in catalog.state.pins
        ]

    def _tokens(self) -> list[Candidate]:
        """Return the variables that may hold a token, by their names."""
        variables = self._session.shell.user_ns.items()
        return [
            Candidate(f"${name}", "variable")
            for name, value in variables
            if isinstance(value, str) and "token" in name.lower() and not name.startswith("_")
        ]

    def _tables(self) -> list[str]:
        if not self._session.is_running:
            return []
        known = self._session.engine.catalog.databases
        return list(dict.fromkeys(t for d in known if d.name != INTERNAL_DATABASE for t in d.tables))

    def _triggers(self) -> list[str]:
        if not self._has_plugins():
            return []
        return list(dict.fromkeys(trigger.name for trigger in self._session.engine.triggers.list()))

    def _plugins(self) -> list[str]:
        if not self._has_plugins():
            return []
        return [info.filename for info in self._session.engine.plugins.plugins()]

    def _addresses(self) -> list[str]:
        """Return the addresses of repositories that triggers have their plugins from."""
        if not self._has_plugins():
            return []
        used = dict.fromkeys(one.plugin_filename for one in self._session.engine.triggers.list())
        return [name for name in used if is_fetched(name)]

    def _has_plugins(self) -> bool:
        return self._session.is_running and self._session.engine.config.plugins_enabled


def _magic_line(context: Any) -> str | None:
    """Return the text of a magic from its beginning to the cursor, if the cursor is in one.

    A line magic may stand on any line; a cell magic's line is the first that is not blank. The cell of
    ``%%influxdb3`` belongs to its line.
    """
    before = context.text_until_cursor
    if before.lstrip().startswith("%"):
        return str(before)
    lines = context.full_text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip().startswith("%%influxdb3"):
        return "\n".join([*lines[: context.cursor_line], before]).replace("\\\n", " ").lstrip()
    return None


def _cell(context: Any) -> tuple[str, str]:
    """Return a cell's first line that is not blank, and what stands below it up to the cursor."""
    lines = context.full_text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    below = [*lines[first + 1 : context.cursor_line], context.text_until_cursor]
    return lines[first], "\n".join(below) if context.cursor_line > first else ""


def _split(rest: str) -> tuple[list[str], str]:
    """Return the finished words of a line, and the last one as far as it is typed."""
    try:
        words = split_words(rest)
    except InvalidInputError:
        opened = max(rest.rfind('"'), rest.rfind("'"))
        return _split(rest[:opened])[0], rest[opened + 1 :]
    if not rest or rest[-1] in " \n\t" or not words:
        return words, ""
    return words[:-1], words[-1]


def _plain_words(words: list[str], options: dict[str, argparse.Action]) -> list[str]:
    """Return the words that are neither options nor their values."""
    plain, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            action = next((o for o in options.values() if word in o.option_strings), None)
            skip = action is not None and takes_value(action)
        else:
            plain.append(word)
    return plain


def _may_repeat(action: argparse.Action) -> bool:
    return type(action).__name__ in {"_AppendAction", "_ExtendAction"}


def _is_open(option: Option, words: list[str]) -> bool:
    return option.name not in words or option.arity in {Arity.LIST, Arity.WORDS}
