"""Which Parquet files count, and up to which flush are they complete?

One small file, replaced as a whole: its content is the truth after a restart, and a Parquet file that it does not
name is left over from a snapshot that did not finish. A header names its format version, a checksum guards it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from procengine.errors import CorruptFileError
from procengine.file_system import FileSystem, make_folder_durably, put_in_place, write_durably
from procengine.model.framing import FileFormat, Record, decode_record, encode_record
from procengine.write.parquet_file import ParquetFile

logger = logging.getLogger(__name__)

INDEX_FORMAT = FileFormat(kind="file index", magic=b"procfile")
INDEX_NAME = "index"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedFiles:
    """The content of a file index.

    Everything up to ``wal_sequence_number`` is in ``files``. ``next_number`` is above the number of every file
    that was ever made. ``removed`` holds the ids of the tables whose rows are gone for good, should the log still
    have some.
    """

    wal_sequence_number: int = 0
    next_number: int = 1
    files: tuple[ParquetFile, ...] = ()
    removed: frozenset[int] = frozenset()


class FileIndex:
    """The file index of a folder. Whoever writes it sees to it that nobody else does."""

    def __init__(self, folder: Path, *, file_system: FileSystem) -> None:
        self._folder = folder
        self._files = file_system
        self._is_there = False
        self._unnamed: frozenset[Path] = frozenset()

    @property
    def path(self) -> Path:
        """Where the index is."""
        return self._folder / INDEX_NAME

    def table_folder(self, database_id: int, table_id: int) -> Path:
        """Return where a table's files are."""
        return self._folder / str(database_id) / str(table_id)

    def file_path(self, database_id: int, table_id: int, number: int) -> Path:
        """Return where a Parquet file is."""
        return self.table_folder(database_id, table_id) / f"{number:010}.parquet"

    def load(self) -> IndexedFiles:
        """Read the index; `remove_unnamed` is to follow when it has proved to be the right one.

        Raises:
            DataFormatError: it has another format version.
            CorruptFileError: it is damaged, or names a file that is not there, or is missing though files are there.
        """
        make_folder_durably(self._files, self._folder)
        # The index may be one whose writer was killed before it was durable; only then may files go.
        self._files.sync_folder(self._folder)
        indexed = IndexedFiles()
        self._is_there = INDEX_NAME in self._files.names(self._folder)
        if self._is_there:
            indexed = self._decode(self._files.read(self.path))
        found = set(self._parquet_files())
        if found and not self._is_there:
            raise CorruptFileError(
                f"file index {str(self.path)!r} is missing, though there are Parquet files, as {str(min(found))!r}; "
                "restore it from a copy, or move the folder's files out of it to go on without their rows",
                path=str(self.path),
                offset=0,
            )
        for file in indexed.files:
            if Path(file.path) not in found:
                raise CorruptFileError(
                    f"Parquet file {file.path!r} is missing, though {str(self.path)!r} names it; "
                    "restore it from a copy",
                    path=file.path,
                    offset=0,
                )
        self._unnamed = frozenset(found - {Path(file.path) for file in indexed.files})
        return indexed

    def remove_unnamed(self) -> None:
        """Remove the Parquet files that the index did not name when it was loaded.

        To be called when the log has been found to go on where the index ends: that of another day, put back by
        hand, must not cost the files that it does not know.

        Raises: OSError.
        """
        unnamed, self._unnamed = self._unnamed, frozenset()
        for path in sorted(unnamed):
            logger.info("removing %s, left over from an unfinished snapshot", path)
            self._files.remove(path)

    def ensure(self) -> None:
        """Make an index that names no file, if there is none: so that Parquet files without one are a damage.

        It is durable once the folder is synced, as it is before the first Parquet file has a durable name.

        Raises: OSError.
        """
        if not self._is_there:
            put_in_place(self._files, self.path, _encode(IndexedFiles()))
            self._is_there = True

    def store(self, indexed: IndexedFiles) -> None:
        """Replace the index, durably.

        Raises:
            OSError: it was not replaced, or perhaps it was.
        """
        write_durably(self._files, self.path, _encode(indexed))
        self._is_there = True

    def _decode(self, data: bytes) -> IndexedFiles:
        start = INDEX_FORMAT.check(data, str(self.path))
        record = decode_record(data, start)
        if not isinstance(record, Record) or not start:
            raise CorruptFileError(
                f"cannot read file index {str(self.path)!r}: it is damaged at offset {start}; "
                "restore it from a copy",
                path=str(self.path),
                offset=start,
            )
        content = json.loads(bytes(record.payload))
        return IndexedFiles(
            wal_sequence_number=content["wal_sequence_number"],
            next_number=content["next_number"],
            files=tuple(self._from_json(one) for one in content["files"]),
            removed=frozenset(content["removed"]),
        )

    def _from_json(self, content: dict[str, int | list[str]]) -> ParquetFile:
        numbers = {name: value for name, value in content.items() if isinstance(value, int)}
        path = self.file_path(numbers["database_id"], numbers["table_id"], numbers["number"])
        sort_key = content["sort_key"]
        assert isinstance(sort_key, list)
        return ParquetFile(path=str(path), sort_key=tuple(sort_key), **numbers)

    def _parquet_files(self) -> Sequence[Path]:
        """Return the Parquet files that are there, unfinished ones included."""
        return [
            table / name
            for database in self._folders(self._folder)
            for table in self._folders(database)
            for name in self._files.names(table)
            if name.endswith((".parquet", ".parquet.part"))
        ]

    def _folders(self, folder: Path) -> Sequence[Path]:
        return [folder / name for name in self._files.names(folder) if name.isdigit()]


def _encode(indexed: IndexedFiles) -> bytes:
    content = {
        "wal_sequence_number": indexed.wal_sequence_number,
        "next_number": indexed.next_number,
        "files": [_to_json(file) for file in indexed.files],
        "removed": sorted(indexed.removed),
    }
    payload = json.dumps(content, separators=(",", ":")).encode()
    return INDEX_FORMAT.header + encode_record(payload)


def _to_json(file: ParquetFile) -> dict[str, object]:
    return {
        "database_id": file.database_id,
        "table_id": file.table_id,
        "number": file.number,
        "size_bytes": file.size_bytes,
        "checksum": file.checksum,
        "row_count": file.row_count,
        "min_time_ns": file.min_time_ns,
        "max_time_ns": file.max_time_ns,
        "sort_key": list(file.sort_key),
    }
