"""What does a query need to know of a table's rows?

The write buffer implements these protocols; a query asks for nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from procengine.model.table_schema import TableSchema


class StoredFile(Protocol):
    """One Parquet file of a table; it is never changed, and outlives the queries that see it."""

    @property
    def path(self) -> str:
        """Where the file is."""
        ...

    @property
    def size_bytes(self) -> int:
        """The file's size."""
        ...

    @property
    def row_count(self) -> int:
        """The number of rows."""
        ...

    @property
    def min_time_ns(self) -> int:
        """The earliest time."""
        ...

    @property
    def max_time_ns(self) -> int:
        """The latest time."""
        ...


class StoredRows(Protocol):
    """All rows of one table at one instant: Parquet files, older first, then buffered rows.

    Where two rows have the same tags and time, the later one's fields win, null by null.
    """

    @property
    def schema(self) -> TableSchema:
        """The table's columns."""
        ...

    @property
    def files(self) -> Sequence[StoredFile]:
        """The Parquet files in the order of their making; older ones may lack columns."""
        ...

    @property
    def row_count(self) -> int:
        """The number of buffered rows."""
        ...

    @property
    def hidden_before_ns(self) -> int | None:
        """The instant before which rows of files are to be left out; None where files have no such rows."""
        ...

    @property
    def overlaps(self) -> Sequence[tuple[int, int]]:
        """Closed time ranges (nanoseconds) that may hold two rows with the same tags and time.

        Outside of them there is none. Disjoint and ascending.
        """
        ...

    def batches(self) -> Sequence[pa.RecordBatch]:
        """Return the buffered rows, of ``schema.arrow_schema``, in the order of their arrival."""
        ...

    def prune(
        self, min_ns: int, max_ns: int, tag_equals: Mapping[str, frozenset[str]] | None = None
    ) -> StoredRows:
        """Return the rows whose time lies within the closed range and whose tags have the values.

        Of buffered rows just these; files are chosen whole, so that they hold others as well.
        """
        ...
