"""What does a trigger's specification say?

``table:NAME``, ``all_tables``, ``cron:EXPR``, ``every:DURATION`` or ``request:PATH``.

Source: influxdb3_catalog, versions/v3/schema/trigger.rs, TriggerSpecificationDefinition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from procengine.errors import InvalidInputError, TriggerSpecError
from procengine.model.cron import Cron
from procengine.model.duration import MILLISECOND, SECOND, YEAR, parse_duration
from procengine.model.trigger import TriggerKind

_FORMS = (
    "expect one of the following forms: 'table:<TABLE_NAME>', 'all_tables', "
    "'cron:<CRON_EXPRESSION>', 'every:<DURATION>', or 'request:<PATH>'"
)


@dataclass(frozen=True, slots=True)
class TableSpec:
    """Runs for the rows written to one table; the table need not exist yet."""

    kind: ClassVar[TriggerKind] = TriggerKind.WRITE

    table: str

    def __str__(self) -> str:
        return f"table:{self.table}"

    @property
    def definition(self) -> object:
        """The JSON value that ``system.processing_engine_triggers`` shows."""
        return {"single_table_wal_write": {"table_name": self.table}}


@dataclass(frozen=True, slots=True)
class AllTablesSpec:
    """Runs for the rows written to any table of the database."""

    kind: ClassVar[TriggerKind] = TriggerKind.WRITE

    def __str__(self) -> str:
        return "all_tables"

    @property
    def definition(self) -> object:
        """The JSON value that ``system.processing_engine_triggers`` shows."""
        return "all_tables_wal_write"


@dataclass(frozen=True, slots=True)
class CronSpec:
    """Runs when a cron expression matches."""

    kind: ClassVar[TriggerKind] = TriggerKind.SCHEDULE

    cron: Cron

    def __str__(self) -> str:
        return f"cron:{self.cron}"

    @property
    def definition(self) -> object:
        """The JSON value that ``system.processing_engine_triggers`` shows."""
        return {"schedule": {"schedule": self.cron.text}}

    def next_after(self, instant_ns: int) -> int | None:
        """Return the first fire time strictly after an instant, or None when there is none left.

        Both are nanoseconds UTC; fire times are whole seconds.

        Source: influxdb3_processing_engine/src/plugins.rs, ScheduleTriggerRunner.
        """
        return self.cron.next_after(instant_ns)


@dataclass(frozen=True, slots=True)
class EverySpec:
    """Runs at each multiple of a period (nanoseconds) since the Unix epoch.

    ``text`` is the duration as it was written.
    """

    kind: ClassVar[TriggerKind] = TriggerKind.SCHEDULE

    period_ns: int
    text: str

    def __str__(self) -> str:
        return f"every:{self.text}"

    @property
    def definition(self) -> object:
        """The JSON value that ``system.processing_engine_triggers`` shows."""
        seconds, nanoseconds = divmod(self.period_ns, SECOND)
        return {"every": {"duration": {"secs": seconds, "nanos": nanoseconds}}}

    def next_after(self, instant_ns: int) -> int | None:
        """Return the first fire time strictly after an instant (nanoseconds UTC); there always is one.

        Source: influxdb3_processing_engine/src/plugins.rs, ScheduleTriggerRunner::new_every.
        Differs: exact to the nanosecond, where the original drops what is below a millisecond.
        """
        return (instant_ns // self.period_ns + 1) * self.period_ns


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """Runs for requests whose path, after ``/api/v3/engine/``, equals ``path`` exactly."""

    kind: ClassVar[TriggerKind] = TriggerKind.REQUEST

    path: str

    def __str__(self) -> str:
        return f"request:{self.path}"

    @property
    def definition(self) -> object:
        """The JSON value that ``system.processing_engine_triggers`` shows."""
        return {"request_path": {"path": self.path}}


ScheduleSpec = CronSpec | EverySpec
WriteSpec = TableSpec | AllTablesSpec
TriggerSpec = WriteSpec | ScheduleSpec | RequestSpec


def parse_trigger_spec(text: str) -> TriggerSpec:
    """Read a specification; white space around it and after its prefix is dropped.

    Raises: TriggerSpecError, with the original's text; where that gives no reason, ours follows.
    Source: influxdb3_catalog, TriggerSpecificationDefinition::from_string_rep.
    """
    spec = text.strip()
    if spec == "all_tables":
        return AllTablesSpec()
    prefix, _, rest = spec.partition(":")
    prefix += ":"
    while rest.startswith(prefix):  # a repeated prefix counts once, as in the original
        rest = rest.removeprefix(prefix)
    match prefix if ":" in spec else "":
        case "table:":
            return _table_spec(spec, rest.strip())
        case "cron:":
            return _cron_spec(spec, rest.strip())
        case "every:":
            return _every_spec(spec, rest.strip())
        case "request:":
            return _request_spec(spec, rest.strip())
        case _:
            raise _error(spec, _FORMS)


def _table_spec(spec: str, table: str) -> TableSpec:
    if not table:
        raise _error(spec, "table name is empty")
    return TableSpec(table)


def _cron_spec(spec: str, expression: str) -> CronSpec:
    try:
        return CronSpec(Cron.parse(expression))
    except InvalidInputError as error:
        raise _error(spec, str(error)) from error


def _every_spec(spec: str, duration: str) -> EverySpec:
    """Read the period.

    Differs: periods under 1 ms, 0 included, are refused; the original accepts them and then divides by zero.
    """
    try:
        period_ns = parse_duration(duration)
    except InvalidInputError as error:
        raise _error(spec, f"couldn't parse to duration: {error}") from error
    if period_ns > YEAR:
        raise _error(spec, "don't support every schedules of over 1 year")
    if period_ns < MILLISECOND:
        raise _error(spec, "don't support every schedules of under 1 ms")
    return EverySpec(period_ns, duration)


def _request_spec(spec: str, path: str) -> RequestSpec:
    if not path:
        raise _error(spec, "request path is empty")
    return RequestSpec(path)


def _error(spec: str, context: str) -> TriggerSpecError:
    return TriggerSpecError(f"failed to parse trigger from {spec}: {context}")
