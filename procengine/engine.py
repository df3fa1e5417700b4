"""Which parts make an engine, and who runs on which thread?

The one module that knows every part: it builds, starts and stops them.

Threads. Each owns its state alone; every wait can be stopped.

======================  =======================================  ===========================  ======================
thread                  what it alone changes                    what it may wait for         how it stops
======================  =======================================  ===========================  ======================
a caller's              nothing: it reads, validates, encodes    the flush of its rows        the call returns
``procengine-flush``    log segments; applies flushed rows to    new rows, fdatasync          ``Wal.close``: flushes
                        the caches and the write buffer; offers                               what is pending
                        them to triggers (never waits for
                        them); answers the writers
``procengine-snapshot`` Parquet files and their index; forgets   enough flushes, a due time   ``Snapshots.stop``
                        what is kept no longer
``procengine-state``    the plugin cache's file                  changes; its sync            ``PluginPart.close``:
                                                                                              writes what waits
``procengine-clock``    wakes what is due; evicts from the       the next due time            ``Clock.close``
                        caches
``procengine-history``  files of the run history, the logs, and  rows; never waited for       ``PluginPart.close``:
                        of how far write triggers are                                         writes what is pending
``procengine-limits``   nothing: cancels runs past their limits  the next look at a run       ``Triggers.stop``
``procengine-worker-N`` one run of a plugin at a time            an event; the plugin; the    ``Triggers.stop``: runs
                                                                 flush of what it writes;     are cancelled, then
                                                                 the sync of its cache        waited for
``procengine-api``      the API's connections                    the network                  ``Server.stop``
``procengine-http-N``   one request at a time; like a caller's   what a caller's waits for;   ``Server.stop``
                        thread                                   a request trigger's run
``procengine-replay``   all of an engine of its own, which has   its next step                ``Replay.end``: the
                        no thread but this one                                                run is cancelled
``procengine-remote-N`` nothing: asks an attached server         the network, at most the     the query is cancelled
                                                                 query's time limit
``procengine-tail-T``   nothing: writes rows of an attached      the next look; the network;  ``Attachments.close``
                        server as a caller does                  the flush of its rows
``procengine-           a recording's file                       rows, requests, ticks        ``Recorder.stop``:
recording``                                                                                   writes what waits
======================  =======================================  ===========================  ======================

The catalog is changed under its own lock by whichever thread asks, and read without one.
A new cache is filled by the thread that creates it; what is flushed meanwhile waits for it, not the flush thread.
Order of the flush thread: fsync, last-value caches, distinct-value caches, write buffer, triggers, writers: a plugin
can query the rows it is called with, in tables and caches, and a writer is answered when its rows can be queried.
Stop order is the reverse of start: the API's door, triggers, caches, snapshots, log, plugin cache, catalog, clock,
folder; then the API's threads, whose requests have ended with the parts that they asked.

Differs: the original's flush waits for room in a trigger's queue; here a trigger reads the log by a cursor.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from procengine.attach.attached_databases_table import AttachedDatabases
from procengine.attach.attachments import Attachments
from procengine.bucket import LOCAL_PLACES, Bucket, BucketFiles, BucketOptions
from procengine.cache import DistinctCaches, HolderSettings, LastCaches
from procengine.catalog import Catalog
from procengine.clock import NANOSECONDS_PER_SECOND, Clock, SystemClock
from procengine.config import EngineConfig, load_config, memory_bytes
from procengine.data_folder import DataFolder
from procengine.errors import (
    ConfigError,
    NotFoundError,
    PackageInstallDisabledError,
    PluginsDisabledError,
    StoppedError,
)
from procengine.file_system import LOCAL, FileSystem, make_folder_durably
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
from procengine.model.installation import Installation, InstallWatch
from procengine.model.precision import Precision
from procengine.model.table_rows import WalContents
from procengine.model.write_result import WriteResult
from procengine.query import QueryExecutor, SessionOptions
from procengine.query.cache_tables import DistinctCacheDefinitions, LastCacheDefinitions
from procengine.query.catalog_tables import (
    Databases,
    GenerationDurations,
    InfluxdbSchema,
    Nodes,
    Tables,
)
from procengine.query.parquet_files_table import ParquetFiles
from procengine.query.processing_tables import (
    PluginFile,
    PluginFiles,
    ProcessingEngineLogs,
    ProcessingEngineTriggerArguments,
    ProcessingEngineTriggers,
)
from procengine.query.runs_table import ProcessingEngineRuns
from procengine.query.system_table import SystemTable
from procengine.query.token_table import Tokens
from procengine.recovery import Recovery
from procengine.wal import ReplayedRows, SteppedWal, Wal
from procengine.write.expiry import Expiry
from procengine.write.snapshot_tracker import SnapshotPolicy
from procengine.write.snapshots import Snapshots
from procengine.write.table_history import TableHistory
from procengine.write.table_view import TableView
from procengine.write.write_buffer import WriteBuffer
from procengine.write.writer import Writer

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from procengine.attach.attachment import Attachment
    from procengine.attach.tail_options import TailOptions
    from procengine.plugin_part import PluginPart
    from procengine.processing.dry_run import PluginTests
    from procengine.processing.plugin_cache import PluginCache
    from procengine.processing.plugin_environment import PluginEnvironment
    from procengine.processing.plugin_logs import ProcessingEngineLogs as Logs
    from procengine.processing.plugin_registry import PluginRegistry
    from procengine.processing.plugin_uploads import PluginUploads
    from procengine.processing.plugin_versions import PluginVersions
    from procengine.processing.runner import PluginRunner
    from procengine.processing.step_pool import StepPool
    from procengine.processing.stuck_run import StuckRun
    from procengine.processing.triggers import Triggers
    from procengine.state import Connect, PluginState


class Service(Protocol):
    """What serves an engine to others, and ends with it."""

    def close_door(self) -> None:
        """Take nothing new; what was begun goes on. Returns at once."""
        ...

    def stop(self) -> None:
        """End, and wait for that."""
        ...


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


class Engine:
    """A running engine; `stop` ends it, as does leaving its ``with`` block.

    Options are those of `procengine.config.EngineConfig`, by name; what is not given is looked for in
    ``settings``, in ``environ`` (the process's by default) and in ``config_file``.
    With object store ``memory`` nothing outlives the engine. ``file_system`` is where all durable files lie, but for
    the SQLite file of the plugin cache, which ``connect_state`` opens; tests give ones that fail, or that remember.

    With a ``step_pool`` (and object store ``memory``) the engine has no threads: rows are flushed on the thread that
    writes them, and plugins run when the pool's owner says so. Replays are made of that, with a `VirtualClock`.

    Its parts: ``config`` and ``loaded_config`` (with the origin of each value), ``clock``, ``catalog``, ``wal``,
    ``write_buffer``, ``last_caches``, ``distinct_caches``, ``writer``, ``query_executor``, ``attachments`` (what
    `attach` has attached), ``recovery`` (what the start had to mend; None with object store ``memory``); and, while
    the plugin part is on, ``triggers``, ``plugins``, ``plugin_versions``, ``plugin_runner``, ``plugin_tests``,
    ``plugin_uploads``, ``plugin_cache`` and ``logs``, which otherwise raise `PluginsDisabledError`.

    Raises:
        ConfigError: an option is unknown or not accepted.
        DataFolderLockedError, DataFormatError, CorruptFileError, StorageError: the data folder cannot be used.
    """

    def __init__(
        self,
        *,
        settings: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
        config_file: str | Path | None = None,
        clock: Clock | None = None,
        file_system: FileSystem = LOCAL,
        connect_state: Connect | None = None,
        step_pool: StepPool | None = None,
        **options: object,
    ) -> None:
        self.loaded_config = load_config(
            options,
            settings=settings,
            environ=os.environ if environ is None else environ,
            file=None if config_file is None else Path(config_file),
        )
        self.config: EngineConfig = self.loaded_config.config
        self.clock: Clock = clock if clock is not None else SystemClock()
        self._file_system = file_system
        self.recovery: Recovery | None = None
        self._connect_state = connect_state
        self._step_pool = step_pool
        self._stopped = False
        self._services: tuple[Service, ...] = ()
        self._inspectors: Any = None
        self._part: PluginPart | None = None
        with ExitStack() as started:
            if clock is None:
                started.callback(self.clock.close)
            self._start_storage(started)
            self._start_query(started)
            self._start_plugins(started)
            self._start_log(started)
            started.callback(self.attachments.close)
            # What was started is now stopped by `stop`, in the reverse order.
            self._started = started.pop_all()

    def _start_storage(self, started: ExitStack) -> None:
        """Open the folder, the catalog, and the rows; replay the log into the buffer."""
        self._folder = folder = self._open_folder(started)
        if folder is not None:
            self.recovery = Recovery(folder.damaged, file_system=self._file_system)
        self.catalog = Catalog(
            folder.catalog if folder is not None else None,
            clock=self.clock,
            node_id=self.config.node_id,
            file_system=self._file_system,
            recovery=self.recovery,
        )
        started.callback(self.catalog.close)
        self.catalog.start()
        self.wal = self._open_wal(folder)
        self._bucket = self._open_bucket(folder)
        files = self._file_system
        self.write_buffer = WriteBuffer(
            folder.tables if folder is not None else None,
            catalog=self.catalog,
            gen1_duration_ns=int(self.config.gen1_duration * NANOSECONDS_PER_SECOND),
            policy=_snapshot_policy(self.config),
            file_system=files if self._bucket is None else BucketFiles(files, self._bucket),
            places=self._bucket or LOCAL_PLACES,
        )
        replayed = self.wal.open(after=self.write_buffer.load())
        self.last_caches: LastCaches = LastCaches(self.catalog, self._cache_settings("last"))
        self.distinct_caches: DistinctCaches = DistinctCaches(
            self.catalog, self._cache_settings("distinct")
        )
        self.last_caches.open()
        self.distinct_caches.open()
        self._replayed = ReplayedRows()
        for contents in replayed:
            self._apply(contents)
            self._replayed.add(contents)
        self.last_caches.fill()
        self.distinct_caches.fill()
        self._expiry = Expiry(
            self.catalog, self.write_buffer, self.clock, wake=self.write_buffer.due.set
        )
        started.callback(self._expiry.stop)
        self._expiry.run()
        self.writer = Writer(catalog=self.catalog, log=self.wal, clock=self.clock)
        started.callback(self.catalog.subscribe(self._on_catalog_event))

    def _open_folder(self, started: ExitStack) -> DataFolder | None:
        if self.config.object_store == "memory" or self.config.data_dir is None:
            return None
        folder = DataFolder(self.config.data_dir, file_system=self._file_system)
        folder.open()
        started.callback(folder.close)
        return folder

    def _open_bucket(self, folder: DataFolder | None) -> Bucket | None:
        """Return where Parquet files lie with object store ``s3``, which has been looked at."""
        config = self.config
        if folder is None or config.object_store != "s3":
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
        bucket = Bucket(options, folder.tables, f"procengine/{self.catalog.instance_id}")
        bucket.check()
        return bucket

    def _open_wal(self, folder: DataFolder | None) -> Wal:
        if self._step_pool is not None:
            if folder is not None:
                raise ConfigError(
                    "an engine without threads keeps nothing; expected object_store='memory'"
                )
            return SteppedWal(clock=self.clock)
        return Wal(
            folder.wal if folder is not None else None,
            clock=self.clock,
            flush_interval_seconds=self.config.wal_flush_interval,
            file_system=self._file_system,
            recovery=self.recovery,
        )

    def _start_query(self, started: ExitStack) -> None:
        memory = memory_bytes(self.config.exec_mem_pool_bytes, _machine_memory_bytes())
        self.query_executor = QueryExecutor(
            self.catalog,
            self._view,
            self._system_tables(),
            clock=self.clock,
            options=SessionOptions(
                threads=self.config.datafusion_num_threads,
                memory_bytes=memory,
                places=self._bucket or LOCAL_PLACES,
                bucket=None if self._bucket is None else self._bucket.options,
            ),
            log_size=self.config.query_log_size,
            check_files=self.write_buffer.check_files,
            last_caches=self.last_caches,
            distinct_caches=self.distinct_caches,
        )
        started.callback(self.query_executor.close)
        self.attachments = Attachments(
            catalog=self.catalog,
            executor=self.query_executor,
            writer=self.writer,
            clock=self.clock,
        )

    def _system_tables(self) -> list[SystemTable]:
        return [
            ProcessingEngineTriggers(self.catalog),
            ProcessingEngineTriggerArguments(self.catalog),
            ProcessingEngineLogs(self._log_rows),
            ProcessingEngineRuns(self._run_rows),
            PluginFiles(self._plugin_files),
            InfluxdbSchema(self.catalog),
            ParquetFiles(self.catalog, self.write_buffer.view, self._bucket or LOCAL_PLACES),
            LastCacheDefinitions(self.catalog),
            DistinctCacheDefinitions(self.catalog),
            Databases(self.catalog),
            AttachedDatabases(self._attached),
            Tokens(self.catalog, with_auth=not self.config.without_auth),
            Tables(self.catalog),
            Nodes(self.catalog, modes=self.config.mode, started_ns=self.clock.now_ns()),
            GenerationDurations(int(self.config.gen1_duration * NANOSECONDS_PER_SECOND)),
        ]

    def _start_plugins(self, started: ExitStack) -> None:
        """Build the plugin part, if it is on; nothing of it is imported otherwise."""
        if not self.config.plugins_enabled:
            return
        from procengine.plugin_part import PluginPart

        self._part = PluginPart(
            config=self.config,
            clock=self.clock,
            catalog=self.catalog,
            write=self.attachments,
            query=self.attachments,
            wal=self.wal,
            replayed=self._replayed,
            state_folder=self._folder.state if self._folder is not None else None,
            file_system=self._file_system,
            state=self._plugin_state(started),
            step_pool=self._step_pool,
        )
        started.callback(self._part.close)

    def _plugin_state(self, started: ExitStack) -> PluginState | None:
        """Return where the plugin cache is stored, or None with object store ``memory``."""
        if self._folder is None:
            return None
        from procengine.state import PluginState, connect

        make_folder_durably(self._file_system, self._folder.state)
        state = PluginState(
            self._folder.state,
            connect=self._connect_state or connect,
            keep=self.recovery.keep if self.recovery is not None else None,
        )
        started.callback(state.close)
        return state

    def _start_log(self, started: ExitStack) -> None:
        """Start the threads: from here on writes are taken and triggers run."""
        triggers = self._part.triggers if self._part is not None else None
        started.callback(self.wal.close)
        self._snapshots = Snapshots(
            self.write_buffer, persisted=self._let_log_go, expire=self._expiry.run
        )
        apply = self._apply if self._step_pool is None else self._apply_and_tidy
        self.wal.start(apply, triggers.offer if triggers is not None else _pass_over)
        if self._step_pool is None:
            started.callback(self._snapshots.stop)
            self._snapshots.start()
        for caches in (self.last_caches, self.distinct_caches):
            started.callback(caches.stop)
            caches.start()
        if self._part is not None:
            started.callback(self._part.stop)
            self._part.start()

    @property
    def triggers(self) -> Triggers:
        """The triggers: create, enable, disable, delete, fire, statistics, runs."""
        return self._plugin_part().triggers

    @property
    def plugins(self) -> PluginRegistry:
        """The plugins of the plugin directory: sources and loaded code."""
        return self._plugin_part().registry

    @property
    def plugin_versions(self) -> PluginVersions:
        """The texts that plugins have had."""
        return self._plugin_part().versions

    @property
    def plugin_runner(self) -> PluginRunner:
        """What runs plugins, for triggers and dry runs alike."""
        return self._plugin_part().runner

    @property
    def plugin_uploads(self) -> PluginUploads:
        """What writes into the plugin directory."""
        return self._plugin_part().uploads

    @property
    def plugin_tests(self) -> PluginTests:
        """Dry runs of plugins that no trigger runs yet."""
        return self._plugin_part().tests

    @property
    def plugin_cache(self) -> PluginCache:
        """What plugins keep by ``influxdb3_local.cache``."""
        return self._plugin_part().cache

    @property
    def logs(self) -> Logs:
        """The processing engine logs."""
        return self._plugin_part().logs

    def write(
        self,
        database: str,
        data: str | bytes | pa.Table | pa.RecordBatch | pd.DataFrame,
        *,
        precision: str | Precision = Precision.AUTO,
        accept_partial: bool = True,
        no_sync: bool = False,
        table: str | None = None,
        tags: Sequence[str] = (),
        time_column: str = "time",
    ) -> WriteResult:
        """Store rows and return what was stored; see `procengine.write.writer.Writer.write`."""
        self._check_running()
        return self.attachments.write(
            database,
            data,
            precision=precision,
            accept_partial=accept_partial,
            no_sync=no_sync,
            table=table,
            tags=tags,
            time_column=time_column,
        )

    def query(self, sql: str, database: str, params: Mapping[str, object] | None = None) -> pa.Table:
        """Return all rows of a statement; see `procengine.query.executor.QueryExecutor.query`."""
        self._check_running()
        return self.attachments.query(sql, database, params)

    def attach(
        self,
        url: str,
        token: str | None,
        database: str,
        read_only: bool = True,
        *,
        name: str | None = None,
        tail: Sequence[str] = (),
        tail_options: TailOptions | None = None,
        timeout_seconds: float = 60.0,
        ask_first: bool = True,
    ) -> Attachment:
        """Read a database of an InfluxDB 3 server as if it were here; see `procengine.attach.attachment`.

        From now on `query`, and ``influxdb3_local.query`` of plugins, go to the server where they name the database
        by ``name``, by default the server's. Triggers on it are here. What is written to it stays here, in the local
        database of that name, unless ``read_only`` is false. New rows of the tables of ``tail`` come to the
        triggers here. Queries may take ``timeout_seconds``. The server is asked once now, unless ``ask_first`` is
        false. The token is kept in memory until `detach` or `stop`, and nowhere else.

        Raises:
            InvalidInputError: the URL is none of HTTP, a name is not accepted, or ``influxdb3-python`` is missing.
            AlreadyExistsError: a database is attached by that name.
            UnreachableServerError, RefusedByServerError, DatabaseNotFoundError: from the server.
            StoppedError: the engine is stopped.
        """
        self._check_running()
        return self.attachments.attach(
            url,
            token,
            database,
            name=name,
            read_only=read_only,
            tail=tail,
            tail_options=tail_options,
            timeout_seconds=timeout_seconds,
            ask_first=ask_first,
        )

    def detach(self, name: str) -> None:
        """Read a database from its server no longer; what was written to it here stays.

        Raises: NotFoundError: none is attached by that name.
        """
        self.attachments.detach(name)

    def install_packages(
        self, packages: Sequence[str], watch: InstallWatch | None = None
    ) -> Installation | None:
        """Install packages for plugins; see `procengine.processing.plugin_environment.PluginEnvironment`.

        Raises:
            PackageInstallDisabledError: the option ``package_manager`` says that none are.
            PluginsDisabledError: there is no plugin directory.
            PackageInstallError: the installer failed; nothing has changed.
        """
        return self._environment().install_packages(packages, watch)

    def install_requirements(self, location: str, watch: InstallWatch | None = None) -> Installation:
        """Install for plugins what a requirements file lists; raises as `install_packages`."""
        return self._environment().install_requirements(location, watch)

    def flush(self) -> None:
        """Make all rows taken so far, ``no_sync`` ones included, durable and visible."""
        self._check_running()
        self.wal.flush()

    def snapshot(self) -> None:
        """Move the buffered rows to Parquet files now, and let go of the log that they came from.

        With object store ``memory`` nothing happens.
        """
        self._check_running()
        self._snapshots.snapshot()

    def wait_idle(self, timeout_seconds: float | None = None) -> bool:
        """Wait until no trigger runs or has anything waiting; tell whether that came in time.

        Rows that were written with ``no_sync`` so far are flushed, and what they trigger is waited for.
        """
        if self._part is None or self._stopped:
            return True
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._part.triggers.wait_idle(left):
                return False
            flushed = self.wal.last_sequence_number
            self.wal.flush()
            if self.wal.last_sequence_number == flushed:
                return True

    @property
    def running(self) -> bool:
        """Whether the engine takes writes and queries."""
        return not self._stopped

    def stop(self) -> tuple[StuckRun, ...]:
        """Stop the engine: runs in flight are cancelled, what was written is made durable, threads end.

        Returns the runs that did not end within ``shutdown_timeout``, because nothing can interrupt them; all else
        is stopped. Stopping twice is allowed. A stopped engine is not started again; make another.
        """
        if self._stopped:
            return ()
        self._stopped = True
        services = self._services
        for service in services:
            service.close_door()
        self._started.close()
        for service in services:
            service.stop()
        return self._part.stuck_runs if self._part is not None else ()

    @property
    def inspect(self) -> Any:
        """What shows the engine's state: whatever a front end has put here, as the notebook extension does.

        Raises: NotFoundError: none has.
        """
        if self._inspectors is None:
            raise NotFoundError(
                "inspectors are a notebook's: %load_ext procengine gives its engine `inspect`; elsewhere "
                "engine.triggers.statistics() and the system tables say the same"
            )
        return self._inspectors

    @inspect.setter
    def inspect(self, inspectors: object) -> None:
        self._inspectors = inspectors

    @property
    def services(self) -> tuple[Service, ...]:
        """What serves this engine to others, in the order of its start."""
        return self._services

    def add_service(self, service: Service) -> None:
        """Stop a service when the engine stops.

        Raises: StoppedError: it has.
        """
        self._check_running()
        self._services = (*self._services, service)

    def remove_service(self, service: Service) -> None:
        """Let a service go on, or end, by itself; one that was not added is left alone."""
        self._services = tuple(one for one in self._services if one is not service)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _check_running(self) -> None:
        if self._stopped:
            raise StoppedError("the engine is stopped")

    def _environment(self) -> PluginEnvironment:
        self._check_running()
        if self.config.package_manager == "disabled":
            raise PackageInstallDisabledError
        return self._plugin_part().environment

    def _plugin_part(self) -> PluginPart:
        if self._part is None:
            raise PluginsDisabledError
        return self._part

    def _let_log_go(self, persisted: int) -> bool:
        """Let the log's files go up to a flush, but for what a trigger has still to read; tell whether one has."""
        needed = self._part.triggers.oldest_needed if self._part is not None else None
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

    def _cache_settings(self, kind: Literal["last", "distinct"]) -> HolderSettings:
        config = self.config
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
            clock=self.clock,
            node_id=self.catalog.node_id,
            read_history=self._history if from_history else None,
            settle=self.wal.flush,
            eviction_interval_seconds=seconds,
        )

    def _history(self, table_id: int) -> TableHistory:
        """Return the rows of a table that a new cache begins with: those that its retention period keeps."""
        history = self.write_buffer.history(table_id)
        cutoff_ns = self._cutoff_ns(table_id)
        return history if cutoff_ns is None else history.since(cutoff_ns)

    def _view(self, table_id: int) -> TableView:
        """Return the rows of a table that a query sees: those that its retention period keeps."""
        view = self.write_buffer.view(table_id)
        cutoff_ns = self._cutoff_ns(table_id)
        return view if cutoff_ns is None else view.since(cutoff_ns)

    def _log_rows(self, database: str) -> pa.Table | None:
        return None if self._part is None else self._part.logs.table(database)

    def _attached(self) -> tuple[Attachment, ...]:
        return self.attachments.all()

    def _run_rows(self, database: str) -> pa.Table | None:
        return None if self._part is None else self._part.triggers.runs.table(database)

    def _cutoff_ns(self, table_id: int) -> int | None:
        """Return the instant before which a table's rows are kept no longer, None when all are kept."""
        found = self.catalog.table_by_id(table_id)
        return None if found is None else found[0].cutoff_ns(found[1], self.clock.now_ns())

    def _plugin_files(self) -> Iterable[PluginFile]:
        return () if self._part is None else self._part.files()


def _pass_over(contents: object) -> None:
    """Offer flushed rows to nobody: there are no triggers."""


def _snapshot_policy(config: EngineConfig) -> SnapshotPolicy:
    memory = memory_bytes(config.force_snapshot_mem_threshold, _machine_memory_bytes())
    return SnapshotPolicy(
        flushes=config.wal_snapshot_size, values=max(1, memory // BYTES_PER_BUFFERED_VALUE)
    )


def _machine_memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return ASSUMED_MEMORY_BYTES
