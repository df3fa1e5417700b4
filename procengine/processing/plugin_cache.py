"""What do plugins remember from run to run, and from one engine to the next?

Live objects by key, in namespaces: one for each trigger, one that all triggers share, and two for each cache name of
a plugin's test. Values are held by reference, and copied for a trigger's dry run alone
(`procengine.processing.cache_copies`); only time-to-live removes one that nobody deletes.

Any thread reads and writes. Reading takes no lock and never touches the disk: a namespace is a dictionary, and one
lookup is atomic. When a run ends, what it changed is committed (`procengine.processing.cache_commits`). What was
stored is read at start as bytes, and unpickled where a plugin first asks for it: a value whose class is gone hurts
its own key only. Two keys that held one object hold a copy each after a restart.

Source: influxdb3_py_api/src/cache.rs.
Differs: the original's cache is lost at restart; here it persists. It is kept after an error disabled the trigger,
    until that is enabled again.
"""

from __future__ import annotations

import itertools
import logging
import threading
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from procengine.clock import NANOSECONDS_PER_SECOND, Clock
from procengine.errors import StorageError
from procengine.processing.cache_commits import (
    NO_CHANGES,
    CacheChanges,
    CacheCommits,
    Guard,
    TouchedKeys,
)
from procengine.processing.cache_copies import CopyingLooks
from procengine.processing.cache_namespace import GLOBAL_PLACE, Entry, Namespace
from procengine.processing.cache_trace import FirstFound, TracedValues
from procengine.processing.cached_value import CachedValue, cached_values
from procengine.processing.cancellation import CancelToken
from procengine.processing.failure import failure_message
from procengine.processing.plugin_pickle import ValuePickles, fingerprint
from procengine.processing.plugin_values import checked_text
from procengine.processing.py_cache import PyCache, ttl_nanoseconds
from procengine.state import Place, PluginState, StoredValue

logger = logging.getLogger(__name__)

SWEEP_INTERVAL_NS: Final = 10 * NANOSECONDS_PER_SECOND
"""Expired values go when a plugin reads ``cache`` and the last sweep is this long ago."""

TEST_TTL_NS: Final = 30 * 60 * NANOSECONDS_PER_SECOND
"""How long a test's values stay when they have no time-to-live of their own."""

SHARED_TEST_NAME: Final = "_shared_test"
"""The cache name of tests that give none."""

LAST_PICKLING_SECONDS: Final = 1.0
"""How long pickling may take at the engine's stop, for what no run committed."""

_GLOBAL_KEY: Final = ("global",)


class DamagedValueError(Exception):
    """The bytes of a stored value are not those that were stored."""


class PluginCache:
    """All namespaces of one engine. Without a ``store`` nothing outlives it.

    ``trigger_names`` returns the names of the triggers by id, for `values`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        store: PluginState | None = None,
        pickles: ValuePickles | None = None,
        trigger_names: Callable[[], Mapping[int, str]] = dict,
    ) -> None:
        self._clock = clock
        self._store = store
        self._pickles = pickles
        self._trigger_names = trigger_names
        self._commits = CacheCommits(clock, store, pickles)
        self._namespaces: dict[tuple[object, ...], Namespace] = {}
        # Guards the mapping of namespaces, not what is in them.
        self._lock = threading.Lock()
        self._swept_ns = clock.now_ns()
        self._changes = itertools.count(1)
        self._version = 0

    @property
    def version(self) -> int:
        """Another number whenever a run that touched the cache has ended, or it was changed from outside of runs.

        What expires does not change it.
        """
        return self._version

    def open(self, triggers: Collection[Place]) -> None:
        """Read what is stored; what belongs to none of the triggers is forgotten. Before any plugin runs.

        Raises:
            DataFormatError, CorruptFileError, StorageError: the file cannot be used.
        """
        if self._store is None:
            return

        def restore(stored: StoredValue) -> None:
            self._at(Place(stored.database, stored.trigger_id)).restore(stored)

        self._store.open(self._clock.now_ns(), restore)
        # A trigger's deletion is committed before its cache goes.
        orphans = [
            key
            for key, namespace in self._namespaces.items()
            if namespace.place not in triggers and namespace.place != GLOBAL_PLACE
        ]
        self._drop(orphans)

    def commit_rest(self) -> None:
        """Commit what was touched outside runs, by threads that outlived theirs. When all runs have ended.

        A value that takes too long to pickle is interrupted.
        """
        token = CancelToken()
        limit = threading.Timer(LAST_PICKLING_SECONDS, token.cancel)
        limit.name, limit.daemon = "procengine-pickling", True
        touched = [
            TouchedKeys(namespace, namespace.take_late(), own=False)
            for namespace in self._snapshot()
            if namespace.place is not None and namespace.late
        ]
        if not touched:
            return
        limit.start()
        try:
            changes = self._commits.commit(touched, run_id=None, home=None, guard=token.guard_rest)
        finally:
            limit.cancel()
            limit.join()
        for text in (*changes.warnings, *filter(None, [changes.fault])):
            logger.warning("plugin cache at stop: %s", text)

    def close(self) -> None:
        """Let the file go. Closing twice is allowed."""
        if self._store is not None:
            self._store.close()

    def for_trigger(self, database: str, trigger_id: int) -> PyCache:
        """Return the view that one run of a trigger receives."""
        # Looked up here first: each run asks.
        local = self._namespaces.get(("trigger", database, trigger_id))
        shared = self._namespaces.get(_GLOBAL_KEY)
        return PyCache(
            self,
            local if local is not None else self._at(Place(database, trigger_id)),
            shared if shared is not None else self._at(GLOBAL_PLACE),
        )

    def for_test(self, name: str | None = None) -> PyCache:
        """Return the view that tests of one cache name share, apart from all real values; never stored."""
        label = SHARED_TEST_NAME if name is None else name
        return PyCache(
            self,
            self._namespace(("test", label), f"test/{label}", default_ttl_ns=TEST_TTL_NS),
            self._namespace(("global test", label), f"test/{label}/global", default_ttl_ns=TEST_TTL_NS),
        )

    def for_dry_run(self, database: str, trigger_id: int) -> PyCache:
        """Return the view that one dry run of a trigger receives: copies of the real values, which go with it."""
        originals = {Namespace("copy"): self._at(Place(database, trigger_id))}
        originals[Namespace("copy of global")] = self._at(GLOBAL_PLACE)
        view = PyCache(self, *originals)
        view.__changes__ = CopyingLooks(view.__local__.namespace, self, originals)
        return view

    def end_run(self, view: PyCache, *, run_id: int, guard: Guard) -> CacheChanges:
        """Commit what a run touched and return what it changed. On the run's thread, when its plugin has returned.

        A failed or cancelled run's changes are committed as well: the live objects did change.

        Raises: see `CacheCommits.commit`.
        """
        first = view.__local__.touched, view.__global__.touched
        touched = [*view.__local__.end(), *view.__global__.end()]
        home, view.__home__ = view.__home__, None
        warnings, view.__warnings__ = view.__warnings__, []
        if not touched:
            return CacheChanges(warnings=tuple(warnings)) if warnings else NO_CHANGES
        found = FirstFound(first[0]), FirstFound(first[1])
        changes = self._commits.commit(touched, run_id=run_id, home=home, guard=guard)
        self._version = next(self._changes)  # of two threads' numbers either is a new one
        if not changes.keys and not warnings:
            return changes
        return replace(
            changes,
            warnings=(*warnings, *changes.warnings),
            traced=TracedValues(
                changes.keys, changes.entries, changes.pickles, found, self._clock.now_ns()
            ),
        )

    def put(
        self,
        key: str,
        value: object,
        *,
        database: str | None = None,
        trigger_id: int | None = None,
        ttl_seconds: float | None = None,
        expires_ns: int | None = None,
    ) -> None:
        """Hold a value from outside of runs, in a trigger's namespace or in the global one, durably.

        It expires ``ttl_seconds`` from now, else at ``expires_ns``, else never. A run going on that has the value
        that was there before keeps it; what the run puts is there afterwards.

        Raises:
            ValueError: the time-to-live is negative, not a number, or too big.
            StorageError: the value is held, but cannot be pickled, or is not durable yet.
        """
        namespace = self._at(_place(database, trigger_id))
        if ttl_seconds is not None:
            expires_ns = self.now_ns() + ttl_nanoseconds(ttl_seconds)
        namespace.put(checked_text("key", key), value, expires_ns)
        self._commit_by_hand(namespace, key)

    def delete(self, key: str, *, database: str | None = None, trigger_id: int | None = None) -> bool:
        """Forget a value from outside of runs, durably; tell whether there was one.

        Raises:
            StorageError: it is forgotten, but that is not durable yet.
        """
        namespace = self._at(_place(database, trigger_id))
        found = namespace.entries.pop(key, None) is not None
        self._commit_by_hand(namespace, key)
        return found

    def drop_trigger(self, database: str, trigger_id: int) -> bool:
        """Forget what a trigger cached, in memory and on disk; tell whether there was a namespace.

        A run that is still going on keeps its view and writes into the void.
        """
        return bool(self._drop([("trigger", database, trigger_id)]))

    def drop_database(self, database: str) -> None:
        """Forget what the triggers of a database cached, in memory and on disk."""
        with self._lock:
            keys = [key for key in self._namespaces if key[:2] == ("trigger", database)]
        self._drop(keys)

    def sweep(self) -> None:
        """Remove expired values of all namespaces, if the last sweep was ten seconds ago or more."""
        now_ns = self._clock.now_ns()
        if 0 <= now_ns - self._swept_ns < SWEEP_INTERVAL_NS:  # less than 0: the clock was set back
            return
        self._swept_ns = now_ns
        for namespace in self._snapshot():
            namespace.sweep(now_ns)

    def values(self) -> tuple[CachedValue, ...]:
        """Return everything that is held and has not expired, by namespace, keys in the order of their first put."""
        now_ns, names = self._clock.now_ns(), self._trigger_names()
        return tuple(
            value
            for namespace in self._snapshot()
            for value in cached_values(namespace, _shown_name(namespace, names), now_ns, self.load)
        )

    def load(self, entry: Entry) -> Any:
        """Return an entry's value; a stored one as an object of its own, for which its plugins are executed.

        Raises:
            DamagedValueError: its bytes are damaged.
            Exception: a class is gone, or whatever unpickling raises.
        """
        if entry.stored is None:
            return entry.value
        assert self._pickles is not None
        assert entry.saved is not None
        if zlib.crc32(entry.stored) != entry.saved.crc:
            raise DamagedValueError("its stored bytes are damaged: they do not match their checksum")
        return self._pickles.load(entry.stored)

    def unpickled(
        self, namespace: Namespace, key: str, entry: Entry, warnings: list[str]
    ) -> Entry | None:
        """Return a stored entry with its value, which is now held; None when it cannot be restored.

        The bytes stay stored then, the reason is added to ``warnings`` once, and the next call tries again.

        Raises:
            KeyboardInterrupt: the run was cancelled meanwhile; the bytes stay what they are.
        """
        try:
            value = self.load(entry)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own text and methods
            text = _unreadable_text(namespace, key, entry, failure_message(error))
            if namespace.warn_once(key, text):
                warnings.append(text)
            return None
        self._take_fingerprint(entry, value)
        return namespace.install(key, entry, Entry(value, entry.expires_ns, entry.saved))

    def now_ns(self) -> int:
        """Return the time by which values expire."""
        return self._clock.now_ns()

    def _take_fingerprint(self, entry: Entry, value: Any) -> None:
        """Note how an object pickles that was just unpickled: by other bytes, if it shares more or less inside."""
        assert self._pickles is not None
        assert entry.saved is not None
        try:
            data = self._pickles.dumper(None)(value)
        except Exception:  # noqa: BLE001 - a plugin's own methods; the value then counts as changed
            return
        entry.saved.fingerprint, entry.saved.size_bytes = fingerprint(data), len(data)

    def _commit_by_hand(self, namespace: Namespace, key: str) -> None:
        changes = self._commits.commit(
            [TouchedKeys(namespace, [key], own=True)], run_id=None, home=None, guard=lambda work: work()
        )
        self._version = next(self._changes)
        faults = [*changes.warnings, *filter(None, [changes.fault])]
        if faults:
            raise StorageError(faults[0])

    def _drop(self, keys: Iterable[tuple[object, ...]]) -> list[Namespace]:
        with self._lock:
            dropped = [self._namespaces.pop(key) for key in keys if key in self._namespaces]
        self._version = next(self._changes)
        fault = self._commits.drop(dropped) if dropped else None
        if fault is not None:
            logger.warning("dropped plugin cache is still on the disk: %s", fault)
        return dropped

    def _snapshot(self) -> tuple[Namespace, ...]:
        with self._lock:
            return tuple(self._namespaces.values())

    def _at(self, place: Place) -> Namespace:
        if place == GLOBAL_PLACE:
            return self._namespace(_GLOBAL_KEY, "global", place)
        return self._namespace(("trigger", *place), f"{place.database}/{place.trigger_id}", place)

    def _namespace(
        self,
        key: tuple[object, ...],
        name: str,
        place: Place | None = None,
        default_ttl_ns: int | None = None,
    ) -> Namespace:
        found = self._namespaces.get(key)
        if found is not None:
            return found
        with self._lock:
            return self._namespaces.setdefault(key, Namespace(name, place, default_ttl_ns))


def _place(database: str | None, trigger_id: int | None) -> Place:
    if database is None or trigger_id is None:
        return GLOBAL_PLACE
    return Place(database, trigger_id)


def _shown_name(namespace: Namespace, names: Mapping[int, str]) -> str:
    place = namespace.place
    if place is None or place == GLOBAL_PLACE:
        return namespace.name
    return f"{place.database}/{names.get(place.trigger_id, place.trigger_id)}"


def _unreadable_text(namespace: Namespace, key: str, entry: Entry, reason: str) -> str:
    kind = "global plugin cache" if namespace.place == GLOBAL_PLACE else "plugin cache"
    type_name = "" if entry.saved is None else f" ({entry.saved.type_name})"
    return (
        f"{kind}: the stored value of key {key!r}{type_name} cannot be restored and counts as "
        f"missing; it stays stored until the key is put or deleted: {reason}"
    )
