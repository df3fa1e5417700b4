"""What did a write do?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from procengine.errors import LineError
from procengine.model.column import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What one accepted write stored.

    ``tables`` maps each table to the number of rows it received, in first-seen order.
    ``new_tables`` and ``new_columns`` are what the write added to the catalog.
    ``errors`` holds the rejected lines of a partial write.
    ``wal_sequence_number`` is the flush that made it durable, and None for ``no_sync`` writes and
    when no row was stored.
    """

    database: str
    tables: Mapping[str, int] = field(default_factory=dict)
    new_database: bool = False
    new_tables: tuple[str, ...] = ()
    new_columns: tuple[tuple[str, Column], ...] = ()
    errors: tuple[LineError, ...] = ()
    wal_sequence_number: int | None = None

    @property
    def row_count(self) -> int:
        """The number of rows stored."""
        return sum(self.tables.values())
