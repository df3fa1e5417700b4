"""What was acknowledged? The write-ahead log."""

from procengine.wal.file_system import LOCAL, AppendFile, FileSystem
from procengine.wal.pending_flush import PendingFlush
from procengine.wal.wal import Wal, WalStatistics

__all__ = ["LOCAL", "AppendFile", "FileSystem", "PendingFlush", "Wal", "WalStatistics"]
