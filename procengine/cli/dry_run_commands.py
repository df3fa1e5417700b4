"""How do commands dry-run a plugin that no trigger runs?

Source: influxdb3_commands/src/test.rs.
"""

from __future__ import annotations

import json

from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.cli.target import Json, PluginTest, Target
from procengine.errors import InvalidInputError


def wal_plugin(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Dry-run a plugin on rows; return logs, writes and errors as JSON."""
    return _json(target.test_wal_plugin(_test(invocation), _lines(invocation, surroundings)))


def schedule_plugin(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Dry-run a plugin on the next time of a schedule; return time, logs, writes and errors as JSON."""
    return _json(target.test_schedule_plugin(_test(invocation), invocation["schedule"]))


def _test(invocation: Invocation) -> PluginTest:
    return PluginTest(
        database=invocation["database"],
        filename=invocation["filename"],
        arguments=dict(invocation["input_arguments"]) or None,
        cache_name=invocation["cache_name"],
    )


def _lines(invocation: Invocation, surroundings: Surroundings) -> bytes:
    if invocation["lp"] is not None:
        return str(invocation["lp"]).encode()
    if invocation["file"] is None:
        raise InvalidInputError("either --lp or --file must be provided")
    return surroundings.read_file(invocation["file"])


def _json(answer: Json) -> CommandOutput:
    return CommandOutput.of(json.dumps(answer, indent=2, ensure_ascii=False))
