"""What do all sessions of an executor share?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.bucket import LOCAL_PLACES, BucketOptions, ParquetPlaces


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How much of the machine a query may use.

    ``threads`` is the number of partitions of a plan, None for DataFusion's choice. ``memory_bytes`` bounds what the
    sorts, joins and aggregates of one query hold before they spill to disk, None for no bound. ``places`` is where
    Parquet files are found, ``bucket`` the object store that has them, None for none.
    """

    threads: int | None = None
    memory_bytes: int | None = None
    places: ParquetPlaces = LOCAL_PLACES
    bucket: BucketOptions | None = None
