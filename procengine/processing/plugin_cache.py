"""What do plugins remember from run to run?

Live objects by key, in namespaces: one for each trigger, one that all triggers share, and two for each name of a
dry run. Values are held by reference, never copied; only time-to-live removes one that nobody deletes.

Any thread reads and writes. Reading takes no lock: a namespace is a dictionary, and one lookup is atomic.

Source: influxdb3_py_api/src/cache.rs.
"""

from __future__ import annotations

import heapq
import threading
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from procengine.clock import NANOSECONDS_PER_SECOND, Clock
from procengine.processing.plugin_values import checked_bool, checked_text

SWEEP_INTERVAL_NS: Final = 10 * NANOSECONDS_PER_SECOND
"""Expired values go when a plugin reads ``cache`` and the last sweep is this long ago."""

TEST_TTL_NS: Final = 30 * 60 * NANOSECONDS_PER_SECOND
"""How long a dry run's values stay when they have no time-to-live of their own."""

SHARED_TEST_NAME: Final = "_shared_test"
"""The cache name of dry runs that give none."""

_LARGEST_TTL_NS: Final = 2**63 - 1


class Entry(NamedTuple):
    """A cached value; ``expires_ns`` is None when it never expires."""

    value: Any
    expires_ns: int | None


class Namespace:
    """Keys and values that belong together."""

    __slots__ = ("_expirations", "_lock", "default_ttl_ns", "entries", "name")

    def __init__(self, name: str, default_ttl_ns: int | None = None) -> None:
        self.name = name
        self.default_ttl_ns = default_ttl_ns
        self.entries: dict[str, Entry] = {}
        self._expirations: list[tuple[int, str]] = []
        # Guards the heap of expirations; plugin code (a value's ``__del__``) never runs under it.
        self._lock = threading.Lock()

    def put(self, key: str, value: object, expires_ns: int | None) -> None:
        """Hold a value under a key, in place of what was there."""
        self.entries[key] = Entry(value, expires_ns)
        if expires_ns is not None:
            with self._lock:
                heapq.heappush(self._expirations, (expires_ns, key))

    def expired_keys(self, now_ns: int) -> list[str]:
        """Return the keys that were to expire by now, and forget that they were."""
        if not self._expirations or self._expirations[0][0] > now_ns:
            return []
        due = []
        with self._lock:
            while self._expirations and self._expirations[0][0] <= now_ns:
                due.append(heapq.heappop(self._expirations)[1])
        return due

    def sweep(self, now_ns: int) -> None:
        """Remove what has expired."""
        for key in self.expired_keys(now_ns):
            entry = self.entries.get(key)
            if entry is not None and entry.expires_ns is not None and entry.expires_ns <= now_ns:
                self.entries.pop(key, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedValue:
    """One value of the plugin cache, for inspectors; ``seconds_left`` is None when it never expires."""

    namespace: str
    key: str
    value: object
    seconds_left: float | None


class PluginCache:
    """All namespaces of one engine."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._namespaces: dict[tuple[object, ...], Namespace] = {}
        # Guards the mapping of namespaces, not what is in them.
        self._lock = threading.Lock()
        self._swept_ns = clock.now_ns()

    def for_trigger(self, database: str, trigger_id: int) -> PyCache:
        """Return the view that a trigger's runs receive."""
        return PyCache(
            self,
            self._namespace(("trigger", database, trigger_id), f"{database}/{trigger_id}"),
            self._namespace(("global",), "global"),
        )

    def for_test(self, name: str | None = None) -> PyCache:
        """Return the view that dry runs of one cache name share, apart from all real values."""
        label = SHARED_TEST_NAME if name is None else name
        return PyCache(
            self,
            self._namespace(("test", label), f"test/{label}", TEST_TTL_NS),
            self._namespace(("global test", label), f"test/{label}/global", TEST_TTL_NS),
        )

    def drop_trigger(self, database: str, trigger_id: int) -> bool:
        """Forget what a trigger cached; tell whether there was a namespace.

        A run that is still going on keeps its view and writes into the void.
        """
        with self._lock:
            return self._namespaces.pop(("trigger", database, trigger_id), None) is not None

    def drop_database(self, database: str) -> None:
        """Forget what the triggers of a database cached."""
        with self._lock:
            for key in [key for key in self._namespaces if key[:2] == ("trigger", database)]:
                del self._namespaces[key]

    def sweep(self) -> None:
        """Remove expired values of all namespaces, if the last sweep was ten seconds ago or more."""
        now_ns = self._clock.now_ns()
        if now_ns - self._swept_ns < SWEEP_INTERVAL_NS:
            return
        self._swept_ns = now_ns
        for namespace in self._snapshot():
            namespace.sweep(now_ns)

    def values(self) -> tuple[CachedValue, ...]:
        """Return everything that is held and has not expired, by namespace and key, in order of insertion."""
        now_ns = self._clock.now_ns()
        return tuple(
            CachedValue(
                namespace=namespace.name,
                key=key,
                value=entry.value,
                seconds_left=None
                if entry.expires_ns is None
                else (entry.expires_ns - now_ns) / NANOSECONDS_PER_SECOND,
            )
            for namespace in self._snapshot()
            for key, entry in tuple(namespace.entries.items())
            if entry.expires_ns is None or entry.expires_ns > now_ns
        )

    def now_ns(self) -> int:
        """Return the time by which values expire."""
        return self._clock.now_ns()

    def _snapshot(self) -> tuple[Namespace, ...]:
        with self._lock:
            return tuple(self._namespaces.values())

    def _namespace(
        self, key: tuple[object, ...], name: str, default_ttl_ns: int | None = None
    ) -> Namespace:
        found = self._namespaces.get(key)
        if found is not None:
            return found
        with self._lock:
            return self._namespaces.setdefault(key, Namespace(name, default_ttl_ns))


class PyCache:
    """What a plugin receives as ``influxdb3_local.cache``. Its class has the original's name."""

    __slots__ = ("__changes__", "__global__", "__local__", "__store__")

    def __init__(self, store: PluginCache, local: Namespace, shared: Namespace) -> None:
        self.__store__ = store
        self.__local__ = local
        self.__global__ = shared
        self.__changes__: FirstLooks | None = None

    def put(
        self,
        key: str,
        value: object,
        ttl: float | None = None,
        use_global: bool | None = None,
    ) -> None:
        """Hold a value; it expires ``ttl`` seconds from now, or never.

        Raises:
            ValueError: ``ttl`` is negative, not a number, or too big.
        """
        key = checked_text("key", key)
        namespace = self.__global__ if _is_global(use_global) else self.__local__
        ttl_ns = namespace.default_ttl_ns if ttl is None else ttl_nanoseconds(ttl)
        if self.__changes__ is not None:
            self.__changes__.look(namespace, key)
        namespace.put(key, value, None if ttl_ns is None else self.__store__.now_ns() + ttl_ns)

    def get(self, key: str, default: object = None, use_global: bool | None = None) -> Any:
        """Return the value itself, or ``default`` when there is none or it has expired."""
        key = checked_text("key", key)
        namespace = self.__global__ if _is_global(use_global) else self.__local__
        if self.__changes__ is not None:
            self.__changes__.look(namespace, key)
        entry = namespace.entries.get(key)
        if entry is None:
            return default
        if entry.expires_ns is not None and entry.expires_ns <= self.__store__.now_ns():
            namespace.entries.pop(key, None)
            return default
        return entry.value

    def delete(self, key: str, use_global: bool | None = None) -> bool:
        """Forget a value; tell whether there was one."""
        key = checked_text("key", key)
        namespace = self.__global__ if _is_global(use_global) else self.__local__
        if self.__changes__ is not None:
            self.__changes__.look(namespace, key)
        return namespace.entries.pop(key, None) is not None


class FirstLooks:
    """How each key looked when a run first touched it.

    Kept as text, since a plugin may change a value in place without putting it again.
    """

    def __init__(self, cache: PyCache) -> None:
        self._local = cache.__local__
        self._now_ns = cache.__store__.now_ns
        self._before: dict[tuple[str, bool], tuple[Namespace, str | None]] = {}

    def look(self, namespace: Namespace, key: str) -> None:
        """Remember how a key looks, unless it was looked at before."""
        where = (key, namespace is not self._local)
        if where not in self._before:
            self._before[where] = (namespace, self._text(namespace, key))

    def changes(self) -> list[tuple[str, bool, str | None, str | None]]:
        """Return key, whether global, text before and text now, of each key that looks different."""
        found = []
        for (key, use_global), (namespace, before) in self._before.items():
            after = self._text(namespace, key)
            if after != before:
                found.append((key, use_global, before, after))
        return found

    def _text(self, namespace: Namespace, key: str) -> str | None:
        entry = namespace.entries.get(key)
        if entry is None or (entry.expires_ns is not None and entry.expires_ns <= self._now_ns()):
            return None
        try:
            return repr(entry.value)
        except Exception as error:  # noqa: BLE001 - a plugin's own __repr__
            return f"<{type(entry.value).__name__}: repr failed: {type(error).__name__}>"


def ttl_nanoseconds(ttl: float) -> int:
    """Return a time-to-live in nanoseconds.

    Raises:
        ValueError: it is negative, not a number, or too big; with the text of Rust's standard library.
        TypeError: it is not a number.

    Source: Rust, Duration::try_from_secs_f64.
    """
    try:
        seconds = float(ttl) if not isinstance(ttl, str | bytes) else _refuse(ttl)
    except TypeError:
        _refuse(ttl)
    if seconds < 0:
        raise ValueError("cannot convert float seconds to Duration: value is negative")
    if not seconds * NANOSECONDS_PER_SECOND <= _LARGEST_TTL_NS:
        raise ValueError("cannot convert float seconds to Duration: value is either too big or NaN")
    return round(seconds * NANOSECONDS_PER_SECOND)


def _refuse(ttl: object) -> float:
    raise TypeError(f"argument 'ttl': must be real number, not {type(ttl).__name__}") from None


def _is_global(use_global: bool | None) -> bool:
    return use_global is not None and use_global is not False and checked_bool("use_global", use_global)
