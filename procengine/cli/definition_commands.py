"""How do commands create, change, delete and restore databases and tables?

Source: influxdb3/src/commands/{create,update,delete}.rs; docs-v2, influxdb3-cli/update/table.
Differs: the original has no command that restores.
"""

from __future__ import annotations

import json

from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.cli.target import Target
from procengine.errors import InvalidInputError


def create_database(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Create a database."""
    name = invocation["database_name"]
    target.create_database(name, _period_ns(invocation))
    return CommandOutput.of(f"Database {_quoted(name)} created successfully")


def create_table(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Create a table."""
    database, table = invocation["database"], invocation["table_name"]
    target.create_table(
        database, table, invocation["tags"], invocation["fields"], _period_ns(invocation)
    )
    return CommandOutput.of(f"Table {_quoted(database)}.{_quoted(table)} created successfully")


def update_database(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Say how long a database's rows are kept."""
    database = invocation["database"]
    _require_period(invocation, "database")
    target.set_retention_period(database, None, _period_ns(invocation))
    return CommandOutput.of(f'Database "{database}" updated successfully')


def update_table(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Say how long a table's rows are kept."""
    database, table = invocation["database"], invocation["table_name"]
    _require_period(invocation, "table")
    target.set_retention_period(database, table, _period_ns(invocation))
    return CommandOutput.of(f"Table {_quoted(database)}.{_quoted(table)} updated successfully")


def delete_database(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Delete a database."""
    name = invocation["database_name"]
    surroundings.confirm(f"Are you sure you want to delete {_quoted(name)}", said_yes=invocation["yes"])
    target.delete_database(name, invocation["hard_delete"])
    return CommandOutput.of(f"Database {_quoted(name)} deleted successfully")


def delete_table(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Delete a table."""
    database, table = invocation["database"], invocation["table_name"]
    shown = f"{_quoted(database)}.{_quoted(table)}"
    surroundings.confirm(f"Are you sure you want to delete {shown}", said_yes=invocation["yes"])
    target.delete_table(database, table, invocation["hard_delete"])
    return CommandOutput.of(f"Table {shown} deleted successfully")


def restore_database(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Let a deleted database be there again."""
    name = invocation["database_name"]
    target.restore_database(name)
    return CommandOutput.of(f"Database {_quoted(name)} restored successfully")


def restore_table(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Let a deleted table be there again."""
    database, table = invocation["database"], invocation["table_name"]
    target.restore_table(database, table)
    return CommandOutput.of(f"Table {_quoted(database)}.{_quoted(table)} restored successfully")


def _period_ns(invocation: Invocation) -> int | None:
    period_ns: int | None = invocation["retention_period"]
    return period_ns or None


def _require_period(invocation: Invocation, what: str) -> None:
    if invocation["retention_period"] is None:
        raise InvalidInputError(f"--retention-period is required for update {what}")


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
