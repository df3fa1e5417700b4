"""What is held of one namespace of the plugin cache, and what is known to be stored of it?

`Entry` is a value in memory. `Saved` is what the last commit of a key said. A value that an earlier engine stored is
an entry with bytes in the place of a value, until a plugin asks for it.

Any thread reads and writes entries, without a lock: one look-up in a dictionary is atomic. ``saved`` is changed by
`procengine.processing.cache_commits` alone.
"""

from __future__ import annotations

import heapq
import threading
from typing import Any, Final

from procengine.processing.plugin_pickle import fingerprint
from procengine.state import Commit, Place, StoredValue


class Saved:
    """What the last commit of a key said. Replaced, not changed, but for a fingerprint that is taken anew.

    ``stamp`` orders commits by the moment at which they looked at the value. ``fingerprint`` is None for a value that
    is in memory only: it cannot be pickled, or nothing is stored at all; ``gone`` says that the key was removed.
    ``commit`` is None for what was found at start, and ``crc`` then the CRC-32 that its bytes are to have.
    """

    __slots__ = (
        "changed_ns",
        "commit",
        "crc",
        "expires_ns",
        "fingerprint",
        "gone",
        "run_id",
        "size_bytes",
        "stamp",
        "type_name",
    )

    def __init__(  # noqa: PLR0917 - made for each key of a run
        self,
        stamp: int,
        fingerprint: bytes | None,
        size_bytes: int | None,
        type_name: str,
        expires_ns: int | None,
        run_id: int | None,
        changed_ns: int,
        commit: Commit | None,
        gone: bool = False,
        crc: int = 0,
    ) -> None:
        self.stamp = stamp
        self.fingerprint = fingerprint
        self.size_bytes = size_bytes
        self.type_name = type_name
        self.expires_ns = expires_ns
        self.run_id = run_id
        self.changed_ns = changed_ns
        self.commit = commit
        self.gone = gone
        self.crc = crc

    @property
    def is_stored(self) -> bool:
        """Whether the file has, or is to have, a value of the key."""
        return self.fingerprint is not None

    @property
    def is_settled(self) -> bool:
        """Whether nothing about it is under way to the disk."""
        return self.commit is None or self.commit.durable


class Entry:
    """A cached value; ``expires_ns`` is None when it never expires.

    ``stored`` are the bytes of a value that nobody asked for since the start: ``value`` is None then. ``saved`` is
    what a commit said of this very entry; None before the first one.
    """

    __slots__ = ("expires_ns", "saved", "stored", "value")

    def __init__(
        self,
        value: Any,
        expires_ns: int | None,
        saved: Saved | None = None,
        stored: bytes | None = None,
    ) -> None:
        self.value = value
        self.expires_ns = expires_ns
        self.saved = saved
        self.stored = stored


class Namespace:
    """Keys and values that belong together; without a ``place`` they are never stored.

    ``late`` are keys to be committed that no run in flight answers for: a thread touched them after its run had
    ended, they expired, or a commit was interrupted. ``told`` are the reasons that warnings have given by key.
    A namespace that was ``dropped`` is stored no more.
    """

    __slots__ = (
        "_expirations",
        "default_ttl_ns",
        "dropped",
        "entries",
        "late",
        "lock",
        "name",
        "place",
        "saved",
        "told",
    )

    def __init__(self, name: str, place: Place | None = None, default_ttl_ns: int | None = None) -> None:
        self.name = name
        self.place = place
        self.default_ttl_ns = default_ttl_ns
        self.entries: dict[str, Entry] = {}
        self.saved: dict[str, Saved] = {}
        self.late: dict[str, Entry | None] = {}
        self.told: dict[str, str] = {}
        self.dropped = False
        self._expirations: list[tuple[int, str]] = []
        # Guards the heap of expirations, and the choice between two threads that unpickle one key; plugin code
        # (a value's ``__del__``) never runs under it.
        self.lock = threading.Lock()

    def put(self, key: str, value: object, expires_ns: int | None) -> None:
        """Hold a value under a key, in place of what was there."""
        self.entries[key] = Entry(value, expires_ns)
        if expires_ns is not None:
            self._expires(key, expires_ns)

    def restore(self, stored: StoredValue) -> None:
        """Hold a stored value as bytes. Before any plugin runs."""
        saved = Saved(
            0,
            fingerprint(stored.data),
            len(stored.data),
            stored.type_name,
            stored.expires_ns,
            stored.run_id,
            stored.changed_ns,
            None,
            crc=stored.crc,
        )
        self.saved[stored.key] = saved
        self.entries[stored.key] = Entry(None, stored.expires_ns, saved, stored.data)
        if stored.expires_ns is not None:
            self._expires(stored.key, stored.expires_ns)

    def install(self, key: str, before: Entry, after: Entry) -> Entry | None:
        """Put an unpickled entry in the place of its bytes; return the entry that now counts, if there is one."""
        with self.lock:
            found = self.entries.get(key)
            if found is before:
                self.entries[key] = after
                return after
        return None if found is None or found.stored is not None else found

    def live(self, key: str, now_ns: int) -> Entry | None:
        """Return the entry of a key, unless it has expired."""
        entry = self.entries.get(key)
        if entry is None or (entry.expires_ns is not None and entry.expires_ns <= now_ns):
            return None
        return entry

    def expired_keys(self, now_ns: int) -> list[str]:
        """Return the keys that were to expire by now, and forget that they were."""
        if not self._expirations or self._expirations[0][0] > now_ns:
            return []
        due = []
        with self.lock:
            while self._expirations and self._expirations[0][0] <= now_ns:
                due.append(heapq.heappop(self._expirations)[1])
        return due

    def sweep(self, now_ns: int) -> None:
        """Remove what has expired."""
        for key in self.expired_keys(now_ns):
            entry = self.entries.get(key)
            if entry is not None and entry.expires_ns is not None and entry.expires_ns <= now_ns:
                self.entries.pop(key, None)
                self.let_expire(key)

    def let_expire(self, key: str) -> None:
        """Have a key that expired removed from the file as well, by the next commit."""
        if key in self.saved:
            self.late[key] = None

    def take_late(self) -> list[str]:
        """Return the late keys and forget them; threads may add more meanwhile."""
        keys = []
        while self.late:
            try:
                keys.append(self.late.popitem()[0])
            except KeyError:  # another thread took the last one
                break
        return keys

    def warn_once(self, key: str, text: str) -> bool:
        """Tell whether a text about a key is new."""
        if self.told.get(key) == text:
            return False
        self.told[key] = text
        return True

    def _expires(self, key: str, expires_ns: int) -> None:
        with self.lock:
            heapq.heappush(self._expirations, (expires_ns, key))


GLOBAL_PLACE: Final = Place("", 0)
"""The namespace that all triggers share."""
