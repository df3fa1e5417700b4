"""What does an inspector see of one value of the plugin cache?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from procengine.clock import NANOSECONDS_PER_SECOND
from procengine.processing.cache_commits import type_name
from procengine.processing.cache_namespace import Entry, Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedValue:
    """One value of the plugin cache. Making it neither pickles nor unpickles anything.

    ``namespace`` is the trigger's name with its database (``house/hot_rooms``), ``global``, or that of dry runs.
    ``database`` and ``trigger_id`` name a trigger's namespace, and are None for the others. ``size_bytes`` is the
    size of the pickle at the last commit, None for a value that has none. ``seconds_left`` and ``expires_ns`` are
    None when the value never expires. ``persisted`` says that the file holds the value as the last run that touched
    it left it. ``run_id`` is the run that changed it last, and ``changed_ns`` when: None for a change by hand, or one
    of a run still going on.
    """

    namespace: str
    database: str | None
    trigger_id: int | None
    key: str
    type_name: str
    size_bytes: int | None
    seconds_left: float | None
    expires_ns: int | None
    persisted: bool
    run_id: int | None
    changed_ns: int | None
    _entry: Entry = field(repr=False, compare=False)
    _load: Callable[[Entry], Any] = field(repr=False, compare=False)

    @property
    def is_live(self) -> bool:
        """Whether the value is there as an object, so that to look at it costs nothing."""
        return self._entry.stored is None

    @property
    def value(self) -> Any:
        """The value itself; one that no plugin has asked for since the start is unpickled, each time anew.

        Raises:
            Exception: it cannot be unpickled; see `PluginCache.load`.
        """
        return self._load(self._entry)


def cached_values(
    namespace: Namespace, name: str, now_ns: int, load: Callable[[Entry], Any]
) -> Iterator[CachedValue]:
    """Yield what a namespace holds and has not expired, in the order in which keys were put."""
    place = namespace.place
    of_trigger = place is not None and bool(place.trigger_id or place.database)
    database, trigger_id = (place.database, place.trigger_id) if place and of_trigger else (None, None)
    for key, entry in tuple(namespace.entries.items()):
        expires_ns, saved = entry.expires_ns, entry.saved
        if expires_ns is not None and expires_ns <= now_ns:
            continue
        yield CachedValue(
            namespace=name,
            database=database,
            trigger_id=trigger_id,
            key=key,
            type_name=type_name(entry.value) if saved is None or saved.gone else saved.type_name,
            size_bytes=None if saved is None else saved.size_bytes,
            seconds_left=None if expires_ns is None else (expires_ns - now_ns) / NANOSECONDS_PER_SECOND,
            expires_ns=expires_ns,
            persisted=saved is not None and saved.is_stored and saved.is_settled,
            run_id=None if saved is None else saved.run_id,
            changed_ns=None if saved is None else saved.changed_ns,
            _entry=entry,
            _load=load,
        )
