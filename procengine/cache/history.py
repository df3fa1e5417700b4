"""What does a cache need to know of the rows that a table had before it?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import pyarrow as pa

T = TypeVar("T")


class History(Protocol):
    """All rows of a table at one instant."""

    @property
    def sequence_number(self) -> int:
        """The last flush whose rows are there."""
        ...

    @property
    def has_duplicates(self) -> bool:
        """Whether there may be rows of equal tags and time, to be made one by `merged`."""
        ...

    def reduced(
        self,
        reduce: Callable[[pa.RecordBatch], T],
        columns: Collection[str] | None = None,
        *,
        since_ns: int | None = None,
        flushed: Sequence[pa.RecordBatch] | None = None,
    ) -> Iterator[T]:
        """Yield what a function makes of each batch of the rows, older writes first; duplicates are not merged.

        It is called in several threads at once. A batch has the time and, of ``columns`` (None: all of the
        table's), those that some of its rows have, and whatever `merged` needs. With ``since_ns`` rows of earlier
        times may be left out. ``flushed`` are the batches that the rows which are in no file came in, where the
        caller has them: they are yielded instead, all of them, with columns that the caller may have added.
        """
        ...

    def merged(
        self,
        batches: Sequence[pa.RecordBatch],
        *,
        first: Collection[str] = (),
        flushed: bool = False,
    ) -> pa.RecordBatch:
        """Return rows, older writes first, as one batch with one row for each (tags, time).

        Of columns in ``first`` the first value stays, of others the last that is not null. ``flushed`` says that
        rows are among them as flushes brought them, which `has_duplicates` does not speak of.
        """
        ...


class CheckedHistory:
    """A history that calls ``check`` before each of its parts; what that raises ends the reading."""

    def __init__(self, history: History, check: Callable[[], None]) -> None:
        self._history = history
        self._check = check
        self.merged = history.merged

    @property
    def sequence_number(self) -> int:
        """The last flush whose rows are there."""
        return self._history.sequence_number

    @property
    def has_duplicates(self) -> bool:
        """Whether there may be rows of equal tags and time."""
        return self._history.has_duplicates

    def reduced(
        self,
        reduce: Callable[[pa.RecordBatch], T],
        columns: Collection[str] | None = None,
        *,
        since_ns: int | None = None,
        flushed: Sequence[pa.RecordBatch] | None = None,
    ) -> Iterator[T]:
        """Yield what a function makes of each batch of the rows."""
        parts = self._history.reduced(reduce, columns, since_ns=since_ns, flushed=flushed)
        try:
            for one in parts:
                self._check()
                yield one
        finally:
            if isinstance(parts, Generator):
                parts.close()  # now, or the threads that read would go on until it is collected


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flush:
    """The rows of a table that came with one flush, and when that was (nanoseconds UTC)."""

    batch: pa.RecordBatch
    inserted_ns: int


ReadHistory = Callable[[int], History]
"""Returns the history of a table by its id, as it is now."""
