"""What do all sessions of an executor share?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How much of the machine a query may use.

    ``threads`` is the number of partitions of a plan, None for DataFusion's choice. ``memory_bytes`` bounds what the
    sorts, joins and aggregates of one query hold before they spill to disk, None for no bound.
    """

    threads: int | None = None
    memory_bytes: int | None = None
