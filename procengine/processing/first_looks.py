"""How did the values that a run touches look before, and how do they look now?

For dry runs and fired runs, whose record shows it. Kept as text, since a plugin may change a value in place without
putting it again.
"""

from __future__ import annotations

from typing import Any, Protocol

from procengine.processing.cache_namespace import Entry, Namespace


class HeldValues(Protocol):
    """What keeps the values that a run sees."""

    def now_ns(self) -> int:
        """Return the time by which values expire."""
        ...

    def sweep(self) -> None:
        """Let expired values go, unless that was done a moment ago."""
        ...

    def load(self, entry: Entry) -> Any:
        """Return an entry's value; a stored one as an object of its own."""
        ...

    def unpickled(
        self, namespace: Namespace, key: str, entry: Entry, warnings: list[str]
    ) -> Entry | None:
        """Return a stored entry with its value; None when it cannot be restored."""
        ...


class FirstLooks:
    """How each key looked when a run first touched it."""

    def __init__(self, local: Namespace, store: HeldValues) -> None:
        self._local = local
        self._store = store
        self.notes: list[str] = []
        """What a copy of the cache could not have; see `procengine.processing.cache_copies`."""
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
        entry = namespace.live(key, self._store.now_ns())
        if entry is not None and entry.stored is not None:
            entry = self._store.unpickled(namespace, key, entry, [])
        if entry is None:
            return None
        try:
            return repr(entry.value)
        except Exception as error:  # noqa: BLE001 - a plugin's own __repr__
            return f"<{type(entry.value).__name__}: repr failed: {type(error).__name__}>"
