"""What do plugins remember, as an inspector shows it, and how is it changed by hand?"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from procengine.errors import InvalidInputError
from procengine.model.counted import counted
from procengine.model.names import INTERNAL_DATABASE
from procengine.processing.cached_value import CachedValue
from procengine_jupyter.inspectors.actions import Action, Field, Said
from procengine_jupyter.inspectors.contents import Contents, Inspected, instants
from procengine_jupyter.inspectors.typed_value import (
    KEEP,
    NEVER,
    kind_of,
    literal_text,
    typed_time_to_live,
    typed_value,
)
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.phrases import instant
from procengine_jupyter.render.style import card
from procengine_jupyter.render.value_card import value_html

if TYPE_CHECKING:
    from procengine.engine import Engine

MOST_PREVIEWS = 2_000
"""Up to how many keys the values are shown in the table; beyond, a row's own is, when it is chosen."""

EXPIRES, CHANGED = "expires (UTC)", "changed (UTC)"
GLOBAL = "global"

LONGEST_PREVIEW = 32
"""Characters: who changed a value has to be in sight beside it."""

_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 28

MOST_UNPICKLED_BYTES = 100_000
"""A larger value that no run has asked for is not read only to be offered for editing."""

Key = tuple[str, str]
Place = tuple[str | None, int | None]
"""A trigger's database and id; both None for what all triggers share."""


class PluginCacheState(Inspected):
    """The values of all namespaces, or of one: a trigger's (``house/hot_rooms``), or ``global``.

    What is put and deleted here takes the way of a plugin's own changes, to the disk. A run that is going on keeps
    the object it has; if it puts the key afterwards, its value is the one that stays.
    """

    deletes = "delete key"

    def __init__(self, engine: Engine, namespace: str | None = None) -> None:
        self._engine = engine
        self._namespace = namespace
        self._values: dict[Key, CachedValue] = {}
        self._first_expiry_ns: int | None = None
        self._expired_count = 0

    def version(self) -> object:
        """Return what moves when a run that used the cache ends, a trigger is dropped, or something expires."""
        first = self._first_expiry_ns
        if first is not None and self._engine.clock.now_ns() >= first:
            self._first_expiry_ns = None
            self._expired_count += 1
        cache, catalog = self._engine.plugin_cache, self._engine.catalog
        return cache.version, catalog.sequence_number, self._expired_count

    def contents(self) -> Contents:
        """Return one row a key."""
        values = self._found()
        self._values = {(value.namespace, value.key): value for value in values}
        expiries = (value.expires_ns for value in values if value.expires_ns is not None)
        self._first_expiry_ns = min(expiries, default=None)
        return Contents(
            title=f"plugin cache of {self._namespace}" if self._namespace else "plugin cache",
            facts=self._facts(values),
            table=_table(values),
            keys=[*self._values],
            hint="no key; influxdb3_local.cache.put(key, value) makes one",
            until=(EXPIRES,),
            since=(CHANGED,),
            now_ns=self._engine.clock.now_ns,
        )

    def detail(self, key: object) -> Html | None:
        """Return a value, its first parts at least: only for that is a value read that no run has asked for."""
        value = self._values.get(key)  # type: ignore[call-overload]
        if value is None:
            return None
        try:
            shown, tone = value_html(value.value), ""
        except Exception as error:  # noqa: BLE001 - a plugin's own __repr__ and unpickling
            text = f"cannot be shown: {type(error).__name__}: {error}"
            shown, tone = element("pre", text), "warn"
        return card(value.key, shown, details=" · ".join(_about(value)), tone=tone)

    def actions(self, key: object) -> Sequence[Action]:
        """Return what can be done: a key added, the chosen one changed."""
        value = self._values.get(key)  # type: ignore[call-overload]
        add = Action(
            name="add",
            label="add key…",
            act=self._add,
            about="puts a value as a plugin would",
            fields=[
                Field(name="namespace", label="namespace", choices=[*self._places()]),
                Field(name="key", label="key"),
                _value_field("", fresh=False),
                Field(name="time_to_live", label="time to live", value=NEVER, example="1h 30m"),
            ],
        )
        if value is None or _is_of_a_test(value):
            return [add]
        edit = Action(
            name="edit",
            label="edit value…",
            act=partial(self._edit, (value.namespace, value.key)),
            about=f"puts another value in the place of this {value.type_name}",
            fields=[
                _value_field(_editable(value), fresh=True),
                Field(
                    name="ttl", label="time to live", value=KEEP, example=f"{KEEP}, {NEVER} or 1h 30m"
                ),
            ],
        )
        return [edit, add]

    def delete(self, key: object) -> str:
        """Forget a value, durably."""
        value = self._values[key]  # type: ignore[index]
        if _is_of_a_test(value):
            raise InvalidInputError(
                f"{value.namespace} belongs to tests of plugins, and expires by itself"
            )
        found = self._engine.plugin_cache.delete(
            value.key, database=value.database, trigger_id=value.trigger_id
        )
        return f"deleted {value.key}" if found else f"{value.key} was gone already"

    def _found(self) -> list[CachedValue]:
        return [
            value
            for value in self._engine.plugin_cache.values()
            if self._namespace in (None, value.namespace)
        ]

    def _places(self) -> dict[str, Place]:
        """Return where a key can be put, by namespace."""
        places: dict[str, Place] = {GLOBAL: (None, None)}
        for database in self._engine.catalog.databases:
            if database.name != INTERNAL_DATABASE:
                for trigger in database.triggers.values():
                    places[f"{database.name}/{trigger.name}"] = (database.name, trigger.trigger_id)
        if self._namespace is None:
            return places
        return {name: place for name, place in places.items() if name == self._namespace}

    def _add(self, said: Said) -> str:
        namespace, key = said["namespace"], said["key"]
        if not key:
            raise InvalidInputError("there is no key; expected a text")
        place = self._places().get(namespace)
        if place is None:
            raise InvalidInputError(f"there is no namespace {namespace!r} any more")
        if any((one.namespace, one.key) == (namespace, key) for one in self._found()):
            raise InvalidInputError(f"{namespace} has a key {key!r} already; choose it to edit it")
        value, seconds = typed_value(said["new_value"]), typed_time_to_live(said["time_to_live"])
        self._put(place, key, value, seconds, None)
        return f"put {key} into {namespace}: {kind_of(value)}"

    def _edit(self, wanted: Key, said: Said) -> str:
        held = next((one for one in self._found() if (one.namespace, one.key) == wanted), None)
        if held is None:
            raise InvalidInputError(f"the key {wanted[1]!r} is gone; add it anew")
        value = typed_value(said["value"])
        keeps = said["ttl"].strip() == KEEP
        seconds = None if keeps else typed_time_to_live(said["ttl"])
        place = held.database, held.trigger_id
        self._put(place, held.key, value, seconds, held.expires_ns if keeps else None)
        return f"put {held.key}: {kind_of(value)}, was {held.type_name}"

    def _put(
        self, place: Place, key: str, value: Any, seconds: float | None, expires_ns: int | None
    ) -> None:
        try:
            self._engine.plugin_cache.put(
                key,
                value,
                database=place[0],
                trigger_id=place[1],
                ttl_seconds=seconds,
                expires_ns=expires_ns,
            )
        except ValueError as error:  # of the time to live, in the words that a plugin is told
            raise InvalidInputError(f"the time to live: {error}") from None

    def _facts(self, values: list[CachedValue]) -> list[str]:
        facts = [counted(len(values), "key")]
        sizes = [value.size_bytes for value in values if value.size_bytes is not None]
        if sizes:
            facts.append(f"{sum(sizes):,} bytes")
        unsaved = sum(not value.persisted for value in values)
        if unsaved and self._engine.config.object_store != "memory":
            facts.append(f"{unsaved:,} in memory only")
        return facts


def _table(values: list[CachedValue]) -> pa.Table:
    columns: dict[str, pa.Array] = {
        "namespace": pa.array([value.namespace for value in values], pa.string()),
        "key": pa.array([value.key for value in values], pa.string()),
        "type": pa.array([value.type_name for value in values], pa.string()),
    }
    if len(values) <= MOST_PREVIEWS:
        columns["value"] = pa.array([_brief(value) for value in values], pa.string())
    columns |= {
        EXPIRES: instants(pa.array([value.expires_ns for value in values], pa.int64())),
        CHANGED: instants(pa.array([value.changed_ns for value in values], pa.int64())),
        "by": pa.array([_changed_by(value) for value in values], pa.string()),
        "bytes": pa.array([value.size_bytes for value in values], pa.int64()),
        "saved": pa.array(["yes" if value.persisted else "no" for value in values], pa.string()),
    }
    return pa.table(columns)


def _brief(value: CachedValue) -> str:
    """Return the beginning of a value; one that no run has asked for is left as it lies."""
    if not value.is_live:
        return "(not read since the start)"
    try:
        text = _BRIEF.repr(value.value)
    except Exception as error:  # noqa: BLE001 - a plugin's own __repr__
        return f"({type(error).__name__} when shown)"
    return text if len(text) <= LONGEST_PREVIEW else f"{text[:LONGEST_PREVIEW]}…"


def _changed_by(value: CachedValue) -> str:
    if value.changed_ns is None:
        return "a run under way"
    return "hand" if value.run_id is None else f"run {value.run_id}"


def _about(value: CachedValue) -> list[str]:
    facts = [value.namespace, value.type_name]
    if value.size_bytes is not None:
        facts.append(f"{value.size_bytes:,} bytes")
    if value.changed_ns is not None:
        facts.append(f"changed by {_changed_by(value)} at {instant(value.changed_ns)}")
    facts.append("never expires" if value.expires_ns is None else f"expires {instant(value.expires_ns)}")
    return facts


def _is_of_a_test(value: CachedValue) -> bool:
    return value.trigger_id is None and value.namespace != GLOBAL


def _value_field(text: str, *, fresh: bool) -> Field:
    return Field(
        fresh=fresh,
        name="value" if fresh else "new_value",
        label="value",
        value=text,
        example="a Python literal or JSON: {'rooms': [1, 2]}",
        lines=6,
    )


def _editable(value: CachedValue) -> str:
    """Return a value as a form shows it; empty where no literal stands for it."""
    if not value.is_live and (value.size_bytes or 0) > MOST_UNPICKLED_BYTES:
        return ""
    try:
        return literal_text(value.value) or ""
    except Exception:  # noqa: BLE001 - a plugin's own unpickling; the detail says what is wrong
        return ""
