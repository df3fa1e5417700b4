"""What do plugins remember, as an inspector shows it?"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING

import pyarrow as pa

from procengine.model.counted import counted
from procengine.processing.cached_value import CachedValue
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.phrases import instant
from procengine_jupyter.render.style import card

if TYPE_CHECKING:
    from procengine.engine import Engine

MOST_PREVIEWS = 2_000
"""Up to how many keys the values are shown in the table; beyond, a row's own is, when it is chosen."""

LONGEST_VALUE = 100_000

_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 40

Key = tuple[str, str]


class PluginCacheState(Inspected):
    """The values of all namespaces, or of one: a trigger's (``house/hot_rooms``), or ``global``."""

    deletes = "delete key"

    def __init__(self, engine: Engine, namespace: str | None = None) -> None:
        self._engine = engine
        self._namespace = namespace
        self._values: dict[Key, CachedValue] = {}
        self._changed_by_hand = 0
        self._expires = False

    def version(self) -> object:
        """Return what moves when a run ends, a trigger is dropped, or a second passes for what expires."""
        second = self._engine.clock.now_ns() // 1_000_000_000 if self._expires else 0
        newest = max((run.run_id for run in self._engine.triggers.runs), default=0)
        return newest, self._engine.catalog.sequence_number, self._changed_by_hand, second

    def contents(self) -> Contents:
        """Return one row a key."""
        values = [
            value
            for value in self._engine.plugin_cache.values()
            if self._namespace in (None, value.namespace)
        ]
        self._values = {(value.namespace, value.key): value for value in values}
        self._expires = any(value.seconds_left is not None for value in values)
        return Contents(
            title=f"plugin cache of {self._namespace}" if self._namespace else "plugin cache",
            facts=self._facts(values),
            table=_table(values),
            keys=[*self._values],
            hint="no key; influxdb3_local.cache.put(key, value) makes one",
        )

    def detail(self, key: object) -> Html | None:
        """Return a value, whole or nearly: only for that is a value read that no run has asked for."""
        value = self._values.get(key)  # type: ignore[call-overload]
        if value is None:
            return None
        try:
            text, tone = repr(value.value), ""
        except Exception as error:  # noqa: BLE001 - a plugin's own __repr__ and unpickling
            text, tone = f"cannot be shown: {type(error).__name__}: {error}", "warn"
        shown = element("pre", text[:LONGEST_VALUE])
        return card(value.key, shown, details=f"{value.namespace} · {value.type_name}", tone=tone)

    def delete(self, key: object) -> str:
        """Forget a value, durably."""
        value = self._values[key]  # type: ignore[index]
        self._changed_by_hand += 1
        found = self._engine.plugin_cache.delete(
            value.key, database=value.database, trigger_id=value.trigger_id
        )
        return f"deleted {value.key}" if found else f"{value.key} was gone already"

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
    changed = [
        None if value.changed_ns is None else instant(value.changed_ns).removesuffix(" UTC")
        for value in values
    ]
    columns: dict[str, pa.Array] = {
        "namespace": pa.array([value.namespace for value in values], pa.string()),
        "key": pa.array([value.key for value in values], pa.string()),
        "type": pa.array([value.type_name for value in values], pa.string()),
    }
    if len(values) <= MOST_PREVIEWS:
        columns["value"] = pa.array([_brief(value) for value in values], pa.string())
    columns |= {
        "bytes": pa.array([value.size_bytes for value in values], pa.int64()),
        "seconds left": pa.array([_seconds(value.seconds_left) for value in values], pa.int64()),
        "saved": pa.array(["yes" if value.persisted else "no" for value in values], pa.string()),
        "by run": pa.array([value.run_id for value in values], pa.int64()),
        "changed (UTC)": pa.array(changed, pa.string()),
    }
    return pa.table(columns)


def _brief(value: CachedValue) -> str:
    """Return the beginning of a value; one that no run has asked for is left as it lies."""
    if not value.is_live:
        return "(not read since the start)"
    try:
        return _BRIEF.repr(value.value)
    except Exception as error:  # noqa: BLE001 - a plugin's own __repr__
        return f"({type(error).__name__} when shown)"


def _seconds(left: float | None) -> int | None:
    return None if left is None else round(left)
