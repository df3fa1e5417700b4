"""How do commands create, delete, enable and disable?

Source: influxdb3/src/commands/{create,delete}.rs, influxdb3_commands/src/{enable,disable}.rs.
"""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from procengine.catalog.definitions import HardDeletion
from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.errors import InvalidInputError, PluginsDisabledError
from procengine.model.duration import parse_duration

if TYPE_CHECKING:
    from procengine.engine import Engine


def create_database(engine: Engine, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Create a database."""
    name = invocation["database_name"]
    period = invocation["retention_period"]
    period_ns = None if period in {None, "none"} else parse_duration(period)
    engine.catalog.create_database(name, retention_period_ns=period_ns)
    return CommandOutput(f"Database {json.dumps(name)} created successfully")


def create_table(engine: Engine, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Create a table."""
    database, table = invocation["database"], invocation["table_name"]
    engine.catalog.create_table(database, table, tags=invocation["tags"], fields=invocation["fields"])
    return CommandOutput(f"Table {json.dumps(database)}.{json.dumps(table)} created successfully")


def create_trigger(engine: Engine, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Create a trigger, after copying its plugin where --upload says so."""
    path = invocation["path"] or invocation["plugin_filename"]
    if path is None:
        raise InvalidInputError("Either --path or --plugin-filename must be provided")
    if invocation["node_spec"] != "all":
        raise InvalidInputError(
            f"--node-spec cannot be {invocation['node_spec']!r}: there is one node here; accepted: all"
        )
    triggers = engine.triggers
    if invocation["upload"]:
        path = _upload(surroundings.folder / path, engine.config.plugin_dir)
    triggers.create(
        invocation["database"],
        invocation["trigger_name"],
        path,
        invocation["trigger_spec"],
        arguments=dict(invocation["trigger_arguments"]) or None,
        run_async=invocation["run_asynchronous"],
        error_behavior=invocation["error_behavior"],
        disabled=invocation["disabled"],
    )
    return CommandOutput(f"Trigger {invocation['trigger_name']} created successfully")


def _upload(path: Path, plugin_dir: Path | None) -> str:
    """Copy a plugin into the plugin directory; return its file name there.

    Of a folder the ``.py`` files go, without caches of compiled code.
    """
    if plugin_dir is None:
        raise PluginsDisabledError
    if not path.exists():
        raise InvalidInputError(f"File not found: {path}")
    target = plugin_dir / path.name
    if target.resolve() == path.resolve():
        return path.name
    if path.is_file():
        plugin_dir.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        return path.name
    if not (path / "__init__.py").is_file():
        raise InvalidInputError(f"Multi-file plugin directory must contain __init__.py: {path}")
    for file in sorted(path.rglob("*.py")):
        copy = target / file.relative_to(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return path.name


def delete_database(engine: Engine, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Delete a database."""
    name = invocation["database_name"]
    surroundings.confirm(
        f"Are you sure you want to delete {json.dumps(name)}", said_yes=invocation["yes"]
    )
    engine.catalog.delete_database(name, _hard_deletion(invocation["hard_delete"]))
    return CommandOutput(f"Database {json.dumps(name)} deleted successfully")


def delete_table(engine: Engine, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Delete a table."""
    database, table = invocation["database"], invocation["table_name"]
    shown = f"{json.dumps(database)}.{json.dumps(table)}"
    surroundings.confirm(f"Are you sure you want to delete {shown}", said_yes=invocation["yes"])
    engine.catalog.delete_table(database, table, _hard_deletion(invocation["hard_delete"]))
    return CommandOutput(f"Table {shown} deleted successfully")


def _hard_deletion(text: str | None) -> HardDeletion | int:
    """Return when the data goes: one of the words, or an instant, nanoseconds UTC.

    Source: influxdb3/src/commands/delete.rs, parse_hard_delete_time.
    """
    words = {member.value: member for member in HardDeletion}
    if text is None:
        return HardDeletion.DEFAULT
    if text.lower() in words:
        return words[text.lower()]
    try:
        instant = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(
            f"--hard-delete cannot be {text!r}; accepted: {', '.join(words)}, or a time such as "
            "2024-06-18T10:30:00Z"
        ) from error
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=datetime.UTC)
    return int(aware.timestamp()) * 1_000_000_000


def delete_trigger(engine: Engine, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Delete a trigger."""
    name = invocation["trigger_name"]
    engine.triggers.delete(invocation["database"], name, force=invocation["force"])
    return CommandOutput(f"Trigger {name} deleted successfully")


def enable_trigger(engine: Engine, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Enable a trigger."""
    engine.triggers.enable(invocation["database"], invocation["trigger_name"])
    return CommandOutput(f"Trigger {invocation['trigger_name']} enabled successfully")


def disable_trigger(engine: Engine, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Disable a trigger."""
    engine.triggers.disable(invocation["database"], invocation["trigger_name"])
    return CommandOutput(f"Trigger {invocation['trigger_name']} disabled successfully")
