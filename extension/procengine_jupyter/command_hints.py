"""What is there beside the answer of a command: which names were meant, and what a new trigger is to be told?

The commands' texts are the original's. In a notebook further lines tell what there is in its engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from procengine.cli.engine_target import is_here
from procengine.cli.parser import Invocation, parse_command
from procengine.cli.words import split_words
from procengine.errors import (
    CacheNotFoundError,
    DatabaseNotFoundError,
    ProcengineError,
    TableNotFoundError,
    TriggerNotFoundError,
)
from procengine.model.names import INTERNAL_DATABASE
from procengine.model.portability import NoteCode, portability_notes
from procengine_jupyter.query_hints import names_hint

if TYPE_CHECKING:
    from procengine.engine import Engine

_NO_COLUMN: Final = re.compile(
    r"invalid (?:key |value )?column provided: (?P<name>.*)(?<!named twice)(?<!a key column)$"
)
_OF_TRIGGER: Final = frozenset({NoteCode.SELF_FEEDING, NoteCode.CRON_WEEKDAY})
"""The notes that come of a trigger; `%%plugin` tells those on the code, too."""


class CommandHints:
    """What to tell beside a command to a notebook's engine; nothing beside one to another server."""

    def __init__(
        self, engine: Engine, line: str, *, environment: Mapping[str, str], port: int | None
    ) -> None:
        self._engine = engine
        self._line = line
        self._environment = environment
        self._port = port

    def on_error(self, error: ProcengineError) -> str:
        """Return which names there are where one was not found; empty where that is not what failed."""
        said = self._invocation()
        if said is None:
            return ""
        try:
            return self._names(said, error)
        except ProcengineError:  # a name that the one in question is looked for by is not there either
            return ""

    def on_created_trigger(self) -> Iterable[str]:
        """Yield the notes on a trigger, if the command has created one whose plugin is a file."""
        said = self._invocation()
        if said is None or said.command is None or said.command.words != ("create", "trigger"):
            return
        trigger = self._engine.triggers.get(said["database"], said["trigger_name"])
        folder = self._engine.config.plugin_dir
        if folder is None or not (folder / trigger.plugin_filename).is_file():
            return
        source = (folder / trigger.plugin_filename).read_text(encoding="utf-8")
        for note in portability_notes(source, specs=(trigger.spec,)):
            if note.code in _OF_TRIGGER:
                line = (
                    f" (line {note.line_number} of {trigger.plugin_filename})"
                    if note.line_number
                    else ""
                )
                yield f"note: {note.reason}{line}; {note.remedy}"

    def _invocation(self) -> Invocation | None:
        """Return the command that was said, or None where it cannot be read or is for another server."""
        try:
            said = parse_command(split_words(self._line, self._environment), self._environment)
        except ProcengineError:
            return None
        keys = ("write_host", "query_host", "host")
        hosts = [said.values[key] for key in keys if said.values.get(key) is not None]
        return said if said.command is not None and hosts and is_here(hosts[0], self._port) else None

    def _names(self, said: Invocation, error: ProcengineError) -> str:
        catalog = self._engine.catalog
        match error:
            case DatabaseNotFoundError():
                known = [one.name for one in catalog.databases if one.name != INTERNAL_DATABASE]
                return names_hint(error.database, known, "databases")
            case TableNotFoundError():
                tables = catalog.database(error.database).tables
                return names_hint(error.table, tables, f"tables of {error.database}")
            case TriggerNotFoundError():
                triggers = catalog.database(said["database"]).triggers
                return names_hint(error.trigger, triggers, f"triggers of {said['database']}")
        return self._names_in_table(said, error)

    def _names_in_table(self, said: Invocation, error: ProcengineError) -> str:
        column = _NO_COLUMN.search(str(error))
        if "table" not in said.values or (column is None and not isinstance(error, CacheNotFoundError)):
            return ""
        table = self._engine.catalog.database(said["database"]).tables[said["table"]]
        if column is not None:
            names = [one.name for one in table.schema.columns]
            return names_hint(column["name"], names, f"columns of {table.name}")
        kind = "last" if said.command is not None and "last_cache" in said.command.words else "distinct"
        caches = table.last_caches if kind == "last" else table.distinct_caches
        return names_hint(said["cache_name"], caches, f"{kind} caches of {table.name}")
