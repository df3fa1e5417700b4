"""What was acknowledged? The write-ahead log."""

from procengine.wal.pending_flush import PendingFlush
from procengine.wal.wal import Wal, WalStatistics

__all__ = ["PendingFlush", "Wal", "WalStatistics"]
