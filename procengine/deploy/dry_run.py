"""Does a plugin run on the server, before anything that lives there changes?

Tried by the server's test endpoints, under a name of its own where the plugin's is in use: what a trigger runs is
replaced only after its successor ran. Writes of a dry run are not stored; what else a plugin does is real.

Source: influxdb3_processing_engine/src/lib.rs, dry_run_wal_plugin, test_schedule_plugin. A folder is tried by the
    text of its ``__init__.py`` alone, which cannot import its siblings.
"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.cli.target import PluginTest
from procengine.deploy.bundle import Bundle
from procengine.deploy.command_lines import base_name, is_secret
from procengine.errors import OperationRefusedError
from procengine.model.counted import counted
from procengine.model.trigger import Trigger, TriggerKind
from procengine.model.trigger_spec import CronSpec, parse_trigger_spec
from procengine.remote import RemoteServer

STAGED = "procengine_staged"
"""The folder of the plugin directory whose files are there to be tried."""

_NO_SIBLINGS = ("attempted relative import", "'__name__' not in globals")


class DryRunFailedError(OperationRefusedError):
    """A plugin raised where it was tried; its text is what the server answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of trying a plugin for one trigger; ``passed`` is None where it could not be tried."""

    trigger: str
    passed: bool | None
    said: str


def staged_name(bundle: Bundle) -> str:
    """Return the name under which a plugin is tried while its own is in use."""
    return f"{STAGED}/{base_name(bundle.filename)}"


def staged_files(bundle: Bundle) -> dict[str, str]:
    """Return a plugin's texts under the names that they are tried by."""
    return {
        f"{staged_name(bundle)}{name.removeprefix(bundle.filename)}": text
        for name, text in bundle.files.items()
    }


def try_trigger(server: RemoteServer, bundle: Bundle, trigger: Trigger, filename: str) -> Tried:
    """Return what came of a trigger of a bundle when it was tried; the plugin's file has this name for now.

    Raises:
        DryRunFailedError: the plugin raised, or what it wrote cannot be stored.
        RefusedByServerError, UnreachableServerError: it could not be tried.
    """
    spec = parse_trigger_spec(trigger.spec)
    lines = bundle.samples.get((trigger.database, trigger.name))
    test = PluginTest(
        database=trigger.database, filename=filename, arguments=trigger.arguments, cache_name=STAGED
    )
    if spec.kind is TriggerKind.REQUEST:
        return _untried(trigger, "InfluxDB 3 has no dry run for requests")
    if spec.kind is TriggerKind.SCHEDULE:
        cron = spec.cron.text if isinstance(spec, CronSpec) else None
        answer = server.test_schedule_plugin(test, cron)
    elif lines is None:
        return _untried(trigger, "there are no rows here to try it with")
    else:
        answer = server.test_wal_plugin(test, lines.encode())
    errors = [str(each) for each in answer.get("errors", ())]
    if bundle.is_directory and errors and all(any(no in e for no in _NO_SIBLINGS) for e in errors):
        return _untried(
            trigger, "a dry run sees a folder's __init__.py alone, which imports its siblings"
        )
    if errors:
        raise DryRunFailedError(_without_secrets("; ".join(errors), trigger))
    written = sum(len(each) for each in answer.get("database_writes", {}).values())
    return Tried(
        trigger=trigger.name, passed=True, said=f"ran; would have written {counted(written, 'line')}"
    )


def _untried(trigger: Trigger, why: str) -> Tried:
    return Tried(trigger=trigger.name, passed=None, said=why)


def _without_secrets(text: str, trigger: Trigger) -> str:
    for name, value in (trigger.arguments or {}).items():
        if value and is_secret(name):
            text = text.replace(value, "***")
    return text
