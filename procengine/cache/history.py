"""What does a cache need to know of the rows that a table had before it?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

import pyarrow as pa


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

    def batches(
        self, columns: Collection[str] | None = None, *, since_ns: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows, older writes first, as they were written: duplicates are not merged.

        A batch has the time and, of ``columns`` (None: all of the table's), those that some of its rows have, and
        whatever `merged` needs. With ``since_ns`` rows of earlier times may be left out.
        """
        ...

    def merged(self, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
        """Return rows, older writes first, as one batch with one row for each (tags, time)."""
        ...


ReadHistory = Callable[[int], History]
"""Returns the history of a table by its id, as it is now."""
