"""What does a dry run of a trigger see of the plugin cache, so that it changes nothing?

A copy of the trigger's own, and of what all triggers share, made key by key where the plugin first touches one. The
copies go with the run: the next dry run begins from the real values again.

Values are copied by ``copy.deepcopy``, all with one memory of what was copied, so that two keys that hold one object
hold one copy. A value that cannot be copied is seen as it is, and the run's record says so.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from procengine.processing.cache_namespace import Entry, Namespace
from procengine.processing.failure import failure_message
from procengine.processing.first_looks import FirstLooks, HeldValues

MOST_TRIES: Final = 3
"""How often a value is copied that another run's thread changes meanwhile."""


class CopyingLooks(FirstLooks):
    """Fetches a copy of a value where a run first looks at its key, and notes how it looked. On the run's threads.

    ``originals`` maps the namespaces of the run to those that they are copies of.
    """

    def __init__(
        self, local: Namespace, store: HeldValues, originals: dict[Namespace, Namespace]
    ) -> None:
        super().__init__(local, store)
        self._originals = originals
        self._fetched: set[tuple[Namespace, str]] = set()
        self._memo: dict[int, Any] = {}
        self.notes: list[str] = []

    def look(self, namespace: Namespace, key: str) -> None:
        """Fetch the copy of a key's value and remember how it looks, unless it was looked at before."""
        if (namespace, key) not in self._fetched:
            self._fetched.add((namespace, key))
            self._fetch(namespace, key)
        super().look(namespace, key)

    def _fetch(self, namespace: Namespace, key: str) -> None:
        entry = self._originals[namespace].live(key, self._store.now_ns())
        if entry is None:
            return
        try:
            value = self._store.load(entry)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own text and methods
            self.notes.append(
                f"the stored value of key {key!r} cannot be restored and counts as missing: "
                f"{failure_message(error)}"
            )
            return
        if entry.stored is None:  # what was stored is an object of its own already
            value = self._copied(key, value)
        namespace.entries[key] = Entry(value, entry.expires_ns)

    def _copied(self, key: str, value: Any) -> Any:
        for tries_left in reversed(range(MOST_TRIES)):
            try:
                return copy.deepcopy(value, self._memo)
            except RuntimeError as error:  # a dictionary changed while it was copied, or too deep
                if tries_left and not isinstance(error, RecursionError):
                    continue
                reason = failure_message(error)
            except Exception as error:  # noqa: BLE001 - a plugin's own methods
                reason = failure_message(error)
            break
        self.notes.append(
            f"the value of key {key!r} cannot be copied, the dry run had the trigger's own: {reason}"
        )
        return value
