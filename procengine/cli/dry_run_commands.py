"""How do commands dry-run a plugin that no trigger runs?

Source: influxdb3_commands/src/test.rs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.errors import InvalidInputError
from procengine.model.run import Cause, CauseKind, Run
from procengine.write.synthetic_rows import synthetic_rows

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine.processing.event import Event


def wal_plugin(engine: Engine, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Dry-run a plugin on rows; return logs, writes and errors as JSON."""
    engine.plugins  # noqa: B018 - refuses while the plugin part is off
    from procengine.processing.dry_run import write_test_answer
    from procengine.processing.event import WriteEvent

    rows = synthetic_rows(
        _lines(invocation, surroundings),
        catalog=engine.catalog,
        database=invocation["database"],
        default_time_ns=engine.clock.now_ns(),
    )
    run = _dry_run(engine, invocation, WriteEvent(rows=rows, cause=Cause(kind=CauseKind.FIRE)))
    return _json(write_test_answer(run))


def schedule_plugin(engine: Engine, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Dry-run a plugin on the next time of a schedule; return time, logs, writes and errors as JSON.

    Raises: DatabaseNotFoundError; see also `dry_run_instant`.
    """
    engine.plugins  # noqa: B018 - refuses while the plugin part is off
    from procengine.processing.dry_run import dry_run_instant, schedule_test_answer
    from procengine.processing.event import ScheduleEvent

    engine.catalog.database(invocation["database"])
    instant_ns = dry_run_instant(invocation["schedule"], engine.clock.now_ns())
    cause = Cause(kind=CauseKind.FIRE, instant_ns=instant_ns)
    run = _dry_run(engine, invocation, ScheduleEvent(instant_ns=instant_ns, cause=cause))
    return _json(schedule_test_answer(run, instant_ns))


def _lines(invocation: Invocation, surroundings: Surroundings) -> str | bytes:
    if invocation["lp"] is not None:
        return str(invocation["lp"])
    if invocation["file"] is None:
        raise InvalidInputError("either --lp or --file must be provided")
    return surroundings.read_file(invocation["file"])


def _dry_run(engine: Engine, invocation: Invocation, event: Event) -> Run:
    from procengine.processing.dry_run import dry_run

    return dry_run(
        engine.plugin_runner,
        engine.plugins,
        database=invocation["database"],
        plugin_filename=invocation["filename"],
        event=event,
        arguments=dict(invocation["input_arguments"]),
        cache_name=invocation["cache_name"],
    )


def _json(answer: dict[str, object]) -> CommandOutput:
    return CommandOutput(json.dumps(answer, indent=2, ensure_ascii=False))
