"""How is an event made up, and a trigger fired with it?"""

from __future__ import annotations

import datetime
import re
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from procengine.model.precision import Precision
from procengine.model.run import Cause, CauseKind, Run
from procengine.model.trigger import Trigger, TriggerKind
from procengine.model.trigger_spec import parse_trigger_spec
from procengine.write.synthetic_rows import synthetic_rows

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine.processing.event import Event
    from procengine.processing.instrument import Instrument
    from procengine_jupyter.render.run_profile import RunProfile

NOTE_SECONDS = 1.0
"""How long a fired event waits for its trigger before a line says so."""

_VARIABLE = re.compile(r"\$\{?([^\W\d]\w*)\}?|\{([^\W\d]\w*)\}")

_FOR_KIND = {
    TriggerKind.WRITE: ("rows: %%fire NAME with line protocol below, or --lp", {"lp"}),
    TriggerKind.SCHEDULE: ("a time: --at", {"at"}),
    TriggerKind.REQUEST: (
        "a request: --method, --header, --param, --body",
        {"method", "header", "param", "body"},
    ),
}


def find_trigger(engine: Engine, name: str, database: str | None) -> Trigger:
    """Return the trigger with a name.

    Raises: UsageError when there is none or the name is not enough, saying which there are.
    """
    triggers = engine.triggers.list()
    found = [t for t in triggers if t.name == name and database in {None, t.database}]
    if len(found) == 1:
        return found[0]
    if found:
        where = ", ".join(trigger.database for trigger in found)
        raise UsageError(f"trigger {name!r} exists in several databases; say --database, one of {where}")
    known = ", ".join(sorted({trigger.name for trigger in triggers})) or "none; %%plugin makes one"
    place = f" in database {database!r}" if database is not None else ""
    raise UsageError(f"no trigger {name!r}{place}; there are: {known}")


def with_variables(said: Namespace, names: Mapping[str, object]) -> Namespace:
    """Return what was said with ``--lp`` and ``--body`` of the form ``$NAME`` or ``{NAME}`` replaced by variables.

    Raises: UsageError: there is no such variable, or it is not text.
    """
    found = {
        option: _variable(option, text, names)
        for option in ("lp", "body")
        if (text := getattr(said, option)) is not None
    }
    return Namespace(**(vars(said) | found))


def _variable(option: str, text: str, names: Mapping[str, object]) -> str:
    """Return a text, or the value of the notebook's variable that it stands for as a whole."""
    match = _VARIABLE.fullmatch(text.strip())
    if match is None:
        return text
    name = match[1] or match[2]
    if name not in names:
        raise UsageError(f"--{option} {text!r} stands for a variable, and there is none called {name}")
    value = names[name]
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if not isinstance(value, str):
        raise UsageError(f"--{option} takes text: {name} is of type {type(value).__name__}")
    return value


def make_event(engine: Engine, trigger: Trigger, said: Namespace, body: str | None) -> Event:
    """Return the event that was said, of the trigger's kind.

    Raises: UsageError for what does not belong to the kind; ProcengineError for rows that cannot be read.
    """
    from procengine.processing.event import RequestEvent, ScheduleEvent, WriteEvent

    kind = parse_trigger_spec(trigger.spec).kind
    _refuse_foreign(kind, trigger, said, body)
    cause = Cause(kind=CauseKind.FIRE)
    if kind is TriggerKind.WRITE:
        lines = body if body is not None else said.lp
        if lines is None or not lines.strip():
            raise UsageError(f"{trigger.name!r} takes {_FOR_KIND[kind][0]}")
        rows = synthetic_rows(
            lines,
            catalog=engine.catalog,
            database=trigger.database,
            precision=Precision.parse(said.precision),
            default_time_ns=engine.clock.now_ns(),
        )
        return WriteEvent(rows=rows, cause=cause)
    if kind is TriggerKind.SCHEDULE:
        instant_ns = parse_instant(said.at or "now", now_ns=engine.clock.now_ns())
        return ScheduleEvent(
            instant_ns=instant_ns, cause=Cause(kind=CauseKind.FIRE, instant_ns=instant_ns)
        )
    text = body if body is not None else said.body
    method = said.method or ("GET" if text is None else "POST")
    return RequestEvent(
        method=method,
        query_params=dict(said.param),
        headers=dict(said.header),
        body=(text or "").encode(),
        cause=cause,
    )


def _refuse_foreign(kind: TriggerKind, trigger: Trigger, said: Namespace, body: str | None) -> None:
    accepted, own = _FOR_KIND[kind]
    foreign = [
        f"--{name}"
        for _, names in _FOR_KIND.values()
        for name in sorted(names - own)
        if getattr(said, name) not in (None, [])
    ]
    if body is not None and kind is TriggerKind.SCHEDULE:
        foreign.append("a body")
    if foreign:
        raise UsageError(
            f"{', '.join(foreign)} is not for {trigger.name!r}, a {kind.value} trigger ({trigger.spec}); "
            f"it takes {accepted}"
        )


def parse_instant(text: str, *, now_ns: int, option: str = "--at") -> int:
    """Return an instant, nanoseconds UTC: ``now``, a number of nanoseconds, or ISO 8601, UTC without a zone.

    Raises: UsageError, saying what is accepted.
    """
    if text == "now":
        return now_ns
    if text.removeprefix("-").isascii() and text.removeprefix("-").isdigit():
        return int(text)
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{option} cannot be {text!r}: expected now, a time such as 2022-12-31T00:00:00Z, or nanoseconds"
        ) from error
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)
    since_epoch = aware - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return since_epoch // datetime.timedelta(microseconds=1) * 1_000


def instrument_of(engine: Engine, trigger: Trigger, said: Namespace) -> Instrument | None:
    """Return the debugger or the profiler that was asked for, if any.

    Raises: UsageError for both, or one of several runs; ProcengineError for a plugin that cannot be read.
    """
    if said.debug and said.profile:
        raise UsageError("a run is debugged or profiled: say --debug or --profile")
    if not (said.debug or said.profile):
        return None
    if said.repeat > 1:
        raise UsageError(f"--{'debug' if said.debug else 'profile'} is for one run; leave --repeat out")
    plugin = engine.plugins.load(trigger.plugin_filename)
    if said.profile:
        from procengine_jupyter.run_profile import Profiler

        return Profiler(plugin.owns)
    from procengine_jupyter.debugged_run import debugger_for

    return debugger_for(plugin)


def profile_of(instrument: Instrument | None) -> RunProfile | None:
    """Return what a profiler measured; None where there was none."""
    if instrument is None:
        return None
    from procengine_jupyter.run_profile import Profiler

    return instrument.profile() if isinstance(instrument, Profiler) else None


def step_on(instrument: Instrument | None) -> None:
    """Let a step of the front end's debugger that left the plugin end in the cell. Last of all."""
    from procengine_jupyter.debugged_run import VisualDebugger

    if isinstance(instrument, VisualDebugger):
        instrument.step_on()


def fire(
    engine: Engine,
    trigger: Trigger,
    event: Event,
    *,
    dry_run: bool,
    repeat: int,
    instrument: Instrument | None = None,
) -> tuple[Run, ...]:
    """Fire a trigger some times with one event, one after the other; return the runs.

    A synchronous trigger ends the run that it is in first: after a second a line says that this is waited for.
    An interrupt ends the repetition.

    Raises: UsageError when an interrupt came before any run began.
    """
    runs: list[Run] = []
    with _waiting_note(engine, trigger):
        try:
            for _ in range(repeat):
                runs.append(
                    engine.triggers.fire(
                        trigger.name,
                        event,
                        database=trigger.database,
                        dry_run=dry_run,
                        instrument=instrument,
                    )
                )
        except KeyboardInterrupt:
            if not runs:
                raise UsageError(
                    f"interrupted while waiting for the run in flight of trigger {trigger.name}; "
                    "nothing was fired"
                ) from None
    return tuple(runs)


@contextmanager
def _waiting_note(engine: Engine, trigger: Trigger) -> Iterator[None]:
    """Write a line when the run that a trigger is in still goes on `NOTE_SECONDS` after the block began."""
    before = _ended(engine, trigger)
    busy = engine.triggers.statistics(trigger.database, trigger.name).in_flight
    if trigger.run_async or not busy:
        yield
        return

    def say() -> None:
        if _ended(engine, trigger) == before:
            text = f"waiting for the run in flight of trigger {trigger.name}; interrupt to give up\n"
            sys.stderr.write(text)
            sys.stderr.flush()

    note = threading.Timer(NOTE_SECONDS, say)
    note.name, note.daemon = "procengine-note", True
    note.start()
    try:
        yield
    finally:
        note.cancel()
        note.join()


def _ended(engine: Engine, trigger: Trigger) -> int | None:
    """Return the number of the last run of a trigger that ended."""
    runs = engine.triggers.runs.of_trigger(trigger.database, trigger.name)
    return runs[-1].run_id if runs else None
