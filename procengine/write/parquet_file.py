"""What is known of one Parquet file?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class ParquetFile:
    """A Parquet file of one table. Its content is never changed.

    Rows are sorted by ``sort_key`` (the tags of the series key as it was then, then ``time``), tags absent first,
    and no two have the same tags and time. Tags are stored with their dictionary type, so that a reader sees
    ``dictionary<int32, utf8>``; columns that the table received later are missing.
    ``number`` orders the files of a table by age: of two rows with the same tags and time, a value of the file
    with the higher number wins. Times are nanoseconds UTC, bounds included. ``checksum`` is the CRC-32 of all bytes.
    """

    path: str
    number: int
    database_id: int
    table_id: int
    size_bytes: int
    checksum: int
    row_count: int
    min_time_ns: int
    max_time_ns: int
    sort_key: tuple[str, ...]
