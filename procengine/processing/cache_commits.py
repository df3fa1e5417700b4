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

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from zlib import crc32

from procengine.clock import Clock
from procengine.model.run import CacheKey
from procengine.processing.cache_namespace import GLOBAL_PLACE, Entry, Namespace, Saved
from procengine.processing.cache_trace import NO_VALUES, TracedValues
from procengine.processing.failure import failure_message
from procengine.processing.plugin_classes import SINGLE_FILE_MODULES, Home
from procengine.processing.plugin_pickle import (
    LONGEST_COMPARED_BYTES,
    ValuePickles,
    fingerprint,
    is_immutable,
)
from procengine.state import (
    LARGEST_VALUE_BYTES,
    Commit,
    Group,
    KeyPlace,
    Place,
    PluginState,
)

ATTEMPTS: Final = 3
"""How often a value is pickled that another thread changes meanwhile."""

MOST_INTERRUPTIONS: Final = 3
"""After so many values of one run whose pickling was interrupted, the rest is left to the next commit."""

Guard = Callable[[Callable[[], None]], None]
"""Calls code of plugins so that it can be interrupted; what it raises then is a KeyboardInterrupt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheChanges:
    """What a run did to the plugin cache: the keys that it changed, and what its log is to say.

    ``fault`` is why changes are not durable yet. ``entries`` are, for each of ``keys``, what it holds now, None for
    nothing, and ``pickles`` the bytes of that which were handed to the disk, None for none; ``traced`` what the keys
    held before and hold now.
    """

    keys: tuple[CacheKey, ...] = ()
    entries: Sequence[Entry | None] = ()
    pickles: Sequence[bytes | None] = ()
    traced: TracedValues = NO_VALUES
    warnings: tuple[str, ...] = ()
    fault: str | None = None


NO_CHANGES: Final = CacheChanges()


class TouchedKeys(NamedTuple):
    """Keys to be looked at. ``own`` tells what the run itself touched from what it commits for others."""

    namespace: Namespace
    keys: Iterable[str]
    own: bool


class Look:
    """A key that may have changed; ``entry`` is None when it has no value any more.

    After pickling it has ``data``, with its ``mark`` and ``crc``, or a ``reason`` why there are none; neither when
    pickling was interrupted.
    """

    __slots__ = (
        "crc",
        "data",
        "entry",
        "key",
        "mark",
        "namespace",
        "own",
        "reason",
        "stamp",
        "type_name",
    )

    def __init__(
        self, namespace: Namespace, key: str, entry: Entry | None, own: bool, stamp: int
    ) -> None:
        self.namespace = namespace
        self.key = key
        self.entry = entry
        self.own = own
        self.stamp = stamp
        self.data: bytes | None = None
        self.reason: str | None = None
        self.type_name = ""

    def pickle(self, value: Any, dump: Callable[[Any], bytes]) -> None:
        """Pickle the value, or note why that cannot be.

        Raises:
            KeyboardInterrupt: the run was cancelled, or the notebook's stop button pressed.
        """
        try:
            self.type_name = _PLAIN_NAMES.get(type(value)) or type_name(value)
            try:
                data = dump(value)
            except RuntimeError as error:
                if isinstance(error, RecursionError):
                    raise
                # Most likely another thread changed a dictionary or a set meanwhile.
                data = _dumped_again(value, dump)
            if len(data) > LARGEST_VALUE_BYTES:
                raise ValueError(
                    f"its {len(data)} bytes are more than the {LARGEST_VALUE_BYTES} that can be stored"
                )
            self.mark = data if len(data) <= LONGEST_COMPARED_BYTES else fingerprint(data)
            self.crc = crc32(data)
            self.data = data
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin's own methods, and the depth of recursion
            self.reason = failure_message(error)


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
        self, touched: Iterable[TouchedKeys], *, run_id: int | None, home: Home | None, guard: Guard
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
        settling = Settling(run_id, now_ns)
        with self._lock:
            began = next(self._stamps)
            self._looking[began] = None
        try:
            looks = self._look(touched, now_ns, settling)
            self._pickle(looks, self._pickles, home, guard)
            with self._lock:
                for look in looks:
                    self._settle(look, settling)
                asked = settling.asks_for_an_answer
                if asked:
                    self._store.submit(settling.group, settling.commit)
        finally:
            with self._lock:
                del self._looking[began]
                self._bury()
        fault = settling.commit.wait() if asked else None
        return settling.changes(fault)

    def drop(self, namespaces: Iterable[Namespace]) -> str | None:
        """Forget namespaces durably; return None, or why that is not durable yet."""
        commit, group = Commit(), Group()
        with self._lock:
            for namespace in namespaces:
                namespace.dropped = True
                if namespace.place is not None:
                    group.drops.append(namespace.place)
            if self._store is None or not group.drops:
                return None
            self._store.submit(group, commit)
        return commit.wait()

    def _noted(self, touched: Iterable[TouchedKeys], run_id: int | None, now_ns: int) -> CacheChanges:
        """Note which keys were put or deleted; nothing is stored, and changes in place are not seen."""
        changed, entries = [], []
        for namespace, keys, own in touched:
            for key in keys:
                entry = namespace.live(key, now_ns)
                if entry is None:
                    is_new = namespace.saved.pop(key, None) is not None
                else:
                    is_new = entry.saved is None
                    if is_new:
                        name = type_name(entry.value)
                        entry.saved = Saved(0, None, None, name, entry.expires_ns, run_id, now_ns, None)
                        namespace.saved[key] = entry.saved
                if is_new and own:
                    changed.append(CacheKey(key, namespace.place == GLOBAL_PLACE, entry is None))
                    entries.append(entry)
        if not changed:
            return NO_CHANGES
        return CacheChanges(keys=tuple(changed), entries=entries, pickles=[None] * len(changed))

    def _look(self, touched: Iterable[TouchedKeys], now_ns: int, settling: Settling) -> list[Look]:
        """Return what may have changed; note whether anything touched is still under way to the disk."""
        looks = []
        asked: Commit | None = None  # mostly the keys of a run were last committed by one
        for namespace, keys, own in touched:
            for key in keys:
                stamp = next(self._stamps)
                entry = namespace.entries.get(key)
                if entry is not None and entry.expires_ns is not None and entry.expires_ns <= now_ns:
                    entry = None
                saved = namespace.saved.get(key)
                if saved is not None and saved.commit is not asked:
                    asked = saved.commit
                    settling.wait_for(saved)
                if entry is None:
                    if saved is not None and not saved.gone:
                        looks.append(Look(namespace, key, None, own, stamp))
                elif entry.stored is None and (entry.saved is None or not _is_same(entry, saved)):
                    looks.append(Look(namespace, key, entry, own, stamp))
        return looks

    def _pickle(self, looks: list[Look], pickles: ValuePickles, home: Home | None, guard: Guard) -> None:
        """Pickle the values, on the run's thread."""
        left = [look for look in reversed(looks) if look.entry is not None]

        def work() -> None:
            dump = pickles.dumper(home)
            while left:
                look = left.pop()
                assert look.entry is not None
                look.stamp = next(self._stamps)
                look.pickle(look.entry.value, dump)

        interruptions = 0
        while left and interruptions < MOST_INTERRUPTIONS:
            try:
                guard(work)
            except KeyboardInterrupt:  # What has no result then is late; the values after it are tried.
                interruptions += 1

    def _settle(self, look: Look, settling: Settling) -> None:
        """Turn a look into a change of the file, if it is one. The lock is held."""
        namespace, key, entry = look.namespace, look.key, look.entry
        saved, place = namespace.saved.get(key), namespace.place
        if namespace.dropped or place is None:
            return
        if saved is not None and saved.stamp > look.stamp:
            settling.wait_for(saved)
        elif entry is None:
            if saved is not None and not saved.gone:
                gone = settling.replace(look, saved, gone=True)
                self._graves.append((namespace, key, gone))
        elif look.data is not None:
            if (
                saved is not None
                and saved.fingerprint == look.mark
                and saved.size_bytes == len(look.data)
                and saved.expires_ns == entry.expires_ns
            ):
                entry.saved = saved
                settling.wait_for(saved)
            else:
                entry.saved = settling.put(look, look.data, entry.expires_ns, place)
        elif look.reason is not None:
            if namespace.warn_once(key, look.reason):
                settling.warnings.append(_unsaved_text(look))
            if saved is None or entry.saved is not saved or saved.is_stored:
                entry.saved = settling.replace(look, saved, gone=False)
        else:
            namespace.late[key] = None
            settling.interrupted.append(f"key {key!r}")

    def _bury(self) -> None:
        """Forget removed keys that no look going on can be older than. The lock is held."""
        oldest = next(iter(self._looking), None)
        while self._graves and (oldest is None or self._graves[0][2].stamp < oldest):
            namespace, key, gone = self._graves.popleft()
            if namespace.saved.get(key) is gone:
                del namespace.saved[key]


class Settling:
    """The changes of one run in the making."""

    def __init__(self, run_id: int | None, now_ns: int) -> None:
        self.commit = Commit()
        self.group = Group()
        self.warnings: list[str] = []
        self.interrupted: list[str] = []
        self._keys: list[CacheKey] = []
        self._entries: list[Entry | None] = []
        self._pickles: list[bytes | None] = []
        self._waits = False
        self._run_id = run_id
        self._now_ns = now_ns

    @property
    def asks_for_an_answer(self) -> bool:
        """Whether there is anything to write, or something of others to wait for."""
        return self._waits or len(self.group) > 0

    def wait_for(self, saved: Saved) -> None:
        """Have the run wait until another one's commit is durable, if it is not yet."""
        if saved.commit is not None and not self._waits and not saved.commit.durable:
            self._waits = True

    def put(self, look: Look, data: bytes, expires_ns: int | None, place: Place) -> Saved:
        """Let a key have a value, and return what is to be known of it."""
        # What `_note` does is written out: each put pays for it.
        namespace, key, name, own = look.namespace, look.key, look.type_name, look.own
        run_id, now_ns = self._run_id if own else None, self._now_ns
        database, trigger_id = place
        self.group.puts.append(
            (database, trigger_id, key, data, look.crc, name, expires_ns, run_id, now_ns)
        )
        saved = Saved(look.stamp, look.mark, len(data), name, expires_ns, run_id, now_ns, self.commit)
        namespace.saved[key] = saved
        if namespace.told:
            namespace.told.pop(key, None)
        if own:
            self._keys.append(CacheKey(key, not trigger_id and not database, False))
            self._entries.append(look.entry)
            self._pickles.append(data)
        return saved

    def replace(self, look: Look, before: Saved | None, *, gone: bool) -> Saved:
        """Let a key have nothing stored, and return what is to be known of it."""
        namespace = look.namespace
        assert namespace.place is not None
        is_stored = before is not None and before.is_stored
        if is_stored:
            self.group.deletes.append(KeyPlace(*namespace.place, look.key))
        after = Saved(
            look.stamp,
            None,
            None,
            look.type_name,
            None,
            self._run_id if look.own else None,
            self._now_ns,
            self.commit if is_stored else None,
            gone,
        )
        self._note(look, after)
        return after

    def changes(self, fault: str | None) -> CacheChanges:
        """Return what the run did; ``fault`` is the disk's answer."""
        if fault is None and self.interrupted:
            fault = f"pickling {', '.join(self.interrupted)} was interrupted"
        return CacheChanges(
            keys=tuple(self._keys),
            entries=self._entries,
            pickles=self._pickles,
            warnings=tuple(self.warnings),
            fault=fault,
        )

    def _note(self, look: Look, saved: Saved) -> None:
        namespace, key = look.namespace, look.key
        namespace.saved[key] = saved
        if look.reason is None and namespace.told:
            namespace.told.pop(key, None)
        if look.own:
            self._keys.append(CacheKey(key, namespace.place == GLOBAL_PLACE, saved.gone))
            self._entries.append(look.entry)
            self._pickles.append(None if saved.fingerprint is None else look.data)


_PLAIN_NAMES: Final = {
    kind: kind.__name__
    for kind in (bool, bytes, dict, float, frozenset, int, list, set, str, tuple, type(None))
}


def type_name(value: object) -> str:
    """Return the name of a value's type, with its module where that says something."""
    kind = type(value)
    if kind in _PLAIN_NAMES:
        return _PLAIN_NAMES[kind]
    try:
        module, name = kind.__module__, kind.__qualname__
        return name if module in SINGLE_FILE_MODULES else f"{module}.{name}"
    except Exception:  # noqa: BLE001 - a plugin's own metaclass
        return "?"


def _is_same(entry: Entry, saved: Saved | None) -> bool:
    """Tell without pickling whether an entry is as it was stored."""
    return (
        saved is not None
        and entry.saved is saved
        and saved.fingerprint is not None
        and is_immutable(entry.value)
    )


def _dumped_again(value: Any, dump: Callable[[Any], bytes]) -> bytes:
    for _ in range(ATTEMPTS - 2):
        with contextlib.suppress(RuntimeError):
            return dump(value)
    return dump(value)


def _unsaved_text(look: Look) -> str:
    kind = "global plugin cache" if look.namespace.place == GLOBAL_PLACE else "plugin cache"
    return (
        f"{kind}: the value of key {look.key!r} ({look.type_name}) cannot be pickled; it stays in memory and is lost "
        f"when the engine stops: {look.reason}"
    )
