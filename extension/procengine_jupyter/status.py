"""What is the state of the notebook's engine, as its card shows it?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import procengine
from procengine.clock import NANOSECONDS_PER_SECOND
from procengine.config import OPTIONS, LoadedConfig, Option, Origin
from procengine.http import server_of
from procengine.model.duration import format_duration
from procengine.model.names import INTERNAL_DATABASE
from procengine.model.trigger import ErrorBehavior
from procengine.model.trigger_spec import TableSpec, parse_trigger_spec
from procengine.option_values import (
    read_gen1_duration,
    read_interval,
    read_limit_seconds,
    read_seconds,
    read_size_bytes,
)
from procengine_jupyter.render.options_card import OptionLine, OptionsCard
from procengine_jupyter.render.phrases import enabling
from procengine_jupyter.render.status_card import StatusCard
from procengine_jupyter.render.trigger_list import TriggerLine, TriggerList
from procengine_jupyter.shown_path import shown_path

if TYPE_CHECKING:
    from procengine.attach.attachment import Attachment
    from procengine.attach.former_attachments import FormerAttachment
    from procengine.engine import Engine
    from procengine.model.trigger import Trigger
    from procengine.processing.trigger_statistics import TriggerStatistics
    from procengine_jupyter.session import Session

LOCKED_OUT = (
    ("%procengine stop", "end the other engine, in its notebook"),
    ("%procengine start", "then start this one, here"),
    ("%procengine start --data-dir FOLDER", "or start an engine on data of its own"),
    (
        "%influxdb3 query --host http://127.0.0.1:8181 --token TOKEN ...",
        "or reach the other engine over its API",
    ),
)
NO_DATABASE = (
    ("%%write DB", "store line protocol from a cell"),
    ("%%plugin NAME --trigger table:TABLE --database DB", "write a plugin in a cell"),
    ("%procengine?", "help; each magic has its own"),
)
NO_TRIGGER = (
    ("%%query DB", "SQL over what is stored"),
    ("%%plugin NAME --trigger table:TABLE --database DB", "write a plugin in a cell"),
)
WITH_TRIGGERS = (
    ("%fire NAME --dry-run", "try a trigger without storing anything"),
    ("%inspect", "all triggers and their runs, live"),
)


def status_card(session: Session) -> StatusCard:
    """Return the card of a session's engine."""
    if not session.is_running:
        return StatusCard(
            is_running=False,
            version=procengine.__version__,
            reason=session.down_because,
            suggestions=LOCKED_OUT
            if session.is_locked_out
            else (("%procengine start", "start the engine"),),
        )
    return engine_card(session.engine, unserved_because=session.unserved_because)


def engine_card(engine: Engine, *, unserved_because: str = "") -> StatusCard:
    """Return the card of a running engine; ``unserved_because`` says why it has no API."""
    from procengine.processing.trigger_statistics import TriggerState

    config = engine.config
    databases = [each for each in engine.catalog.databases if each.name != INTERNAL_DATABASE]
    statistics = engine.triggers.statistics() if config.plugins_enabled else ()
    versions = engine.plugin_versions.statistics() if config.plugins_enabled else None
    suggestions = WITH_TRIGGERS if statistics else NO_TRIGGER if databases else NO_DATABASE
    return StatusCard(
        is_running=True,
        version=procengine.__version__,
        plugin_dir=shown_path(config.plugin_dir) if config.plugin_dir is not None else None,
        data_dir=shown_path(config.data_dir) if config.data_dir is not None else None,
        object_store=config.object_store,
        api=_api(engine) or unserved_because or "off (http_bind)",
        databases=len(databases),
        tables=sum(len(database.tables) for database in databases),
        triggers=len(statistics),
        plugin_versions=versions.versions if versions is not None else 0,
        plugin_version_bytes=versions.file_bytes if versions is not None else 0,
        disabled_triggers=sum(one.trigger.disabled for one in statistics),
        paused_triggers=tuple(
            f"{one.trigger.name}: {one.reason}; to go on: {enabling(one.trigger.database, one.trigger.name)}"
            for one in statistics
            if one.state is TriggerState.PAUSED
        ),
        failing_triggers=tuple(one.trigger.name for one in statistics if one.failing),
        mended=tuple(
            f"{shown_path(Path(cut.path))}: {cut.cut_bytes} bytes of an unfinished or damaged record were cut off at "
            f"offset {cut.offset}; they are kept in {shown_path(Path(cut.kept))}"
            for cut in (engine.recovery.cuts if engine.recovery is not None else ())
        ),
        missing=engine.recovery.losses if engine.recovery is not None else (),
        attached=tuple(map(_attached, engine.attachments.all())),
        detached=tuple(map(_detached, engine.attachments.former())),
        suggestions=suggestions,
    )


def _attached(one: Attachment) -> str:
    """Return one line on an attached database."""
    writes = "writes stay here" if one.read_only else "writes go there, too"
    said = [f"{one.name}: database {one.database} of {one.url}", writes]
    for tail in one.tails:
        state = tail.state
        how = "paused" if state.paused else "fails" if state.failure is not None else "followed"
        said.append(f"{tail.table} {how}")
    return ", ".join(said)


def _detached(one: FormerAttachment) -> str:
    """Return one line on a database that was attached before the kernel began anew."""
    there = f"database {one.database} of {one.url}"
    name = "" if one.name == one.database else f" --name {one.name}"
    return (
        f"{one.name}: was {there}, and is the local database of that name now; "
        f"%procengine attach {one.url} --database {one.database}{name}"
    )


def _api(engine: Engine) -> str:
    """Return where the API is and how its token is had; never the token, which a saved notebook would keep."""
    server = server_of(engine)
    if server is None or server.url is None:
        return ""
    access = "%procengine token gives a token" if server.requires_token else "open, without tokens"
    return f"{server.url} ({access})"


def trigger_list(engine: Engine) -> TriggerList:
    """Return the list of an engine's triggers."""
    return TriggerList(
        tuple(
            TriggerLine(
                trigger=one.trigger,
                state=one.state.value,
                reason=one.reason or disabled_because(one),
                runs=one.runs,
                errors=one.errors,
                last_run_ns=one.last_run_ns,
                last_outcome=one.last_outcome,
                p50_ns=one.p50_ns,
                in_flight=one.in_flight,
                queue_depth=one.queue_depth,
                warning=one.warning or "",
                lag_rows=one.lag.rows,
                lag_seconds=one.lag.seconds,
                next_fire_ns=one.next_fire_ns,
                missing_table=missing_table(engine, one.trigger) or "",
            )
            for one in engine.triggers.statistics()
        )
    )


def disabled_because(one: TriggerStatistics) -> str:
    """Return which error disabled a trigger, by its error behavior; empty where none did."""
    disables = one.trigger.error_behavior is ErrorBehavior.DISABLE
    if not (one.trigger.disabled and disables and one.failing and one.last_failure is not None):
        return ""
    return f"after {one.last_failure.message.partition(chr(10))[0]}"


def missing_table(engine: Engine, trigger: Trigger) -> str | None:
    """Return the table that a trigger watches and that does not exist, or None.

    One that is followed on a server is there: its rows come from there.
    """
    if not trigger.spec.lstrip().startswith("table:"):  # spares reading a cron expression
        return None
    spec = parse_trigger_spec(trigger.spec)
    database = engine.catalog.find_database(trigger.database)
    if not isinstance(spec, TableSpec) or database is None or spec.table in database.tables:
        return None
    attached = engine.attachments.find(trigger.database)
    if attached is not None and any(one.table == spec.table for one in attached.tails):
        return None
    return spec.table


def options_card(session: Session) -> OptionsCard:
    """Return the options of a session's engine, with where each came from."""
    loaded = session.engine.loaded_config
    lines = []
    for name, option in OPTIONS.items():
        value = getattr(loaded.config, name)
        lines.append(
            OptionLine(
                name=name,
                value=shown_value(option, value),
                origin=_origin(session, loaded, name),
                about=option.help,
            )
        )
    return OptionsCard(tuple(lines))


def _origin(session: Session, loaded: LoadedConfig, name: str) -> str | None:
    """Return where an option's value came from, with the variable or file that gave it; None for its default."""
    if name in session.defaulted:
        return "notebook"
    origin = loaded.origins[name]
    if origin is Origin.DEFAULT:
        return None
    place = loaded.places.get(name, "")
    return origin.value if place in {"", name} else f"{origin.value} ({place})"


def shown_value(option: Option, value: object) -> str:
    """Return an option's value with its unit, as it may be given; a secret's is not shown."""
    match value:
        case None:
            return "unset"
        case _ if option.is_secret:
            return "set, and not shown"
        case bool():
            return "on" if value else "off"
        case tuple():
            return ", ".join(map(str, value)) or "unset"
        case Path():
            return shown_path(value)
        case float() | int() if option.parse in _SPANS:
            return format_duration(round(value * NANOSECONDS_PER_SECOND)).replace(" ", "")
        case int() if option.parse is read_size_bytes:
            return _binary_size(value)
    return str(value)


_SPANS = (read_seconds, read_interval, read_limit_seconds, read_gen1_duration)


def _binary_size(size_bytes: int) -> str:
    """Return a size by the largest unit of which it is a whole number."""
    units = ((30, "GiB"), (20, "MiB"), (10, "KiB"))
    found = next(
        ((power, unit) for power, unit in units if size_bytes and size_bytes % (1 << power) == 0), None
    )
    return str(size_bytes) if found is None else f"{size_bytes >> found[0]}{found[1]}"
