"""How many rows did the log bring back at the start, from where on?"""

from __future__ import annotations

from array import array
from bisect import bisect_right

from procengine.model.table_rows import WalContents


class ReplayedRows:
    """The row counts of replayed contents, by database and table; 16 bytes for each table of each flush."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str], array[int]] = {}
        self._counts: dict[tuple[int, str], array[int]] = {}

    def add(self, contents: WalContents) -> None:
        """Count contents; they come in the order of their numbers."""
        for rows in contents.rows:
            key = (rows.database_id, rows.table)
            self._numbers.setdefault(key, array("q")).append(contents.sequence_number)
            self._counts.setdefault(key, array("q")).append(rows.row_count)

    def count(self, database_id: int, table: str | None, after: int) -> int:
        """Return the rows of a database's table, or of all its tables, above a sequence number."""
        keys = [key for key in self._numbers if key[0] == database_id and table in (None, key[1])]
        return sum(sum(self._counts[key][bisect_right(self._numbers[key], after) :]) for key in keys)
