"""What does a plugin put, get and delete as ``influxdb3_local.cache``, and which keys did its run touch?

Source: influxdb3_py_api/src/cache.rs.
"""

from __future__ import annotations

from typing import Any, Final

from procengine.clock import NANOSECONDS_PER_SECOND
from procengine.processing.cache_commits import TouchedKeys
from procengine.processing.cache_namespace import Entry, Namespace
from procengine.processing.first_looks import FirstLooks, HeldValues
from procengine.processing.plugin_classes import Home
from procengine.processing.plugin_values import checked_bool, checked_text

_LARGEST_TTL_NS: Final = 2**63 - 1


class Side:
    """One of the two namespaces that a run sees, and which keys the run touched in it.

    ``touched`` has what each key held when the run first touched it. It is added to in one statement, which no other
    thread can part, after the value was put: a thread of the plugin that outlives the run adds to the namespace's
    late keys.
    """

    __slots__ = ("entries", "namespace", "touched")

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.entries = namespace.entries
        self.touched: dict[str, Entry | None] = {}

    def end(self) -> list[TouchedKeys]:
        """Return what the run touched, and what is late; what its threads touch from now on is late."""
        namespace = self.namespace
        touched, self.touched = self.touched, namespace.late
        found = [TouchedKeys(namespace, touched, own=True)] if touched else []
        if namespace.late:
            late = [key for key in namespace.take_late() if key not in touched]
            found.append(TouchedKeys(namespace, late, own=False))
        return found


class PyCache:
    """What a plugin receives as ``influxdb3_local.cache``. Its class has the original's name."""

    __slots__ = (
        "__changes__",
        "__global__",
        "__home__",
        "__local__",
        "__store__",
        "__warnings__",
    )

    def __init__(self, store: HeldValues, local: Namespace, shared: Namespace) -> None:
        self.__store__ = store
        self.__local__ = Side(local)
        self.__global__ = Side(shared)
        self.__changes__: FirstLooks | None = None
        self.__home__: Home | None = None
        self.__warnings__: list[str] = []

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
        if type(key) is not str or not key.isascii():
            key = checked_text("key", key)
        side = self.__local__ if use_global is None else self.__side__(use_global)
        namespace = side.namespace
        ttl_ns = namespace.default_ttl_ns if ttl is None else ttl_nanoseconds(ttl)
        if self.__changes__ is not None:
            self.__changes__.look(namespace, key)
        before = side.entries.get(key)
        if ttl_ns is None:
            side.entries[key] = Entry(value, None)
        else:
            namespace.put(key, value, self.__store__.now_ns() + ttl_ns)
        side.touched.setdefault(key, before)

    def get(self, key: str, default: object = None, use_global: bool | None = None) -> Any:
        """Return the value itself, or ``default`` when there is none or it has expired."""
        if type(key) is not str or not key.isascii():
            key = checked_text("key", key)
        side = self.__local__ if use_global is None else self.__side__(use_global)
        if self.__changes__ is not None:
            self.__changes__.look(side.namespace, key)
        entry: Entry | None = side.entries.get(key)
        if entry is None:
            return default
        if entry.expires_ns is not None and entry.expires_ns <= self.__store__.now_ns():
            side.entries.pop(key, None)
            side.namespace.let_expire(key)
            return default
        before = entry
        if entry.stored is not None:
            entry = self.__store__.unpickled(side.namespace, key, entry, self.__warnings__)
            if entry is None:
                return default
        side.touched.setdefault(key, before)
        return entry.value

    def delete(self, key: str, use_global: bool | None = None) -> bool:
        """Forget a value; tell whether there was one."""
        if type(key) is not str or not key.isascii():
            key = checked_text("key", key)
        side = self.__local__ if use_global is None else self.__side__(use_global)
        if self.__changes__ is not None:
            self.__changes__.look(side.namespace, key)
        before = side.entries.pop(key, None)
        side.touched.setdefault(key, before)
        return before is not None

    def __side__(self, use_global: object) -> Side:
        return self.__global__ if checked_bool("use_global", use_global) else self.__local__


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
