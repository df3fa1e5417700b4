"""What did a run write and ask, word for word?

Texts are kept by reference, as the engine has them anyway. A run that does so much that keeping it would cost memory
is kept in part, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from procengine.model.quick_init import quick_init

MOST_CALLS: Final = 1_000
"""How many writes, and how many queries, of one run are kept."""

MOST_TEXT: Final = 4 << 20
"""How many characters of one run are kept."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class RunWrite:
    """One write of a run: ``lines`` is its line protocol.

    ``queued`` tells what was written after the entry point returned from what ``write_sync`` wrote. ``rows`` are
    those stored, by table; none in a dry run. ``fault`` is why nothing was stored. ``wal_sequence_number`` is the
    flush that made them durable, None where the write did not wait for one.
    """

    database: str
    lines: str
    queued: bool
    rows: Mapping[str, int] = field(default_factory=dict)
    fault: str | None = None
    wal_sequence_number: int | None = None


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """One query of a run, its parameters as they were bound, and how it ended.

    ``row_count`` is None for a query that failed, by ``fault``.
    """

    sql: str
    database: str
    params: Mapping[str, object] | None
    duration_ns: int
    row_count: int | None = None
    fault: str | None = None


class RunTrace:
    """The writes and queries of one run. Threads of the plugin may add at the same time."""

    __slots__ = ("left_out", "queries", "size_bytes", "writes")

    def __init__(self) -> None:
        self.writes: list[RunWrite] = []
        self.queries: list[RunQuery] = []
        self.size_bytes = 0
        self.left_out = 0

    def wrote(self, write: RunWrite) -> None:
        """Keep a write, if there is room."""
        if self._has_room(len(self.writes), len(write.lines)):
            self.writes.append(write)

    def asked(self, query: RunQuery) -> None:
        """Keep a query, if there is room."""
        if self._has_room(len(self.queries), len(query.sql)):
            self.queries.append(query)

    def _has_room(self, calls: int, text: int) -> bool:
        if calls < MOST_CALLS and self.size_bytes + text <= MOST_TEXT:
            self.size_bytes += text
            return True
        self.left_out += 1
        return False
