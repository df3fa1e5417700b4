"""What was acknowledged? The write-ahead log."""

from procengine.wal.pending_flush import PendingFlush
from procengine.wal.replayed_rows import ReplayedRows
from procengine.wal.stepped_wal import SteppedWal
from procengine.wal.wal import Wal, WalStatistics

__all__ = ["PendingFlush", "ReplayedRows", "SteppedWal", "Wal", "WalStatistics"]
