"""Which command line would make a trigger?

The inverse of ``create trigger``: what was made by other ways can be made by the original's command line too.
"""

from __future__ import annotations

import shlex

from procengine.model.trigger import ErrorBehavior, Trigger


def create_trigger_line(trigger: Trigger) -> str:
    """Return the line of ``influxdb3`` that creates a trigger, in the words of a POSIX shell.

    What a line cannot say is left out; `unsaid` names it.
    """
    words = ["influxdb3", "create", "trigger", "--database", trigger.database]
    words += ["--path", trigger.plugin_filename, "--trigger-spec", trigger.spec]
    said = [f"{name}={value}" for name, value in _arguments(trigger) if "," not in f"{name}{value}"]
    if said:
        words += ["--trigger-arguments", ",".join(said)]
    if trigger.error_behavior is not ErrorBehavior.LOG:
        words += ["--error-behavior", trigger.error_behavior.value]
    if trigger.run_async:
        words.append("--run-asynchronous")
    if trigger.disabled:
        words.append("--disabled")
    if trigger.node_spec != "all":
        words += ["--node-spec", trigger.node_spec]
    if trigger.name.startswith("-"):
        words.append("--")
    return shlex.join([*words, trigger.name])


def unsaid(trigger: Trigger) -> list[str]:
    """Return what `create_trigger_line` leaves out, each as a sentence without its full stop."""
    notes = [
        f"argument {name} is left out: a command line parts arguments at commas"
        for name, value in _arguments(trigger)
        if "," in f"{name}{value}"
    ]
    if str(trigger.limits):
        notes.append(f"limits are left out ({trigger.limits}): InfluxDB 3 has none")
    return notes


def _arguments(trigger: Trigger) -> list[tuple[str, str]]:
    return list((trigger.arguments or {}).items())
