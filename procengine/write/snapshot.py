"""How do the rows of all tables become the files of a snapshot?

A table's newest files are written again, together with its new rows, while they are not much larger than what is
added to them: so the files of a table stay few, however small the snapshots, each row is written again but a few
times, and late rows end up in one file with those that they overlap.

Differs: the original never rewrites a file (its Enterprise edition has a compactor of its own).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from procengine.errors import CorruptFileError
from procengine.file_system import FileSystem, make_folder_durably
from procengine.write.buffered_rows import BufferedRows
from procengine.write.file_index import FileIndex
from procengine.write.parquet_file import ParquetFile
from procengine.write.parquet_writer import FILE_ROWS, partitions, read_parquet, write_parquet

logger = logging.getLogger(__name__)

ABSORBED_BYTES = 64 * 1024 * 1024
"""How large the files are at most, together, that a table's snapshot writes again: they are read into memory."""


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
    """The rows of one table that a snapshot writes, and the table's files, each oldest first."""

    database_id: int
    table_id: int
    rows: tuple[BufferedRows, ...]
    files: tuple[ParquetFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFiles:
    """``added`` files hold the rows of the snapshot and of the ``replaced`` ones."""

    added: tuple[ParquetFile, ...]
    replaced: tuple[ParquetFile, ...]


NO_FILES = WrittenFiles(added=(), replaced=())


class SnapshotFiles:
    """Writes Parquet files, and numbers them. One thread's at a time.

    ``next_number`` rises with each file, also with those that failed: a number is never used twice.
    """

    def __init__(self, index: FileIndex, *, file_system: FileSystem, gen1_duration_ns: int) -> None:
        self._index = index
        self._file_system = file_system
        self._gen1_duration_ns = gen1_duration_ns
        self.next_number = 1
        self._durable_folders: set[Path] = set()

    def write(self, tables: Sequence[FrozenTable]) -> WrittenFiles:
        """Write the rows of tables to new files, durably; all of them or none.

        Raises:
            OSError: the disk refused.
        """
        added: list[ParquetFile] = []
        replaced: list[ParquetFile] = []
        self._index.ensure()
        try:
            for table in tables:
                absorbed, rows = self._absorb(table)
                self._write_table(table, (*rows, *table.rows), added)
                replaced += absorbed
        except BaseException:
            for file in added:
                remove_quietly(self._file_system, file.path)
            raise
        return WrittenFiles(added=tuple(added), replaced=tuple(replaced))

    def _absorb(self, table: FrozenTable) -> tuple[Sequence[ParquetFile], list[BufferedRows]]:
        """Return the files to be written again, and their rows, oldest first."""
        files = absorbable(table.files, sum(rows.row_count for rows in table.rows))
        try:
            return files, [
                BufferedRows(read_parquet(self._file_system, file), table.rows[-1].tags, settled=True)
                for file in files
            ]
        except (OSError, CorruptFileError):
            logger.exception(
                "cannot read Parquet files of table %d; they are left as they are", table.table_id
            )
            return (), []

    def _write_table(
        self, table: FrozenTable, rows: tuple[BufferedRows, ...], added: list[ParquetFile]
    ) -> None:
        folder = self._index.table_folder(table.database_id, table.table_id)
        self._make_folder(folder)
        for between in partitions(rows, self._gen1_duration_ns):
            number, self.next_number = self.next_number, self.next_number + 1
            file = write_parquet(
                self._file_system,
                self._index.file_path(table.database_id, table.table_id, number),
                rows,
                between,
                database_id=table.database_id,
                table_id=table.table_id,
                number=number,
            )
            added.append(file)
        self._file_system.sync_folder(folder)

    def _make_folder(self, folder: Path) -> None:
        """Make a table's folder and its database's; durable, those too that another process made."""
        for one in (folder.parent, folder):
            if one not in self._durable_folders:
                make_folder_durably(self._file_system, one, found_too=True)
                self._durable_folders.add(one)


def absorbable(files: Sequence[ParquetFile], row_count: int) -> tuple[ParquetFile, ...]:
    """Return the newest files that are worth writing again together with so many new rows, oldest first."""
    kept, size_bytes = len(files), 0
    while kept and files[kept - 1].row_count <= min(2 * row_count, FILE_ROWS - row_count):
        size_bytes += files[kept - 1].size_bytes
        if size_bytes > ABSORBED_BYTES:
            break
        kept -= 1
        row_count += files[kept].row_count
    return tuple(files[kept:])


def remove_quietly(file_system: FileSystem, path: str) -> None:
    """Remove a file that no index names; should it stay, the next start removes it."""
    with contextlib.suppress(OSError):
        file_system.remove(Path(path))
