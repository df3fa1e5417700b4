"""Which parts keep the rows, and what happens to those of a flush?

Folder, catalog, log, buffer, files and the caches over them: what an engine has with and without plugins.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from procengine.bucket import LOCAL_PLACES, Bucket, BucketFiles, BucketOptions
from procengine.cache import DistinctCaches, HolderSettings, LastCaches
from procengine.catalog import Catalog
from procengine.clock import NANOSECONDS_PER_SECOND, Clock
from procengine.config import EngineConfig, memory_bytes
from procengine.data_folder import DataFolder
from procengine.errors import ConfigError, CorruptFileError
from procengine.file_system import FileSystem
from procengine.model.catalog_event import (
    CatalogEvent,
    DatabaseDeleted,
    DatabaseRestored,
    DistinctCacheCreated,
    DistinctCacheDeleted,
    LastCacheCreated,
    LastCacheDeleted,
    RetentionPeriodChanged,
    TableDeleted,
    TableRestored,
)
from procengine.model.table_rows import WalContents
from procengine.recovery import Recovery
from procengine.wal import ReplayedRows, SteppedWal, Wal
from procengine.write.expiry import Expiry
from procengine.write.snapshot_tracker import SnapshotPolicy
from procengine.write.snapshots import Snapshots
from procengine.write.table_history import TableHistory
from procengine.write.table_view import TableView
from procengine.write.write_buffer import WriteBuffer
from procengine.write.writer import Writer

BYTES_PER_BUFFERED_VALUE = 8
"""What a value takes in a buffer: a number, a time or an offset."""

CACHE_EVENTS = (
    DatabaseDeleted,
    DatabaseRestored,
    TableDeleted,
    TableRestored,
    LastCacheCreated,
    LastCacheDeleted,
    DistinctCacheCreated,
    DistinctCacheDeleted,
)
"""After these the caches are no longer those of before."""

ASSUMED_MEMORY_BYTES = 8 << 30
"""Taken where the system does not tell how much memory the machine has."""


class StoragePart:
    """The rows of one engine: where they are stored, and what is told of each flush of them.

    Made, it has replayed the log and takes no rows; from `start` on it does. Both put what ends them on ``started``.
    Its parts: ``folder`` (None with object store ``memory``), ``recovery`` (likewise), ``catalog``, ``wal``,
    ``bucket`` (None but with object store ``s3``), ``write_buffer``, ``last_caches``, ``distinct_caches``,
    ``replayed`` (the rows that the log brought back) and ``writer``.
    """

    def __init__(
        self,
        *,
        config: EngineConfig,
        clock: Clock,
        file_system: FileSystem,
        started: ExitStack,
        has_threads: bool,
    ) -> None:
        """Open the folder, the catalog, and the rows; replay the log into the buffer.

        Without threads, rows are flushed on the thread that writes them.

        Raises:
            ConfigError: the bucket cannot be used, or rows are to be kept without threads.
            DataFolderLockedError, DataFormatError, CorruptFileError, StorageError: the data folder cannot be used.
        """
        self._config, self._clock = config, clock
        self._file_system = file_system
        self._has_threads = has_threads
        self._oldest_needed: Callable[[], int | None] = _nothing
        self.folder = self._open_folder(started)
        self.recovery: Recovery | None = None
        if self.folder is not None:
            self.recovery = Recovery(self.folder.damaged, file_system=file_system)
        self.catalog = Catalog(
            self.folder.catalog if self.folder is not None else None,
            clock=clock,
            node_id=config.node_id,
            file_system=file_system,
            recovery=self.recovery,
        )
        started.callback(self.catalog.close)
        self.catalog.start()
        self.wal = self._open_wal()
        self.bucket = self._open_bucket()
        self.write_buffer = WriteBuffer(
            self.folder.tables if self.folder is not None else None,
            catalog=self.catalog,
            gen1_duration_ns=int(config.gen1_duration * NANOSECONDS_PER_SECOND),
            policy=_snapshot_policy(config),
            file_system=file_system if self.bucket is None else BucketFiles(file_system, self.bucket),
            places=self.bucket or LOCAL_PLACES,
        )
        self.last_caches: LastCaches = LastCaches(self.catalog, self._cache_settings("last"))
        self.distinct_caches: DistinctCaches = DistinctCaches(
            self.catalog, self._cache_settings("distinct")
        )
        self.replayed = ReplayedRows()
        self._replay()
        self._expiry = Expiry(self.catalog, self.write_buffer, clock, wake=self.write_buffer.due.set)
        started.callback(self._expiry.stop)
        self._expiry.run()
        self.writer = Writer(catalog=self.catalog, log=self.wal, clock=clock)
        started.callback(self.catalog.subscribe(self._on_catalog_event))
        self._snapshots = Snapshots(
            self.write_buffer, persisted=self._let_log_go, expire=self._expiry.run
        )

    def _replay(self) -> None:
        """Bring back what the log has and the files have not; fill the caches from both."""
        contents_of_log = self.wal.open(after=self.write_buffer.load())
        self.last_caches.open()
        self.distinct_caches.open()
        for file in self.write_buffer.files():
            self._check_is_known(file.table_id, f"file {file.path!r}")
        for contents in contents_of_log:
            for rows in contents.rows:
                self._check_is_known(rows.table_id, f"flush {contents.sequence_number} of the log")
            self._apply(contents)
            self.replayed.add(contents)
        self.write_buffer.loaded()
        self.last_caches.fill()
        self.distinct_caches.fill()

    def _check_is_known(self, table_id: int, where: str) -> None:
        """Refuse a catalog that has lost its end: a new table would get the rows of one that it knows no more.

        A table is durable in the catalog before a row of it is in the log.
        """
        if table_id < self.catalog.state.next_table_id or self.folder is None:
            return
        cuts = self.recovery.cuts if self.recovery is not None else ()
        cut = next((one for one in cuts if Path(one.path).parent == self.folder.catalog), None)
        cut_off = f"; what this start cut off {cut.path!r} is kept in {cut.kept!r}" if cut else ""
        raise CorruptFileError(
            f"the catalog in {str(self.folder.catalog)!r} has lost its end: {where} has rows of table {table_id}, "
            f"and it knows of {self.catalog.state.next_table_id - 1}{cut_off}; restore the folder 'catalog' from a "
            "copy, or give another data_dir to go on without its data",
            path=cut.path if cut else str(self.folder.catalog),
            offset=cut.offset if cut else 0,
        )

    def start(
        self,
        started: ExitStack,
        *,
        offer: Callable[[WalContents], None],
        oldest_needed: Callable[[], int | None],
    ) -> None:
        """Start the threads: from here on rows are taken.

        ``offer`` is called with the rows of each flush once they can be queried, on the flush thread.
        ``oldest_needed`` tells the flush from which on the log is still to be read; None: from none.
        """
        self._oldest_needed = oldest_needed
        started.callback(self.wal.close)
        self.wal.start(self._apply if self._has_threads else self._apply_and_tidy, offer)
        if self._has_threads:
            started.callback(self._snapshots.stop)
            self._snapshots.start()
        for caches in (self.last_caches, self.distinct_caches):
            started.callback(caches.stop)
            caches.start()

    def snapshot(self) -> None:
        """Move the buffered rows to Parquet files now, and let go of the log that they came from."""
        self._snapshots.snapshot()

    def view(self, table_id: int) -> TableView:
        """Return the rows of a table that a query sees: those that its retention period keeps."""
        view = self.write_buffer.view(table_id)
        cutoff_ns = self._cutoff_ns(table_id)
        return view if cutoff_ns is None else view.since(cutoff_ns)

    def _history(self, table_id: int) -> TableHistory:
        """Return the rows of a table that a new cache begins with: those that its retention period keeps."""
        history = self.write_buffer.history(table_id)
        cutoff_ns = self._cutoff_ns(table_id)
        return history if cutoff_ns is None else history.since(cutoff_ns)

    def _cutoff_ns(self, table_id: int) -> int | None:
        """Return the instant before which a table's rows are kept no longer, None when all are kept."""
        found = self.catalog.table_by_id(table_id)
        return None if found is None else found[0].cutoff_ns(found[1], self._clock.now_ns())

    def _apply(self, contents: WalContents) -> None:
        """Let the rows of one flush be seen. The flush thread's, or the replay's."""
        self.last_caches.apply(contents)
        self.distinct_caches.apply(contents)
        self.write_buffer.apply(contents)

    def _apply_and_tidy(self, contents: WalContents) -> None:
        """Let the rows of one flush be seen, and do here what the snapshot thread does elsewhere."""
        self._apply(contents)
        if self.write_buffer.due.is_set():
            self._snapshots.tidy()

    def _let_log_go(self, persisted: int) -> bool:
        """Let the log's files go up to a flush, but for what a trigger has still to read; tell whether one has."""
        needed = self._oldest_needed()
        first_kept = persisted + 1
        is_needed = needed is not None and needed < first_kept
        self.wal.retain_from(needed if needed is not None and is_needed else first_kept)
        return is_needed

    def _on_catalog_event(self, event: CatalogEvent) -> None:
        if isinstance(event, CACHE_EVENTS):
            self.last_caches.follow()
            self.distinct_caches.follow()
        if isinstance(event, DatabaseDeleted | TableDeleted | RetentionPeriodChanged):
            self._expiry.run()

    def _open_folder(self, started: ExitStack) -> DataFolder | None:
        if self._config.object_store == "memory" or self._config.data_dir is None:
            return None
        folder = DataFolder(self._config.data_dir, file_system=self._file_system)
        folder.open()
        started.callback(folder.close)
        return folder

    def _open_bucket(self) -> Bucket | None:
        """Return where Parquet files lie with object store ``s3``, which has been looked at."""
        config = self._config
        if self.folder is None or config.object_store != "s3":
            return None
        assert config.bucket is not None
        options = BucketOptions(
            bucket=config.bucket,
            region=config.aws_default_region,
            access_key_id=config.aws_access_key_id,
            secret_access_key=config.aws_secret_access_key,
            session_token=config.aws_session_token,
            endpoint=config.aws_endpoint,
            allow_http=config.aws_allow_http,
        )
        bucket = Bucket(options, self.folder.tables, f"procengine/{self.catalog.instance_id}")
        bucket.check()
        return bucket

    def _open_wal(self) -> Wal:
        if not self._has_threads:
            if self.folder is not None:
                raise ConfigError(
                    "an engine without threads keeps nothing; expected object_store='memory'"
                )
            return SteppedWal(clock=self._clock)
        return Wal(
            self.folder.wal if self.folder is not None else None,
            clock=self._clock,
            flush_interval_seconds=self._config.wal_flush_interval,
            file_system=self._file_system,
            recovery=self.recovery,
        )

    def _cache_settings(self, kind: Literal["last", "distinct"]) -> HolderSettings:
        config = self._config
        from_history, seconds = {
            "last": (
                not config.last_value_cache_disable_from_history,
                config.last_cache_eviction_interval,
            ),
            "distinct": (
                not config.distinct_value_cache_disable_from_history,
                config.distinct_cache_eviction_interval,
            ),
        }[kind]
        return HolderSettings(
            clock=self._clock,
            node_id=self.catalog.node_id,
            read_history=self._history if from_history else None,
            settle=self.wal.flush,
            eviction_interval_seconds=seconds,
        )


def _nothing() -> None:
    """Tell that nobody reads the log."""


def _snapshot_policy(config: EngineConfig) -> SnapshotPolicy:
    memory = memory_bytes(config.force_snapshot_mem_threshold, machine_memory_bytes())
    return SnapshotPolicy(
        flushes=config.wal_snapshot_size, values=max(1, memory // BYTES_PER_BUFFERED_VALUE)
    )


def machine_memory_bytes() -> int:
    """Return how much memory the machine has."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return ASSUMED_MEMORY_BYTES
