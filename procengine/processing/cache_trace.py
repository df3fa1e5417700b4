"""What did a run find and leave in the plugin cache, by reference?

Taken where a run ends, from what the commit of its changes has in hand: nothing is copied, pickled or formatted for
it. The texts are made when somebody asks.

A value that a plugin changes in place is the same object before and after. So bytes count more than objects: those
that the commit stored, and those of the commit before, where they are still known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, NamedTuple

from procengine.model.run import CacheKey
from procengine.processing.cache_namespace import Entry, Saved
from procengine.processing.failure import failure_message
from procengine.processing.plugin_pickle import is_immutable

Unpickle = Callable[[bytes], Any]


class TracedValue(NamedTuple):
    """One key that a run changed; ``before`` and ``after`` are None for a key that had no value.

    ``stored_before`` and ``stored_after`` are the pickles, None where none is known.
    """

    key: CacheKey
    before: Entry | None
    after: Entry | None
    stored_before: bytes | None = None
    stored_after: bytes | None = None


class FirstFound:
    """What the keys of one namespace held when a run first touched them. Made before its changes are committed."""

    __slots__ = ("saved", "touched")

    def __init__(self, touched: Mapping[str, Entry | None]) -> None:
        self.touched = touched
        # A commit replaces what an entry says of the last one.
        self.saved = {key: entry.saved for key, entry in touched.items() if entry is not None}


class TracedValues:
    """What a run found and left under the keys that it changed; each is made when somebody asks.

    ``size_bytes`` are the bytes of the pickles.
    """

    __slots__ = ("_after", "_before", "_keys", "_stored_after", "_stored_before", "size_bytes")

    def __init__(
        self,
        keys: Sequence[CacheKey],
        after: Sequence[Entry | None],
        stored_after: Sequence[bytes | None],
        found: tuple[FirstFound, FirstFound],
        now_ns: int,
    ) -> None:
        """``found`` is in the run's own namespace and in the global one; what had expired by now was not there."""
        self._keys = keys
        self._after = after
        self._stored_after = stored_after
        self._before = [_unless_expired(found[one[1]].touched.get(one[0]), now_ns) for one in keys]
        self._stored_before = [
            None if before is None else _known_bytes(found[one[1]].saved.get(one[0]))
            for one, before in zip(keys, self._before, strict=True)
        ]
        self.size_bytes = sum(map(len, filter(None, chain(self._stored_before, stored_after))))

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[TracedValue]:
        return map(
            TracedValue,
            self._keys,
            self._before,
            self._after,
            self._stored_before,
            self._stored_after,
        )


NO_VALUES: Final = TracedValues((), (), (), (FirstFound({}), FirstFound({})), 0)


def _unless_expired(entry: Entry | None, now_ns: int) -> Entry | None:
    if entry is None or (entry.expires_ns is not None and entry.expires_ns <= now_ns):
        return None
    return entry


def _known_bytes(saved: Saved | None) -> bytes | None:
    """Return the bytes of the last commit of a key, if they are so few that they are remembered."""
    if saved is None or saved.fingerprint is None or len(saved.fingerprint) != saved.size_bytes:
        return None
    return saved.fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueThen:
    """A cached value as it was at one end of a run.

    ``is_exact`` says that it is what it was then: restored from its pickle, or of a kind that cannot change.
    Otherwise it is the live object, which may have changed in place since. ``is_kept`` is false when nothing of it
    is known any more.
    """

    is_exact: bool
    is_kept: bool = True
    _load: Callable[[], Any] = field(repr=False, compare=False, default=lambda: None)

    @property
    def value(self) -> Any:
        """The value; a pickled one is unpickled, each time anew.

        Raises:
            LookupError: it is not kept.
            Exception: whatever unpickling raises.
        """
        if not self.is_kept:
            raise LookupError("what the value was before is not kept: it was changed in place")
        return self._load()

    @property
    def text(self) -> str:
        """``repr`` of the value, or why there is none. Plugin code may run."""
        try:
            return repr(self.value)
        except LookupError as error:
            return f"<{error}>" if not self.is_kept else f"<{failure_message(error)}>"
        except Exception as error:  # noqa: BLE001 - a plugin's own methods
            return f"<{failure_message(error)}>"


NOT_KEPT: Final = ValueThen(is_exact=False, is_kept=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheDifference:
    """One key of the plugin cache that a run changed; None for a value that was not there."""

    key: str
    use_global: bool
    before: ValueThen | None
    after: ValueThen | None


def differences(
    traced: Iterable[TracedValue], unpickle: Unpickle, earlier: Callable[[CacheKey], bytes | None]
) -> Iterator[CacheDifference]:
    """Yield what a run changed. ``earlier`` returns the bytes that a run before it left under a key, if known."""
    for one in traced:
        key = one.key
        yield CacheDifference(
            key=key.key,
            use_global=key.use_global,
            before=_before(one, unpickle, earlier),
            after=None if key.deleted else _then(one.after, one.stored_after, unpickle),
        )


def _before(
    one: TracedValue, unpickle: Unpickle, earlier: Callable[[CacheKey], bytes | None]
) -> ValueThen | None:
    if one.before is None:
        return None
    stored = one.stored_before or earlier(one.key)
    if stored is None and one.after is not None and one.before.value is one.after.value:
        return NOT_KEPT
    return _then(one.before, stored, unpickle)


def _then(entry: Entry | None, stored: bytes | None, unpickle: Unpickle) -> ValueThen:
    if entry is not None and entry.stored is None and is_immutable(entry.value):
        return ValueThen(is_exact=True, _load=lambda: entry.value)
    data = stored if stored is not None else entry.stored if entry is not None else None
    if data is not None:
        return ValueThen(is_exact=True, _load=lambda: unpickle(data))
    if entry is None:
        return NOT_KEPT
    return ValueThen(is_exact=False, _load=lambda: entry.value)
