"""What would a deployment do: what is new on the server, what is changed, what is the same?

Decided from what is here and what the server tells; making a plan changes nothing.
A trigger or a cache that is changed is deleted and created: InfluxDB 3 has no request that changes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from procengine.deploy import command_lines
from procengine.deploy.bundle import Bundle
from procengine.deploy.placement import AUTO, misplaced, placed, placement_notes
from procengine.deploy.plugin_files import REQUEST_BYTES
from procengine.deploy.records import Record, Unseen
from procengine.deploy.server_state import ServerState, cache_place, read_state
from procengine.deploy.server_version import manifest_problems, version_problems
from procengine.errors import InvalidInputError
from procengine.model.cache_definition import CacheDefinition, LastCacheDefinition
from procengine.model.column import TIME, ColumnType
from procengine.model.trigger import Trigger, TriggerKind
from procengine.model.trigger_spec import parse_trigger_spec
from procengine.processing.plugin_path import INIT
from procengine.remote import RemoteServer

Definition = Trigger | CacheDefinition


class Kind(Enum):
    """What can be deployed, in the order in which it is."""

    DATABASE = "database"
    TABLE = "table"
    PACKAGE = "package"
    FILE = "file"
    LAST_CACHE = "last cache"
    DISTINCT_CACHE = "distinct cache"
    TRIGGER = "trigger"


class Change(Enum):
    """What becomes of it."""

    NEW = "new"
    CHANGED = "changed"
    SWITCHED = "switched"
    """A trigger that is only enabled or disabled."""
    UNKNOWN = "replaced"
    """A file whose text on the server cannot be known, and so not be put back."""
    REMOVED = "removed"
    """A file of a folder that is replaced by one without it."""
    SAME = "the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing and what becomes of it; ``commands`` are the lines of `influxdb3` that would do it."""

    kind: Kind
    name: str
    change: Change
    detail: str = ""
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A deployment that could be made. ``problems`` are why it cannot; ``notes`` are what to know before.

    ``former_files`` are the texts that the server has, as far as they are known.
    """

    url: str
    bundle: Bundle
    before: ServerState
    record: Record
    items: tuple[Item, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    former_files: Mapping[str, str]

    @property
    def is_empty(self) -> bool:
        """Whether all is the same."""
        return all(item.change is Change.SAME for item in self.items)

    def changes(self, *kinds: Kind) -> dict[str, Change]:
        """Return what changes of some kinds, by name."""
        return {
            item.name: item.change
            for item in self.items
            if item.kind in kinds and item.change is not Change.SAME
        }


def make_plan(
    server: RemoteServer, url: str, bundle: Bundle, record: Record, *, node_spec: str | None = None
) -> Plan:
    """Return what deploying a bundle to a server would do.

    ``node_spec`` places all triggers and caches elsewhere than here; ``auto`` leaves that to the server's nodes.

    Raises:
        RefusedByServerError, UnreachableServerError: what is there cannot be seen.
    """
    before = read_state(server, bundle)
    if node_spec == AUTO:
        bundle = placed(bundle, before.nodes)
    elif node_spec is not None:
        bundle = bundle.on_nodes(node_spec)
    former = {
        name: sent.text
        for name, sent in record.files.items()
        if _is_as_sent(before, name, record, bundle)
    }
    items = (
        *_databases(bundle, before),
        *_tables(bundle, before),
        *_packages(bundle, record),
        *_files(bundle, before, former),
        *_caches(bundle, before, record),
        *_triggers(bundle, before, record),
    )
    return Plan(
        url=url,
        bundle=bundle,
        before=before,
        record=record,
        items=items,
        problems=(
            *_problems(bundle, before),
            *manifest_problems(bundle.manifest, before.product, before.version),
            *version_problems(server, before.product, before.version, _routes(items, bundle)),
        ),
        notes=tuple(_notes(bundle, before, items)),
        former_files=former,
    )


def trigger_key(trigger: Trigger) -> str:
    """Return a trigger's name in plans and records."""
    return f"{trigger.database}/{trigger.name}"


def cache_key(cache: CacheDefinition) -> str:
    """Return a cache's name in plans and records."""
    return f"{cache.database}/{cache.table}/{cache.name}"


def unseen_key(one: Trigger | CacheDefinition) -> str:
    """Return the key of what the server does not tell of a trigger or cache."""
    return f"trigger {trigger_key(one)}" if isinstance(one, Trigger) else f"cache {cache_key(one)}"


def _is_as_sent(before: ServerState, name: str, record: Record, bundle: Bundle) -> bool:
    """Tell whether a file on the server is still the one that was sent: by its size and time.

    Of what the server does not tell, its folder's ``__init__.py`` decides: folders are replaced whole.
    """
    sent = record.files[name]
    if sent.modified_ms is None:
        init = f"{bundle.filename}/{INIT}"
        return name.startswith(f"{bundle.filename}/") and (
            init in record.files and init != name and _is_as_sent(before, init, record, bundle)
        )
    seen = before.files.get(name)
    return seen is not None and (seen.size_bytes, seen.modified_ms) == (
        sent.size_bytes,
        sent.modified_ms,
    )


def _databases(bundle: Bundle, before: ServerState) -> Iterator[Item]:
    for name in bundle.databases:
        if name in before.databases:
            yield Item(kind=Kind.DATABASE, name=name, change=Change.SAME)
        else:
            lines = (command_lines.create_database(name),)
            yield Item(kind=Kind.DATABASE, name=name, change=Change.NEW, commands=lines)


def _tables(bundle: Bundle, before: ServerState) -> Iterator[Item]:
    for place, schema in bundle.tables.items():
        name = "/".join(place)
        if place in before.columns:
            yield Item(kind=Kind.TABLE, name=name, change=Change.SAME)
        else:
            lines = (command_lines.create_table(*place, schema),)
            detail = ", ".join(column.name for column in schema.columns)
            yield Item(kind=Kind.TABLE, name=name, change=Change.NEW, detail=detail, commands=lines)


def _packages(bundle: Bundle, record: Record) -> Iterator[Item]:
    for name in bundle.packages:
        if name in record.packages:
            yield Item(kind=Kind.PACKAGE, name=name, change=Change.SAME, detail="asked for before")
        else:
            lines = (command_lines.install_packages((name,)),)
            yield Item(kind=Kind.PACKAGE, name=name, change=Change.NEW, commands=lines)


def _files(bundle: Bundle, before: ServerState, former: Mapping[str, str]) -> Iterator[Item]:
    user = next((one for one in bundle.triggers if _uses(before, one, bundle)), None)
    for name, text in bundle.files.items():
        size = f"{len(text.encode()):,} bytes"
        # The line that creates a trigger sends the file of a plugin that no trigger uses yet.
        lines = () if user is None else (command_lines.update_plugin(user, bundle.filename),)
        if name in former:
            change = Change.SAME if former[name] == text else Change.CHANGED
            lines = () if change is Change.SAME else lines
            yield Item(kind=Kind.FILE, name=name, change=change, detail=size, commands=lines)
        elif name in before.files or (before.has_plugin and name in _found_by(bundle)):
            detail = f"{size}; the text there cannot be read, and not be put back"
            yield Item(kind=Kind.FILE, name=name, change=Change.UNKNOWN, detail=detail, commands=lines)
        else:
            yield Item(kind=Kind.FILE, name=name, change=Change.NEW, detail=size, commands=lines)
    if bundle.is_directory and user is not None:
        yield from _removed(bundle, before, former)


def _removed(bundle: Bundle, before: ServerState, former: Mapping[str, str]) -> Iterator[Item]:
    """Yield the files of a folder there that it will not have, where that shows."""
    inside = (name for name in (*before.files, *former) if name.startswith(f"{bundle.filename}/"))
    for name in sorted({*inside} - {*bundle.files}):
        detail = "" if name in former else "the text there cannot be read, and not be put back"
        yield Item(kind=Kind.FILE, name=name, change=Change.REMOVED, detail=detail)


def _routes(items: tuple[Item, ...], bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield the requests that a deployment needs beside those that were made for its plan."""
    for item in items:
        if item.change is not Change.SAME:
            yield "POST", _ROUTES[item.kind]
    if any(parse_trigger_spec(one.spec).kind is TriggerKind.SCHEDULE for one in bundle.triggers):
        yield "POST", "/api/v3/plugin_test/schedule"


_ROUTES = {
    Kind.DATABASE: "/api/v3/configure/database",
    Kind.TABLE: "/api/v3/configure/table",
    Kind.PACKAGE: "/api/v3/configure/plugin_environment/install_packages",
    Kind.FILE: "/api/v3/plugins/files",
    Kind.LAST_CACHE: "/api/v3/configure/last_cache",
    Kind.DISTINCT_CACHE: "/api/v3/configure/distinct_cache",
    Kind.TRIGGER: "/api/v3/configure/processing_engine_trigger",
}


def _uses(before: ServerState, trigger: Trigger, bundle: Bundle) -> bool:
    seen = before.triggers.get((trigger.database, trigger.name))
    return seen is not None and seen.plugin_filename.rstrip("/") == bundle.filename


def _found_by(bundle: Bundle) -> tuple[str, ...]:
    """Return the files that are there when the server finds the plugin."""
    return (f"{bundle.filename}/{INIT}",) if bundle.is_directory else (bundle.filename,)


def _caches(bundle: Bundle, before: ServerState, record: Record) -> Iterator[Item]:
    for cache in bundle.caches:
        kind = Kind.LAST_CACHE if isinstance(cache, LastCacheDefinition) else Kind.DISTINCT_CACHE
        name, seen = cache_key(cache), before.caches.get(cache_place(cache))
        create = command_lines.create_cache(cache)
        if seen is None:
            yield Item(kind=kind, name=name, change=Change.NEW, commands=(create,))
        elif known(seen, record) == comparable(cache):
            yield Item(kind=kind, name=name, change=Change.SAME)
        else:
            lines = (command_lines.delete_cache(cache), create)
            detail = "deleted and created; it begins anew"
            yield Item(kind=kind, name=name, change=Change.CHANGED, detail=detail, commands=lines)


def _triggers(bundle: Bundle, before: ServerState, record: Record) -> Iterator[Item]:
    is_new = not (before.has_plugin or bundle.is_fetched_there)
    for trigger in bundle.triggers:
        name, seen = trigger_key(trigger), before.triggers.get((trigger.database, trigger.name))
        create = command_lines.create_trigger(trigger, upload=is_new)
        if seen is None:
            item = Item(
                kind=Kind.TRIGGER, name=name, change=Change.NEW, detail=trigger.spec, commands=(create,)
            )
        else:
            item = _changed_trigger(trigger, seen, record, create)
        yield item
        is_new = is_new and item.change is Change.SAME


def _changed_trigger(trigger: Trigger, seen: Trigger, record: Record, create: str) -> Item:
    name, there, here = trigger_key(trigger), known(seen, record), comparable(trigger)
    assert isinstance(there, Trigger)
    assert isinstance(here, Trigger)
    if there == here:
        return Item(kind=Kind.TRIGGER, name=name, change=Change.SAME, detail=trigger.spec)
    if replace(there, disabled=here.disabled) == here:
        lines = (command_lines.switch_trigger(trigger),)
        detail = "disabled" if trigger.disabled else "enabled"
        return Item(kind=Kind.TRIGGER, name=name, change=Change.SWITCHED, detail=detail, commands=lines)
    differing = ", ".join(_differing(there, here))
    return Item(
        kind=Kind.TRIGGER,
        name=name,
        change=Change.CHANGED,
        detail=f"{differing}; deleted and created",
        commands=(command_lines.delete_trigger(trigger), create),
    )


def _differing(there: Trigger, here: Trigger) -> Iterator[str]:
    """Yield what is not the same of two triggers: settings by name, arguments by theirs."""
    for label, name in (
        ("plugin", "plugin_filename"),
        ("specification", "spec"),
        ("run_async", "run_async"),
        ("error behavior", "error_behavior"),
        ("disabled", "disabled"),
        ("node spec", "node_spec"),
    ):
        if getattr(there, name) != getattr(here, name):
            yield label
    old, new = there.arguments or {}, here.arguments or {}
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield f"argument {name}"


def known(seen: Definition, record: Record) -> Definition:
    """Return what a server tells of, with what was sent before where it does not tell, and in comparable form."""
    unseen = record.unseen.get(unseen_key(seen), Unseen())
    if isinstance(seen, Trigger):
        return comparable(replace(seen, run_async=unseen.run_async, node_spec=unseen.node_spec))
    return comparable(replace(seen, node_spec=unseen.node_spec))


def comparable(one: Definition) -> Definition:
    """Return a trigger or cache without what only procengine knows, and in one spelling."""
    if isinstance(one, Trigger):
        return _comparable_trigger(one)
    if isinstance(one, LastCacheDefinition) and one.value_columns is not None:
        one = replace(one, value_columns=tuple(each for each in one.value_columns if each != TIME))
    return replace(one, table_id=0)


def _comparable_trigger(one: Trigger) -> Trigger:
    return Trigger(
        database=one.database,
        name=one.name,
        plugin_filename=one.plugin_filename.rstrip("/"),
        spec=repr(parse_trigger_spec(one.spec).definition),
        arguments=dict(one.arguments) if one.arguments else None,
        run_async=one.run_async,
        error_behavior=one.error_behavior,
        disabled=one.disabled,
        node_spec=one.node_spec,
    )


def _problems(bundle: Bundle, before: ServerState) -> Iterator[str]:
    if before.refusal is not None:
        yield before.refusal
    yield from misplaced(bundle, before.nodes)
    for place, schema in bundle.tables.items():
        there = before.columns.get(place)
        for column in schema.columns if there is not None else ():
            assert there is not None
            if column.name in there and not _is_type(there[column.name], column.type):
                yield (
                    f"table {'/'.join(place)!r}: column {column.name!r} is {there[column.name]} on the server, "
                    f"{column.type.value} here"
                )
    for cache in bundle.caches:
        there = before.columns.get((cache.database, cache.table))
        for name in _cached_columns(cache) if there is not None else ():
            assert there is not None
            if name not in there:
                yield (
                    f"the cache {cache_key(cache)!r} needs column {name!r}, which the table on the server does not "
                    "have; columns come with written rows alone"
                )


def _cached_columns(cache: CacheDefinition) -> tuple[str, ...]:
    if isinstance(cache, LastCacheDefinition):
        return (*cache.key_columns, *(each for each in cache.value_columns or () if each != TIME))
    return cache.columns


_ARROW_NAMES = {
    ColumnType.TAG: "Dictionary",
    ColumnType.STRING: "Utf8",
    ColumnType.INTEGER: "Int64",
    ColumnType.UINTEGER: "UInt64",
    ColumnType.FLOAT: "Float64",
    ColumnType.BOOLEAN: "Boolean",
}


def _is_type(arrow_name: str, kind: ColumnType) -> bool:
    return arrow_name.startswith(_ARROW_NAMES[kind])


def _notes(bundle: Bundle, before: ServerState, items: tuple[Item, ...]) -> Iterator[str]:
    yield from bundle.remarks
    yield from placement_notes(bundle, before.nodes)
    yield from _file_notes(bundle)
    changed = {item.kind for item in items if item.change is not Change.SAME}
    if bundle.is_directory and before.has_plugin and Kind.FILE in changed:
        yield "InfluxDB 3 goes on with the folder's former code until it is restarted"
    if Kind.PACKAGE in changed:
        yield "InfluxDB 3 answers that packages are installed although that failed; the dry run shows it"
    others = {one.trigger_name for one in before.files.values()} - {one.name for one in bundle.triggers}
    if others and Kind.FILE in changed:
        yield f"the files are used by other triggers there too: {', '.join(sorted(others))}"
    if not before.product.endswith("Enterprise") and any(
        one.node_spec != "all" for one in (*bundle.triggers, *bundle.caches)
    ):
        yield f"{before.product or 'the server'} has one node, and passes node specs over"
    for trigger in bundle.triggers:
        if parse_trigger_spec(trigger.spec).kind is TriggerKind.REQUEST:
            yield f"{trigger.name!r} answers requests, which InfluxDB 3 has no dry run for"


def _file_notes(bundle: Bundle) -> Iterator[str]:
    """Yield what to know of a bundle's files, whatever becomes of them."""
    if bundle.unsent:
        yield (
            "InfluxDB 3 takes text alone, so what is not cannot be sent: copy it into the server's plugin directory, "
            f"again whenever the folder was replaced: {', '.join(bundle.unsent)}"
        )
    large = [name for name, text in bundle.files.items() if len(text.encode()) > REQUEST_BYTES]
    if large:
        yield (
            f"larger than the {REQUEST_BYTES >> 20} MiB that a server takes in one request, unless its "
            f"max-http-request-size says more: {', '.join(large)}"
        )
    if bundle.manifest is not None and bundle.manifest.dependencies.plugins:
        others = ", ".join(str(one.name) for one in bundle.manifest.dependencies.plugins)
        yield f"it needs other plugins, which are deployed by themselves: {others}"


def check_plan(plan: Plan) -> None:
    """Refuse a plan that cannot be carried out.

    Raises: InvalidInputError.
    """
    if plan.problems:
        raise InvalidInputError(f"cannot deploy to {plan.url}: {'; '.join(plan.problems)}")
