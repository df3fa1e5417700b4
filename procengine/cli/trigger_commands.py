"""How do commands create, change, delete, enable and disable triggers?

Source: influxdb3/src/commands/{create,update,delete}.rs, influxdb3_commands/src/{enable,disable}.rs;
    docs-v2, influxdb3-cli/update/trigger.
"""

from __future__ import annotations

from pathlib import Path

from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.cli.target import Target, TriggerChange
from procengine.errors import InvalidInputError
from procengine.model.trigger import ErrorBehavior, Trigger

INIT = "__init__.py"


def create_trigger(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Create a trigger, after copying its plugin where --upload says so."""
    database, name = invocation["database"], invocation["trigger_name"]
    filename = invocation["path"] or invocation["plugin_filename"]
    if filename is None:
        raise InvalidInputError("Either --path or --plugin-filename must be provided")
    if invocation["upload"]:
        filename = _upload(target, database, surroundings.folder / filename)
    target.create_trigger(
        Trigger(
            database=database,
            name=name,
            plugin_filename=filename,
            spec=invocation["trigger_spec"],
            arguments=dict(invocation["trigger_arguments"]) or None,
            run_async=invocation["run_asynchronous"],
            error_behavior=ErrorBehavior(invocation["error_behavior"]),
            disabled=invocation["disabled"],
            node_spec=invocation["node_spec"],
        )
    )
    return CommandOutput.of(f"Trigger {name} created successfully")


def update_trigger(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Change a trigger: the text of its plugin, its arguments, what follows an error, whether it is enabled.

    ``--path`` names a file or folder here, whose text replaces that of the plugin; without ``--upload`` one that is
    not here is looked for in the plugin directory, as documentation has it.
    """
    database, name = invocation["database"], invocation["trigger_name"]
    path = invocation["path"]
    local = None if path is None else surroundings.folder / path
    if local is not None and invocation["upload"] and not local.exists():
        raise InvalidInputError(f"Path does not exist: {path}")
    is_local = local is not None and local.exists()
    change = TriggerChange(
        plugin_filename=None if is_local else path,
        arguments=dict(invocation["trigger_arguments"]) or None,
        error_behavior=invocation["error_behavior"],
    )
    if change.is_empty and not (is_local or invocation["enabled"] or invocation["disabled"]):
        raise InvalidInputError(
            "nothing to update: add --path, --trigger-arguments, --error-behavior, --enabled or --disabled"
        )
    note = ""
    if local is not None and is_local:
        note = _update_plugin(target, database, name, local)
    if not change.is_empty:
        target.change_trigger(database, name, change)
    if invocation["enabled"]:
        target.enable_trigger(database, name)
    if invocation["disabled"]:
        target.disable_trigger(database, name)
    return CommandOutput.of(f"Trigger '{name}' updated successfully{note}")


def delete_trigger(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Delete a trigger."""
    name = invocation["trigger_name"]
    target.delete_trigger(invocation["database"], name, force=invocation["force"])
    return CommandOutput.of(f"Trigger {name} deleted successfully")


def enable_trigger(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Enable a trigger."""
    target.enable_trigger(invocation["database"], invocation["trigger_name"])
    return CommandOutput.of(f"Trigger {invocation['trigger_name']} enabled successfully")


def disable_trigger(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Disable a trigger."""
    target.disable_trigger(invocation["database"], invocation["trigger_name"])
    return CommandOutput.of(f"Trigger {invocation['trigger_name']} disabled successfully")


def _upload(target: Target, database: str, path: Path) -> str:
    """Put a plugin into the server's plugin directory; return its name there."""
    if not path.exists():
        raise InvalidInputError(f"File not found: {path}")
    if path.is_file():
        target.create_plugin_file(database, path.name, _text(path))
    else:
        for name, text in _folder(path).items():
            target.create_plugin_file(database, f"{path.name}/{name}", text)
    return path.name


def _update_plugin(target: Target, database: str, trigger: str, path: Path) -> str:
    """Give a trigger's plugin the text of a file or folder; return what is told beside."""
    if path.is_file():
        target.update_plugin_file(database, trigger, _text(path))
        return ""
    target.replace_plugin_folder(database, trigger, _folder(path))
    return " (atomic directory replacement)"


def _folder(path: Path) -> dict[str, str]:
    """Return the texts of a folder's ``.py`` files by relative path, caches of compiled code left out."""
    if not (path / INIT).is_file():
        raise InvalidInputError(f"Multi-file plugin directory must contain {INIT}: {path}")
    files = [
        one for one in sorted(path.rglob("*.py")) if one.is_file() and "__pycache__" not in one.parts
    ]
    return {one.relative_to(path).as_posix(): _text(one) for one in files}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"error reading file: {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"error reading file: {str(path)!r} is not UTF-8: {error}") from error
