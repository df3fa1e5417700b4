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
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from procengine.attach.attached_databases_table import AttachedDatabases
from procengine.attach.attachments import Attachments
from procengine.attach.former_attachments import FormerAttachments
from procengine.bucket import LOCAL_PLACES
from procengine.cache import DistinctCaches, LastCaches
from procengine.catalog import Catalog
from procengine.clock import NANOSECONDS_PER_SECOND, Clock, SystemClock
from procengine.config import EngineConfig, load_config, memory_bytes
from procengine.errors import (
    NotFoundError,
    PackageInstallDisabledError,
    PluginsDisabledError,
    StoppedError,
)
from procengine.file_system import LOCAL, FileSystem
from procengine.model.installation import Installation, InstallWatch
from procengine.model.precision import Precision
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
from procengine.storage_part import StoragePart, machine_memory_bytes
from procengine.wal import Wal
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
        self._connect_state = connect_state
        self._step_pool = step_pool
        self._stopped = False
        self._services: tuple[Service, ...] = ()
        self._inspectors: Any = None
        self._part: PluginPart | None = None
        with ExitStack() as started:
            if clock is None:
                started.callback(self.clock.close)
            self._storage = storage = StoragePart(
                config=self.config,
                clock=self.clock,
                file_system=file_system,
                started=started,
                has_threads=step_pool is None,
            )
            self.recovery: Recovery | None = storage.recovery
            self.catalog: Catalog = storage.catalog
            self.wal: Wal = storage.wal
            self.write_buffer: WriteBuffer = storage.write_buffer
            self.last_caches: LastCaches = storage.last_caches
            self.distinct_caches: DistinctCaches = storage.distinct_caches
            self.writer: Writer = storage.writer
            self._start_query(started)
            self._start_plugins(started)
            self._start_log(started)
            started.callback(self.attachments.close)
            # What was started is now stopped by `stop`, in the reverse order.
            self._started = started.pop_all()

    def _start_query(self, started: ExitStack) -> None:
        bucket = self._storage.bucket
        self.query_executor = QueryExecutor(
            self.catalog,
            self._storage.view,
            self._system_tables(),
            clock=self.clock,
            options=SessionOptions(
                threads=self.config.datafusion_num_threads,
                memory_bytes=memory_bytes(self.config.exec_mem_pool_bytes, machine_memory_bytes()),
                places=bucket or LOCAL_PLACES,
                bucket=None if bucket is None else bucket.options,
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
            former=FormerAttachments(
                None if self._storage.folder is None else self._storage.folder.state
            ),
        )

    def _system_tables(self) -> list[SystemTable]:
        return [
            ProcessingEngineTriggers(self.catalog),
            ProcessingEngineTriggerArguments(self.catalog),
            ProcessingEngineLogs(self._log_rows),
            ProcessingEngineRuns(self._run_rows),
            PluginFiles(self._plugin_files),
            InfluxdbSchema(self.catalog),
            ParquetFiles(self.catalog, self.write_buffer.view, self._storage.bucket or LOCAL_PLACES),
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
            replayed=self._storage.replayed,
            state_folder=self._storage.folder.state if self._storage.folder is not None else None,
            file_system=self._file_system,
            state=self._plugin_state(started),
            step_pool=self._step_pool,
            recovery=self.recovery,
        )
        started.callback(self._part.close)

    def _plugin_state(self, started: ExitStack) -> PluginState | None:
        """Return where the plugin cache is stored, or None with object store ``memory``."""
        folder = self._storage.folder
        if folder is None:
            return None
        from procengine.state import PluginState, connect

        state = PluginState(
            folder.state,
            connect=self._connect_state or connect,
            keep=self.recovery.keep if self.recovery is not None else None,
        )
        started.callback(state.close)
        return state

    def _start_log(self, started: ExitStack) -> None:
        """Start the threads: from here on writes are taken and triggers run."""
        part = self._part
        self._storage.start(
            started,
            offer=part.triggers.offer if part is not None else _pass_over,
            oldest_needed=lambda: part.triggers.oldest_needed if part is not None else None,
        )
        if part is not None:
            started.callback(part.stop)
            part.start()

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

    def query(
        self,
        sql: str,
        database: str,
        params: Mapping[str, object] | None = None,
        *,
        check: Callable[[], None] | None = None,
    ) -> pa.Table:
        """Return all rows of a statement; see `procengine.query.executor.QueryExecutor.query`.

        ``check`` is called about every 50 ms while the statement runs; what it raises ends it.
        """
        self._check_running()
        return self.attachments.query(sql, database, params, check=check)

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
        tls_ca: str | None = None,
        tls_no_verify: bool = False,
    ) -> Attachment:
        """Read a database of an InfluxDB 3 server as if it were here; see `procengine.attach.attachment`.

        From now on `query`, and ``influxdb3_local.query`` of plugins, go to the server where they name the database
        by ``name``, by default the server's. Triggers on it are here. What is written to it stays here, in the local
        database of that name, unless ``read_only`` is false. New rows of the tables of ``tail`` come to the
        triggers here. Queries may take ``timeout_seconds``. The server is asked once now, unless ``ask_first`` is
        false. ``tls_ca`` is the file of a certificate authority that is trusted, too; with ``tls_no_verify`` any
        certificate will do. The token is kept in memory until `detach` or `stop`, and nowhere else.

        Raises:
            InvalidInputError: the URL is none of HTTP, a name is not accepted, or ``influxdb3-python`` is missing.
            AlreadyExistsError: a database is attached by that name.
            UnreachableServerError, RefusedByServerError, DatabaseNotFoundError: from the server.
            StoppedError: the engine is stopped.
        """
        from procengine.remote.tls import Tls

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
            tls=Tls(ca=tls_ca, no_verify=tls_no_verify),
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

    def stop_installation(self) -> None:
        """End an installation of packages that is under way, which is undone; any thread."""
        if self._part is not None:
            self._part.environment.interrupt()

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
        self._storage.snapshot()

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

    def _log_rows(self, database: str) -> pa.Table | None:
        return None if self._part is None else self._part.logs.table(database)

    def _attached(self) -> tuple[Attachment, ...]:
        return self.attachments.all()

    def _run_rows(self, database: str) -> pa.Table | None:
        return None if self._part is None else self._part.triggers.runs.table(database)

    def _plugin_files(self) -> Iterable[PluginFile]:
        return () if self._part is None else self._part.files()


def _pass_over(contents: object) -> None:
    """Offer flushed rows to nobody: there are no triggers."""
