"""When is a snapshot due?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPolicy:
    """Limits of what may wait for a snapshot; the first to be reached makes one due.

    ``flushes`` bounds the number of WAL contents that a restart replays, ``rows`` the buffered rows, and ``values``
    the buffered values (rows times columns), which stands for the memory that they take.

    Source: influxdb3_wal/src/snapshot_tracker.rs (by WAL files), influxdb3/src/commands/serve.rs (by memory).
    Differs: flushes here are smaller and many more, so rows and values usually decide.
    """

    flushes: int = 100_000
    rows: int = 5_000_000
    values: int = 50_000_000

    def __post_init__(self) -> None:
        if min(self.flushes, self.rows, self.values) < 1:
            raise ValueError(f"the limits of {self!r} must be 1 or more")


@dataclass(slots=True, kw_only=True)
class SnapshotTracker:
    """Counts what came since the last snapshot. The flush thread's, under the write buffer's lock."""

    policy: SnapshotPolicy
    flushes: int = 0
    rows: int = 0
    values: int = 0

    def add_rows(self, row_count: int, column_count: int) -> None:
        """Count rows that were buffered."""
        self.rows += row_count
        self.values += row_count * column_count

    @property
    def due(self) -> bool:
        """Whether a limit is reached."""
        policy = self.policy
        return self.flushes >= policy.flushes or self.rows >= policy.rows or self.values >= policy.values

    def take(self) -> SnapshotTracker:
        """Begin again, as all that was counted is being written; return the counts."""
        taken = SnapshotTracker(
            policy=self.policy, flushes=self.flushes, rows=self.rows, values=self.values
        )
        self.flushes = self.rows = self.values = 0
        return taken

    def give_back(self, taken: SnapshotTracker) -> None:
        """Add counts again whose snapshot failed."""
        self.flushes += taken.flushes
        self.rows += taken.rows
        self.values += taken.values
