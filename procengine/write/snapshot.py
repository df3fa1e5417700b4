"""How do the rows of all tables become the files of a snapshot?"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from procengine.wal import FileSystem
from procengine.write.buffered_rows import BufferedRows
from procengine.write.file_index import FileIndex
from procengine.write.parquet_file import ParquetFile
from procengine.write.parquet_writer import partitions, write_parquet


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a snapshot did: everything up to ``wal_sequence_number`` is in Parquet files; ``files`` are new."""

    wal_sequence_number: int
    files: tuple[ParquetFile, ...]

    @property
    def row_count(self) -> int:
        """The number of rows in the new files."""
        return sum(file.row_count for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenTable:
    """The rows of one table that a snapshot writes, oldest first."""

    database_id: int
    table_id: int
    rows: tuple[BufferedRows, ...]


class SnapshotFiles:
    """Writes Parquet files, and numbers them. One thread's at a time.

    ``next_number`` rises with each file, also with those that failed: a number is never used twice.
    """

    def __init__(self, index: FileIndex, *, file_system: FileSystem, gen1_duration_ns: int) -> None:
        self._index = index
        self._file_system = file_system
        self._gen1_duration_ns = gen1_duration_ns
        self.next_number = 1

    def write(self, tables: Sequence[FrozenTable]) -> tuple[ParquetFile, ...]:
        """Write the rows of tables to new files, durably; all of them or none.

        Raises:
            OSError: the disk refused.
        """
        files: list[ParquetFile] = []
        try:
            for table in tables:
                self._write_table(table, files)
        except BaseException:
            for file in files:
                remove_quietly(self._file_system, file)
            raise
        return tuple(files)

    def _write_table(self, table: FrozenTable, files: list[ParquetFile]) -> None:
        folder = self._index.table_folder(table.database_id, table.table_id)
        self._file_system.make_folder(folder)
        for between in partitions(table.rows, self._gen1_duration_ns):
            number, self.next_number = self.next_number, self.next_number + 1
            file = write_parquet(
                self._file_system,
                self._index.file_path(table.database_id, table.table_id, number),
                table.rows,
                between,
                database_id=table.database_id,
                table_id=table.table_id,
                number=number,
            )
            files.append(file)
        self._file_system.sync_folder(folder)


def remove_quietly(file_system: FileSystem, file: ParquetFile) -> None:
    """Remove a file that no index names; should it stay, the next start removes it."""
    with contextlib.suppress(OSError):
        file_system.remove(Path(file.path))
