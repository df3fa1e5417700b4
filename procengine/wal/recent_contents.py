"""Which flushes are still in memory?"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from procengine.model.table_rows import TableRows, WalContents

BATCH_BYTES = 2_300
COLUMN_BYTES = 480
"""What a record batch and a column of it take beside their values: objects of Python and of Arrow. Measured; of
writes of one line each they are most of what is held."""


def held_bytes(rows: Iterable[TableRows], value_bytes: int) -> int:
    """Return about what rows take in memory, of which ``value_bytes`` are their values."""
    for one in rows:
        value_bytes += BATCH_BYTES + COLUMN_BYTES * int(one.batch.num_columns)
    return value_bytes


class RecentContents:
    """The newest WAL contents, up to a number of bytes; the newest of all is always there.

    The flush thread alone adds; any thread may look up, and needs no lock for it: one dictionary access each.
    """

    def __init__(self, retained_bytes: int) -> None:
        self.retained_bytes = retained_bytes
        self._held: dict[int, WalContents] = {}
        self._sizes: deque[tuple[int, int]] = deque()
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """The bytes held."""
        return self._size_bytes

    def add(self, contents: WalContents, size_bytes: int) -> None:
        """Hold contents, which take so many bytes in memory, and let go of the oldest that no longer fit."""
        self._held[contents.sequence_number] = contents
        self._sizes.append((contents.sequence_number, size_bytes))
        self._size_bytes += size_bytes
        while self._size_bytes > self.retained_bytes and len(self._sizes) > 1:
            sequence_number, size = self._sizes.popleft()
            self._size_bytes -= size
            del self._held[sequence_number]

    def get(self, sequence_number: int) -> WalContents | None:
        """Return contents, or None when they are not held."""
        return self._held.get(sequence_number)
