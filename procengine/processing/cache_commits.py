"""What did a run change in the plugin cache, and when is that durable?

A plugin changes objects in place without telling anybody. So at the end of a run every key that it touched is
pickled, and what differs from the last commit of the key is committed, all of it as one transaction. A key that was
only read and whose value cannot change is passed over.

Runs overlap, and commit in another order than the one in which they looked at a key. Stamps settle it: of two looks
at one key the later one is sure to have seen what the earlier one's run did, so it prevails, and the run of the
earlier one waits for its commit. A removed key leaves a `Saved` behind while a look is going on that may be older.

What cannot be pickled stays in memory; a value that was stored under its key is removed from the file, so that a
restart brings no older state back.

Differs: the original stores nothing.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from procengine.clock import Clock
from procengine.model.run import CacheKey
from procengine.processing.cache_namespace import GLOBAL_PLACE, Entry, Namespace, Saved
from procengine.processing.failure import failure_message
from procengine.processing.plugin_classes import SINGLE_FILE_MODULES, Home
from procengine.processing.plugin_pickle import ValuePickles, fingerprint, is_immutable
from procengine.state import LARGEST_VALUE_BYTES, Commit, Delete, Drop, Op, PluginState, Put

ATTEMPTS: Final = 3
"""How often a value is pickled that another thread changes meanwhile."""

MOST_INTERRUPTIONS: Final = 3
"""After so many values of one run whose pickling was interrupted, the rest is left to the next commit."""

Guard = Callable[[Callable[[], None]], None]
"""Calls code of plugins so that it can be interrupted; what it raises then is a KeyboardInterrupt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheChanges:
    """What a run did to the plugin cache: the keys that it changed, and what its log is to say.

    ``fault`` is why changes are not durable yet.
    """

    keys: tuple[CacheKey, ...] = ()
    warnings: tuple[str, ...] = ()
    fault: str | None = None


NO_CHANGES: Final = CacheChanges()


class Touched:
    """A key to be looked at. ``own`` tells what the run itself touched from what it commits for others.

    After pickling it has ``data`` and ``mark``, or a ``reason`` why there are none; neither when interrupted.
    """

    __slots__ = ("data", "entry", "key", "mark", "namespace", "own", "reason", "stamp", "type_name")

    def __init__(self, namespace: Namespace, key: str, *, own: bool) -> None:
        self.namespace = namespace
        self.key = key
        self.own = own
        self.stamp = 0
        self.entry: Entry | None = None
        self.data: bytes | None = None
        self.mark = b""
        self.reason: str | None = None
        self.type_name = ""


class CacheCommits:
    """Commits what runs changed. Any thread. Without a store it only notes which keys were put or deleted."""

    def __init__(self, clock: Clock, store: PluginState | None, pickles: ValuePickles | None) -> None:
        self._clock = clock
        self._store = store
        self._pickles = pickles
        self._stamps = itertools.count(1)
        # Held while looks become changes of ``Namespace.saved`` and are handed to the store, so that both come in
        # one order; bytes and texts only: no plugin code runs under it. It is taken before no other lock but the
        # store's queue.
        self._lock = threading.Lock()
        self._looking: dict[int, None] = {}
        self._graves: deque[tuple[Namespace, str, Saved]] = deque()

    def commit(
        self, touched: Iterable[Touched], *, run_id: int | None, home: Home | None, guard: Guard
    ) -> CacheChanges:
        """Make what changed durable, and return it. ``home`` is the plugin of the run, ``guard`` calls its code.

        Whatever plugin code or the disk does is in the result.

        Raises:
            KeyboardInterrupt: on the main thread, the stop button was pressed while this waited for the disk; the
                changes are on their way to it.
        """
        now_ns = self._clock.now_ns()
        if self._store is None or self._pickles is None:
            return self._noted(touched, run_id, now_ns)
        with self._lock:
            began = next(self._stamps)
            self._looking[began] = None
        try:
            looks, waits = self._look(touched, now_ns)
            self._pickle(looks, self._pickles, home, guard)
            settling = _Settling(run_id=run_id, now_ns=now_ns, waits=waits)
            with self._lock:
                for look in looks:
                    self._settle(look, settling)
                if settling.ops or settling.waits:
                    self._store.submit(settling.ops, settling.commit)
        finally:
            with self._lock:
                del self._looking[began]
                self._bury()
        fault = settling.commit.wait() if settling.ops or settling.waits else None
        if fault is None and settling.interrupted:
            fault = f"pickling {', '.join(settling.interrupted)} was interrupted"
        return CacheChanges(keys=tuple(settling.keys), warnings=tuple(settling.warnings), fault=fault)

    def drop(self, namespaces: Iterable[Namespace]) -> str | None:
        """Forget namespaces durably; return None, or why that is not durable yet."""
        commit = Commit()
        with self._lock:
            ops: list[Op] = []
            for namespace in namespaces:
                namespace.dropped = True
                if namespace.place is not None:
                    ops.append(Drop(namespace.place))
            if self._store is None or not ops:
                return None
            self._store.submit(ops, commit)
        return commit.wait()

    def _noted(self, touched: Iterable[Touched], run_id: int | None, now_ns: int) -> CacheChanges:
        """Note which keys were put or deleted; nothing is stored, and changes in place are not seen."""
        keys = []
        for look in touched:
            namespace, key = look.namespace, look.key
            entry = namespace.live(key, now_ns)
            if entry is None:
                changed = namespace.saved.pop(key, None) is not None
            else:
                changed = entry.saved is None
                if changed:
                    name = type_name(entry.value)
                    entry.saved = Saved(0, None, None, name, entry.expires_ns, run_id, now_ns, None)
                    namespace.saved[key] = entry.saved
            if changed and look.own:
                keys.append(_cache_key(look, deleted=entry is None))
        return CacheChanges(keys=tuple(keys)) if keys else NO_CHANGES

    def _look(self, touched: Iterable[Touched], now_ns: int) -> tuple[list[Touched], bool]:
        """Return what may have changed, and whether anything touched is still under way to the disk."""
        looks, waits = [], False
        for look in touched:
            namespace, key = look.namespace, look.key
            look.stamp = next(self._stamps)
            entry = look.entry = namespace.live(key, now_ns)
            saved = namespace.saved.get(key)
            waits = waits or (saved is not None and not saved.is_settled)
            if entry is None:
                if saved is not None and not saved.gone:
                    looks.append(look)
            elif entry.stored is None and not _is_same(entry, saved):
                looks.append(look)
        return looks, waits

    def _pickle(
        self, looks: list[Touched], pickles: ValuePickles, home: Home | None, guard: Guard
    ) -> None:
        """Pickle the values, on the run's thread."""
        left = [look for look in reversed(looks) if look.entry is not None]

        def work() -> None:
            dump = pickles.dumper(home)
            while left:
                look = left.pop()
                assert look.entry is not None
                look.stamp = next(self._stamps)
                _pickle_one(look, look.entry.value, dump)

        interruptions = 0
        while left and interruptions < MOST_INTERRUPTIONS:
            try:
                guard(work)
            except KeyboardInterrupt:  # What has no result then is late; the values after it are tried.
                interruptions += 1

    def _settle(self, look: Touched, settling: _Settling) -> None:
        """Turn a look into a change of the file, if it is one. The lock is held."""
        namespace, key, entry = look.namespace, look.key, look.entry
        saved = namespace.saved.get(key)
        if namespace.dropped or namespace.place is None:
            return
        if saved is not None and saved.stamp > look.stamp:
            settling.waits = settling.waits or not saved.is_settled
            return
        if entry is None:
            if saved is not None and not saved.gone:
                gone = settling.saved(look, gone=True)
                self._graves.append((namespace, key, gone))
                self._replace(look, saved, gone, settling)
        elif look.data is not None:
            same = saved is not None and (saved.fingerprint, saved.size_bytes, saved.expires_ns) == (
                look.mark,
                len(look.data),
                entry.expires_ns,
            )
            if same:
                entry.saved = saved
                settling.waits = settling.waits or (saved is not None and not saved.is_settled)
                return
            entry.saved = settling.saved(look)
            settling.ops.append(settling.put(look, look.data))
            self._replace(look, None, entry.saved, settling)
        elif look.reason is not None:
            if namespace.warn_once(key, look.reason):
                settling.warnings.append(_unsaved_text(look))
            if entry.saved is None or entry.saved is not saved or saved.is_stored:
                entry.saved = settling.saved(look)
                self._replace(look, saved, entry.saved, settling)
        else:
            namespace.late[key] = None
            settling.interrupted.append(f"key {key!r}")

    def _replace(self, look: Touched, before: Saved | None, after: Saved, settling: _Settling) -> None:
        """Let a key be known by what it is now; what was stored ``before`` is to be removed."""
        look.namespace.saved[look.key] = after
        if before is not None and before.is_stored:
            assert look.namespace.place is not None
            settling.ops.append(Delete(look.namespace.place, look.key))
        if look.reason is None:
            look.namespace.told.pop(look.key, None)
        if look.own:
            settling.keys.append(_cache_key(look, deleted=after.gone))

    def _bury(self) -> None:
        """Forget removed keys that no look going on can be older than. The lock is held."""
        oldest = next(iter(self._looking), None)
        while self._graves and (oldest is None or self._graves[0][2].stamp < oldest):
            namespace, key, gone = self._graves.popleft()
            if namespace.saved.get(key) is gone:
                del namespace.saved[key]


class _Settling:
    """The changes of one run in the making."""

    def __init__(self, *, run_id: int | None, now_ns: int, waits: bool) -> None:
        self.commit = Commit()
        self.ops: list[Op] = []
        self.keys: list[CacheKey] = []
        self.warnings: list[str] = []
        self.interrupted: list[str] = []
        self.waits = waits
        self._run_id = run_id
        self._now_ns = now_ns

    def saved(self, look: Touched, *, gone: bool = False) -> Saved:
        """Return what is to be known of a key from now on."""
        data = look.data
        return Saved(
            look.stamp,
            None if data is None else look.mark,
            None if data is None else len(data),
            look.type_name,
            None if look.entry is None else look.entry.expires_ns,
            self._run_id if look.own else None,
            self._now_ns,
            self.commit,
            gone,
        )

    def put(self, look: Touched, data: bytes) -> Put:
        """Return the change of the file for a pickled value."""
        assert look.namespace.place is not None
        assert look.entry is not None
        return Put(
            look.namespace.place,
            look.key,
            data,
            look.type_name,
            look.entry.expires_ns,
            self._run_id if look.own else None,
            self._now_ns,
        )


def type_name(value: object) -> str:
    """Return the name of a value's type, with its module where that says something."""
    kind = type(value)
    try:
        module, name = str(kind.__module__), kind.__qualname__
    except Exception:  # noqa: BLE001 - a plugin's own metaclass
        return "?"
    return name if module in SINGLE_FILE_MODULES else f"{module}.{name}"


def _is_same(entry: Entry, saved: Saved | None) -> bool:
    """Tell without pickling whether an entry is as it was stored."""
    return saved is not None and entry.saved is saved and saved.is_stored and is_immutable(entry.value)


def _pickle_one(look: Touched, value: Any, dump: Callable[[Any], bytes]) -> None:
    """Pickle a value, or note why that cannot be.

    Raises:
        KeyboardInterrupt: the run was cancelled, or the notebook's stop button pressed.
    """
    try:
        look.type_name = type_name(value)
        data = _dumped(value, dump)
        if len(data) > LARGEST_VALUE_BYTES:
            raise ValueError(
                f"its {len(data)} bytes are more than the {LARGEST_VALUE_BYTES} that can be stored"
            )
        look.mark = fingerprint(data)
        look.data = data
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin's own methods, and the depth of recursion
        look.reason = failure_message(error)


def _dumped(value: Any, dump: Callable[[Any], bytes]) -> bytes:
    for _ in range(ATTEMPTS - 1):
        try:
            return dump(value)
        except RuntimeError as error:
            if isinstance(error, RecursionError):
                raise
            # Most likely another thread changed a dictionary or a set meanwhile.
    return dump(value)


def _cache_key(look: Touched, *, deleted: bool) -> CacheKey:
    return CacheKey(key=look.key, use_global=look.namespace.place == GLOBAL_PLACE, deleted=deleted)


def _unsaved_text(look: Touched) -> str:
    kind = "global plugin cache" if look.namespace.place == GLOBAL_PLACE else "plugin cache"
    return (
        f"{kind}: the value of key {look.key!r} ({look.type_name}) cannot be pickled; it stays in memory and is lost "
        f"when the engine stops: {look.reason}"
    )
