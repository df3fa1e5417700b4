"""What happens when a line of `influxdb3` runs against an engine in this process?

The texts that come back are the original's. Connection options are read and, as there is no
connection, not needed; a ``--host`` that names another machine is refused rather than ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from procengine.cli import cache_commands, data_commands, definition_commands, dry_run_commands
from procengine.cli.help_text import help_text
from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation, parse_command
from procengine.cli.words import split_words
from procengine.errors import InvalidInputError

if TYPE_CHECKING:
    from procengine.engine import Engine

Command = Callable[["Engine", Invocation, Surroundings], CommandOutput]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_COMMANDS: Mapping[tuple[str, ...], Command] = {
    ("create", "database"): definition_commands.create_database,
    ("create", "table"): definition_commands.create_table,
    ("create", "trigger"): definition_commands.create_trigger,
    ("create", "last_cache"): cache_commands.create_last_cache,
    ("create", "distinct_cache"): cache_commands.create_distinct_cache,
    ("delete", "last_cache"): cache_commands.delete_last_cache,
    ("delete", "distinct_cache"): cache_commands.delete_distinct_cache,
    ("delete", "database"): definition_commands.delete_database,
    ("delete", "table"): definition_commands.delete_table,
    ("delete", "trigger"): definition_commands.delete_trigger,
    ("enable", "trigger"): definition_commands.enable_trigger,
    ("disable", "trigger"): definition_commands.disable_trigger,
    ("show", "databases"): data_commands.show_databases,
    ("show", "system", "table-list"): data_commands.show_system_table_list,
    ("show", "system", "table"): data_commands.show_system_table,
    ("show", "system", "summary"): data_commands.show_system_summary,
    ("write",): data_commands.write,
    ("query",): data_commands.query,
    ("test", "wal_plugin"): dry_run_commands.wal_plugin,
    ("test", "schedule_plugin"): dry_run_commands.schedule_plugin,
}


def run_line(engine: Engine, line: str, surroundings: Surroundings) -> CommandOutput:
    """Run one command line, with or without ``influxdb3`` in front, and return what it prints.

    Raises:
        InvalidInputError: the line cannot be read; the text says what is accepted.
        ProcengineError: the command failed.
    """
    invocation = parse_command(split_words(line), surroundings.environment)
    if invocation.command is None:
        return CommandOutput(help_text(invocation.help_for or ()))
    _refuse_other_hosts(invocation)
    return _COMMANDS[invocation.command.words](engine, invocation, surroundings)


def _refuse_other_hosts(invocation: Invocation) -> None:
    for key in ("host", "write_host", "query_host"):
        url = invocation.values.get(key)
        if url is not None and urlsplit(url).hostname not in LOOPBACK:
            raise InvalidInputError(
                f"--{key.replace('_', '-')} {url!r} is another machine, but this command runs in this process; "
                "leave the option out, or use http://127.0.0.1:8181"
            )
