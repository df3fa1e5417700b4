"""What has happened, as far as it is kept? Rows as they came: the newest in memory, more on disk."""

from procengine.history.history_files import HistoryFiles
from procengine.history.history_writer import HistoryWriter, Writable, Written
from procengine.history.journal import Journal, JournalFormat, JournalStatistics
from procengine.history.kept_aside import keep_aside

__all__ = [
    "HistoryFiles",
    "HistoryWriter",
    "Journal",
    "JournalFormat",
    "JournalStatistics",
    "Writable",
    "Written",
    "keep_aside",
]
