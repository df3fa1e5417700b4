"""Which rows exist: which of them in Parquet files, which only in memory?

The flush thread applies WAL contents, `snapshot` moves rows to Parquet files, and `view` shows a table at one
instant; each row is in exactly one place at every instant.

A snapshot sets the rows of now apart, with the number of the last flush applied; writes files; replaces the file
index, which makes the files count after a restart; and lets them stand for the rows. Only then may the log let go.
A crash before the index is replaced leaves files that the next start removes, and the log replays the rows; a crash
after it leaves log records that `apply` passes over by their number.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from procengine.bucket import LOCAL_PLACES, ParquetPlaces
from procengine.errors import NotFoundError, StorageError
from procengine.file_system import LOCAL, FileSystem, error_text
from procengine.model.table_rows import WalContents
from procengine.model.table_schema import TableSchema
from procengine.write.buffered_rows import BufferedRows
from procengine.write.checked_files import CheckedFiles
from procengine.write.file_index import FileIndex, IndexedFiles
from procengine.write.parquet_file import ParquetFile
from procengine.write.retired_files import RetiredFiles
from procengine.write.snapshot import NO_FILES, FrozenTable, Snapshot, SnapshotFiles, WrittenFiles
from procengine.write.snapshot_tracker import SnapshotPolicy, SnapshotTracker
from procengine.write.table_buffer import Pieces, TableBuffer, compacted
from procengine.write.table_history import TableHistory
from procengine.write.table_view import TableView

TEN_MINUTES_NS = 600 * 1_000_000_000


class TableLike(Protocol):
    """What is needed of a table's definition."""

    @property
    def schema(self) -> TableSchema:
        """The table's columns."""
        ...


class Tables(Protocol):
    """What is needed of the catalog."""

    def table_by_id(self, table_id: int) -> tuple[object, TableLike] | None:
        """Return a table's database and definition, or None when there is no such table."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBufferStatistics:
    """What is held.

    ``snapshot_sequence_number`` is the flush up to which everything is in Parquet files, ``applied_sequence_number``
    the newest that queries see.
    """

    table_count: int
    buffered_row_count: int
    file_count: int
    file_bytes: int
    applied_sequence_number: int
    snapshot_sequence_number: int


class WriteBuffer:
    """The rows of all tables.

    Without a folder (memory object store) there are no Parquet files, and all rows stay in memory.
    A Parquet file that was replaced or deleted goes when no view refers to it, at the earliest after
    ``retired_file_seconds``. ``places`` is where the files are read. ``due`` is set when a snapshot or a
    compaction should be made; `Snapshots` waits for it.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        catalog: Tables,
        gen1_duration_ns: int = TEN_MINUTES_NS,
        policy: SnapshotPolicy | None = None,
        retired_file_seconds: float = 300.0,
        file_system: FileSystem = LOCAL,
        places: ParquetPlaces = LOCAL_PLACES,
    ) -> None:
        self._places = places
        self._catalog = catalog
        self._folder = folder
        self._index = None if folder is None else FileIndex(folder, file_system=file_system)
        self._retired = RetiredFiles(file_system=file_system, grace_seconds=retired_file_seconds)
        self._checked = CheckedFiles(file_system=file_system)
        self._snapshot_files: SnapshotFiles | None = None
        if self._index is not None:
            self._snapshot_files = SnapshotFiles(
                self._index, file_system=file_system, gen1_duration_ns=gen1_duration_ns
            )
        self.due = threading.Event()
        # Guards the buffers, the tracker and the sequence numbers; held for container operations.
        self._lock = threading.Lock()
        self._buffers: dict[int, TableBuffer] = {}
        self._removed: set[int] = set()
        self._tracker = SnapshotTracker(policy=policy or SnapshotPolicy())
        self._applied = 0
        self._persisted = 0
        # Orders those who write the file index (snapshots and deletions). Held across disk, unlike other locks:
        # neither the flush thread nor a query ever takes it.
        self._index_door = threading.Lock()

    def load(self) -> int:
        """Read the file index; return the flush up to which everything is in Parquet files. To be called once, first.

        Raises:
            DataFormatError: the index has a format version that is not known.
            CorruptFileError: it is damaged, or a file is missing.
            StorageError: the folder cannot be read or written.
        """
        if self._index is None:
            return 0
        with self._folder_errors():
            indexed = self._index.load()
        by_table: dict[int, list[ParquetFile]] = {}
        for file in sorted(indexed.files, key=lambda one: one.number):
            by_table.setdefault(file.table_id, []).append(file)
        for table_id, files in by_table.items():
            self._buffers[table_id] = TableBuffer(files[0].database_id, table_id, files)
        self._removed = set(indexed.removed)
        if self._snapshot_files is not None:
            self._snapshot_files.next_number = indexed.next_number
        self._applied = self._persisted = indexed.wal_sequence_number
        return indexed.wal_sequence_number

    def loaded(self) -> None:
        """Remove the Parquet files that the index does not name; to be called when the log was replayed upon it.

        Raises: StorageError: the folder cannot be written.
        """
        if self._index is not None:
            with self._folder_errors():
                self._index.remove_unnamed()

    @contextmanager
    def _folder_errors(self) -> Iterator[None]:
        assert self._folder is not None
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"cannot use tables folder {str(self._folder)!r}: {error_text(error, self._folder)}; "
                "it must be a folder that can be read and written"
            ) from error

    def apply(self, contents: WalContents) -> None:
        """Let the rows of one flush be seen. The flush thread's, or the replay's.

        Contents that are in Parquet files already are passed over, and so are rows of tables that are gone.
        """
        with self._lock:
            if contents.sequence_number <= self._applied:
                return
            tracker = self._tracker
            for rows in contents.rows:
                buffer = self._buffers.get(rows.table_id) or self._new_buffer(
                    rows.database_id, rows.table_id
                )
                if buffer is not None and rows.batch.num_rows:
                    buffer.append(rows.batch)
                    tracker.add_rows(rows.batch.num_rows, rows.batch.num_columns)
                    if buffer.tail_is_long and not self.due.is_set():
                        self.due.set()
            tracker.flushes += 1
            self._applied = contents.sequence_number
            if tracker.due and not self.due.is_set():
                self.due.set()

    def view(self, table_id: int) -> TableView:
        """Return a table as it is now; any thread.

        Writes that nobody looked at yet are gathered into few batches first, on the caller's time.

        Raises:
            NotFoundError: no table has this id.
        """
        return self._view(table_id)[0]

    def history(self, table_id: int) -> TableHistory:
        """Return a table as `view` does, to be read batch by batch, and with the number of its last flush.

        Raises:
            NotFoundError: no table has this id.
        """
        return TableHistory(*self._view(table_id), check_files=self.check_files, places=self._places)

    def held_batches(self, table_id: int) -> tuple[pa.RecordBatch, ...]:
        """Return the buffered rows as they are held now, not under the table's schema, oldest first.

        A write that was not gathered with others is there as its `TableRows.batch`, the same object; after `view`
        it still shares its buffers, as long as it lies in a batch of its own.
        """
        with self._lock:
            buffer = self._buffers.get(table_id)
            pieces = Pieces() if buffer is None else buffer.pieces()
        return (*(rows.batch for rows in (*pieces.frozen, *pieces.rows)), *pieces.tail)

    def compact(self, *, all_tables: bool = False) -> None:
        """Gather the writes of each table that has many of them, or of all, into few batches; any thread."""
        self._retired.sweep()
        with self._lock:
            long = [
                (buffer, buffer.pieces())
                for buffer in self._buffers.values()
                if buffer.tail_is_long or (all_tables and buffer.tail_length)
            ]
        for buffer, pieces in long:
            schema = self._schema(buffer.table_id)
            if schema is not None:
                self._compact(buffer, pieces, schema)

    def files(self) -> tuple[ParquetFile, ...]:
        """Return the Parquet files of all tables, oldest first."""
        with self._lock:
            found = [file for buffer in self._buffers.values() for file in buffer.files]
        return tuple(sorted(found, key=lambda file: file.number))

    def check_files(self, files: Sequence[ParquetFile]) -> None:
        """See whether Parquet files are whole before they are read; any thread. Each is read once for that.

        Raises:
            CorruptFileError: one is damaged or missing.
        """
        self._checked.check(files)

    def statistics(self) -> WriteBufferStatistics:
        """Return what is held at this moment."""
        with self._lock:
            buffers = tuple(self._buffers.values())
            files = [file for buffer in buffers for file in buffer.files]
            return WriteBufferStatistics(
                table_count=len(buffers),
                buffered_row_count=sum(buffer.row_count for buffer in buffers),
                file_count=len(files),
                file_bytes=sum(file.size_bytes for file in files),
                applied_sequence_number=self._applied,
                snapshot_sequence_number=self._persisted,
            )

    @property
    def snapshot_due(self) -> bool:
        """Whether the policy asks for a snapshot; never without a folder."""
        return self._index is not None and self._tracker.due

    def snapshot(self) -> Snapshot | None:
        """Move all rows applied so far to Parquet files; any thread. Neither writes nor queries wait for it.

        None when there was nothing to do, or there is no folder. Afterwards the log may let everything up to
        the result's number go.

        Raises:
            StorageError: the disk refused; all rows are still in memory and in the log.
        """
        if self._snapshot_files is None:
            return None
        with self._index_door:
            self.compact(all_tables=True)
            applied, counted, frozen = self._freeze()
            if applied == self._persisted:
                return None
            try:
                written = self._snapshot_files.write(frozen)
                self._store_index(applied, written)
            except BaseException as error:
                self._thaw(counted)
                if isinstance(error, OSError):
                    raise StorageError(
                        f"snapshot failed, and nothing is lost: cannot write to {str(self._folder)!r}: "
                        f"{error.strerror or error}; it can be made again once the folder takes data"
                    ) from error
                raise
            return self._finish(applied, written)

    def delete_table(self, table_id: int) -> None:
        """Forget a table's rows for good, durably; its files go when no view names them any longer.

        Raises:
            StorageError: the disk refused, and the rows are still there.
        """
        self.delete_tables([table_id])

    def delete_tables(self, table_ids: Collection[int]) -> None:
        """Forget the rows of several tables, as `delete_table` does. Tables that are gone are passed over."""
        with self._index_door:
            with self._lock:
                ids = set(table_ids) - self._removed
                self._removed |= ids
                gone = {one: self._buffers.pop(one) for one in ids if one in self._buffers}
            if self._index is None or not ids:
                return
            try:
                self._store_index(self._persisted)
            except OSError as error:
                with self._lock:
                    self._removed -= ids
                    self._buffers |= gone
                raise StorageError(f"cannot delete the rows of tables {sorted(ids)}: {error}") from error
            self._retired.retire([file for buffer in gone.values() for file in buffer.files])

    def delete_database(self, database_id: int) -> None:
        """Forget the rows of all tables of a database, as `delete_table` does."""
        with self._lock:
            ids = [one.table_id for one in self._buffers.values() if one.database_id == database_id]
        self.delete_tables(ids)

    def expire(self, cutoffs: Mapping[int, int]) -> None:
        """Forget, durably, the files and gathered rows that lie before an instant, by table.

        A file or group that has later rows too stays whole; queries hide its earlier rows.

        Raises:
            StorageError: the disk refused; the files are still there.
        """
        with self._index_door:
            with self._lock:
                gone = {
                    table_id: self._buffers[table_id].remove_before(cutoff_ns)
                    for table_id, cutoff_ns in cutoffs.items()
                    if table_id in self._buffers
                }
            files = [file for some in gone.values() for file in some]
            if not files or self._index is None:
                return
            try:
                self._store_index(self._persisted)
            except OSError as error:
                with self._lock:
                    for table_id, some in gone.items():
                        self._buffers[table_id].take_back(some)
                raise StorageError(f"cannot remove files that are kept no longer: {error}") from error
            self._retired.retire(files)

    def table_ids(self) -> tuple[int, ...]:
        """Return the ids of the tables that have rows."""
        with self._lock:
            return tuple(self._buffers)

    def first_end_ns(self, table_id: int) -> int | None:
        """Return the earliest last time of a table's files and gathered rows; None when there are none."""
        with self._lock:
            buffer = self._buffers.get(table_id)
            return None if buffer is None else buffer.first_end_ns

    @property
    def next_removal_seconds(self) -> float | None:
        """How long it is until a file that was let go may be removed, or None when none waits."""
        return self._retired.next_seconds

    def _view(self, table_id: int) -> tuple[TableView, int]:
        with self._lock:
            buffer = self._buffers.get(table_id)
            pieces = Pieces() if buffer is None else buffer.pieces()
            applied = self._applied
        schema = self._schema(table_id)  # read after the rows, so that it has all their columns
        if schema is None:
            raise NotFoundError(f"no table has id {table_id}")
        rows = pieces.rows
        if buffer is not None and pieces.tail:
            rows = self._compact(buffer, pieces, schema)
        view = TableView(schema=schema, files=pieces.files, rows=(*pieces.frozen, *rows))
        return view, applied

    def _new_buffer(self, database_id: int, table_id: int) -> TableBuffer | None:
        if table_id in self._removed or self._catalog.table_by_id(table_id) is None:
            return None
        buffer = self._buffers[table_id] = TableBuffer(database_id, table_id)
        return buffer

    def _schema(self, table_id: int) -> TableSchema | None:
        found = self._catalog.table_by_id(table_id)
        return None if found is None else found[1].schema

    def _series_key(self, table_id: int) -> tuple[str, ...]:
        schema = self._schema(table_id)
        return () if schema is None else schema.series_key

    def _compact(
        self, buffer: TableBuffer, pieces: Pieces, schema: TableSchema
    ) -> tuple[BufferedRows, ...]:
        rows = compacted(pieces, schema.series_key)
        with self._lock:
            buffer.install(pieces, rows)
        return rows

    def _freeze(self) -> tuple[int, SnapshotTracker, list[FrozenTable]]:
        with self._lock:
            frozen = [
                FrozenTable(
                    database_id=buffer.database_id,
                    table_id=buffer.table_id,
                    rows=buffer.freeze(partial(self._series_key, buffer.table_id)),
                    files=buffer.files,
                )
                for buffer in self._buffers.values()
                if buffer.has_rows
            ]
            return self._applied, self._tracker.take(), frozen

    def _thaw(self, counted: SnapshotTracker) -> None:
        with self._lock:
            self._tracker.give_back(counted)
            for buffer in self._buffers.values():
                buffer.thaw()

    def _store_index(self, applied: int, written: WrittenFiles = NO_FILES) -> None:
        """Replace the file index. When that fails, new files stay: perhaps the index that names them is in place."""
        assert self._index is not None
        assert self._snapshot_files is not None
        with self._lock:
            kept = [file for buffer in self._buffers.values() for file in buffer.files]
            removed = frozenset(self._removed)
        self._index.store(
            IndexedFiles(
                wal_sequence_number=applied,
                next_number=self._snapshot_files.next_number,
                files=(*(file for file in kept if file not in written.replaced), *written.added),
                removed=removed,
            )
        )

    def _finish(self, applied: int, written: WrittenFiles) -> Snapshot:
        by_table: dict[int, list[ParquetFile]] = {}
        for file in written.added:
            by_table.setdefault(file.table_id, []).append(file)
        replaced = frozenset(written.replaced)
        with self._lock:
            for buffer in self._buffers.values():
                buffer.replace_frozen(by_table.get(buffer.table_id, ()), replaced)
            self._persisted = applied
        self._checked.trust(written.added)
        self._checked.forget(written.replaced)
        self._retired.retire(written.replaced)
        return Snapshot(wal_sequence_number=applied, files=written.added)
