"""How do commands dry-run a plugin that no trigger runs?

Source: influxdb3_commands/src/test.rs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.errors import InvalidInputError

if TYPE_CHECKING:
    from procengine.engine import Engine


def wal_plugin(engine: Engine, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Dry-run a plugin on rows; return logs, writes and errors as JSON."""
    return _json(
        engine.plugin_tests.write(
            invocation["database"],
            invocation["filename"],
            _lines(invocation, surroundings),
            arguments=dict(invocation["input_arguments"]),
            cache_name=invocation["cache_name"],
        )
    )


def schedule_plugin(engine: Engine, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Dry-run a plugin on the next time of a schedule; return time, logs, writes and errors as JSON."""
    return _json(
        engine.plugin_tests.schedule(
            invocation["database"],
            invocation["filename"],
            invocation["schedule"],
            arguments=dict(invocation["input_arguments"]),
            cache_name=invocation["cache_name"],
        )
    )


def _lines(invocation: Invocation, surroundings: Surroundings) -> str | bytes:
    if invocation["lp"] is not None:
        return str(invocation["lp"])
    if invocation["file"] is None:
        raise InvalidInputError("either --lp or --file must be provided")
    return surroundings.read_file(invocation["file"])


def _json(answer: dict[str, object]) -> CommandOutput:
    return CommandOutput(json.dumps(answer, indent=2, ensure_ascii=False))
