"""What happens when a line of `influxdb3` runs?

The texts that come back are the original's. Whether it runs in this process or on another server is decided by what
the line's connection leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from procengine.cli import (
    cache_commands,
    data_commands,
    definition_commands,
    dry_run_commands,
    token_commands,
    trigger_commands,
    write_command,
)
from procengine.cli.help_text import help_text
from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation, parse_command
from procengine.cli.target import Connect, Connection, Target
from procengine.cli.words import split_words

Run = Callable[[Target, Invocation, Surroundings], CommandOutput]

_COMMANDS: Mapping[tuple[str, ...], Run] = {
    ("create", "database"): definition_commands.create_database,
    ("create", "table"): definition_commands.create_table,
    ("create", "trigger"): trigger_commands.create_trigger,
    ("create", "last_cache"): cache_commands.create_last_cache,
    ("create", "distinct_cache"): cache_commands.create_distinct_cache,
    ("create", "token"): token_commands.create_token,
    ("update", "database"): definition_commands.update_database,
    ("update", "table"): definition_commands.update_table,
    ("update", "trigger"): trigger_commands.update_trigger,
    ("delete", "last_cache"): cache_commands.delete_last_cache,
    ("delete", "distinct_cache"): cache_commands.delete_distinct_cache,
    ("delete", "database"): definition_commands.delete_database,
    ("delete", "table"): definition_commands.delete_table,
    ("delete", "trigger"): trigger_commands.delete_trigger,
    ("delete", "token"): token_commands.delete_token,
    ("restore", "database"): definition_commands.restore_database,
    ("restore", "table"): definition_commands.restore_table,
    ("enable", "trigger"): trigger_commands.enable_trigger,
    ("disable", "trigger"): trigger_commands.disable_trigger,
    ("install", "package"): token_commands.install_package,
    ("show", "databases"): data_commands.show_databases,
    ("show", "plugins"): data_commands.show_plugins,
    ("show", "tokens"): data_commands.show_tokens,
    ("show", "retention"): data_commands.show_retention,
    ("show", "system", "table-list"): data_commands.show_system_table_list,
    ("show", "system", "table"): data_commands.show_system_table,
    ("show", "system", "summary"): data_commands.show_system_summary,
    ("write",): write_command.write,
    ("query",): data_commands.query,
    ("test", "wal_plugin"): dry_run_commands.wal_plugin,
    ("test", "schedule_plugin"): dry_run_commands.schedule_plugin,
}


def run_line(connect: Connect, line: str, surroundings: Surroundings) -> CommandOutput:
    """Run one command line, with or without ``influxdb3`` in front, and return what it prints.

    ``$NAME`` and ``${NAME}`` are the environment's variables where it has them.

    Raises:
        InvalidInputError: the line cannot be read; the text says what is accepted.
        ProcengineError: the command failed.
    """
    words = split_words(line, surroundings.environment)
    invocation = parse_command(words, surroundings.environment)
    if invocation.command is None:
        return CommandOutput.of(help_text(invocation.help_for or ()))
    return run_invocation(connect, invocation, surroundings)


def run_invocation(
    connect: Connect, invocation: Invocation, surroundings: Surroundings
) -> CommandOutput:
    """Run a command that was read.

    Raises: ProcengineError: it failed; reading the output may raise it too.
    """
    assert invocation.command is not None
    run = _COMMANDS[invocation.command.words]
    return run(connect(_connection(invocation)), invocation, surroundings)


def _connection(invocation: Invocation) -> Connection:
    values = invocation.values
    key = next(key for key in ("write_host", "query_host", "host") if values.get(key) is not None)
    return Connection(
        url=values[key],
        option=f"--{key.replace('_', '-')}",
        token=values["token"],
        tls_ca=values["tls_ca"],
        tls_no_verify=values["tls_no_verify"],
    )
