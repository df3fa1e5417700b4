"""What does a cache need to know of the rows that a table had before it?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
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
    ) -> Iterator[T]:
        """Yield what a function makes of each batch of the rows, older writes first; duplicates are not merged.

        It is called in several threads at once. A batch has the time and, of ``columns`` (None: all of the
        table's), those that some of its rows have, and whatever `merged` needs. With ``since_ns`` rows of earlier
        times may be left out.
        """
        ...

    def merged(self, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
        """Return rows, older writes first, as one batch with one row for each (tags, time)."""
        ...


ReadHistory = Callable[[int], History]
"""Returns the history of a table by its id, as it is now."""
