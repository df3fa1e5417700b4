"""Which parts make the processing engine?

Imported by the engine when a plugin directory is configured, and only then.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from procengine.catalog import Catalog
from procengine.clock import NANOSECONDS_PER_SECOND, Clock
from procengine.config import EngineConfig
from procengine.errors import PluginPathError, ProcengineError
from procengine.file_system import FileSystem
from procengine.model.duration import format_duration
from procengine.model.run import LogEntry, LogLevel, Run
from procengine.model.run_limits import RunLimits
from procengine.model.table_rows import TableRows
from procengine.model.trigger import Trigger, TriggerKind
from procengine.model.trigger_spec import AllTablesSpec, TableSpec, parse_trigger_spec
from procengine.processing.dry_run import PluginTests
from procengine.processing.endpoints import QueryEndpoint, WriteEndpoint
from procengine.processing.fetched_plugins import FetchedPlugins, Pins
from procengine.processing.log_view import LogView
from procengine.processing.plugin_cache import PluginCache
from procengine.processing.plugin_classes import PluginClasses
from procengine.processing.plugin_environment import PluginEnvironment
from procengine.processing.plugin_pickle import ValuePickles
from procengine.processing.plugin_registry import PluginRegistry
from procengine.processing.plugin_uploads import PluginUploads
from procengine.processing.plugin_variables import plugin_variables
from procengine.processing.plugin_versions import PluginVersions
from procengine.processing.processing_history import ProcessingHistory
from procengine.processing.runner import PluginRunner
from procengine.processing.step_pool import StepPool
from procengine.processing.stuck_run import StuckRun
from procengine.processing.trigger_options import TriggerOptions
from procengine.processing.trigger_places import TriggerPlaces
from procengine.processing.triggers import Triggers
from procengine.processing.write_cursor import Watch
from procengine.query.processing_tables import PluginFile
from procengine.recovery import Recovery
from procengine.state import Place, PluginState
from procengine.wal import ReplayedRows, Wal

KINDS = {"wal": TriggerKind.WRITE, "schedule": TriggerKind.SCHEDULE, "request": TriggerKind.REQUEST}
NANOSECONDS_PER_MILLISECOND = 1_000_000


class PluginPart:
    """The plugins of one plugin directory, their triggers, cache and logs."""

    def __init__(
        self,
        *,
        config: EngineConfig,
        clock: Clock,
        catalog: Catalog,
        write: WriteEndpoint,
        query: QueryEndpoint,
        wal: Wal,
        replayed: ReplayedRows,
        state_folder: Path | None,
        file_system: FileSystem,
        state: PluginState | None,
        step_pool: StepPool | None = None,
        recovery: Recovery | None = None,
    ) -> None:
        """``state_folder`` is for what outlives the engine; None with object store ``memory``.

        ``replayed`` are the rows that the log has brought back.
        ``state`` is where the plugin cache is stored; None: nowhere. ``step_pool`` stands for the threads that run
        plugins; the log then says of every run that it took no time, as its clock stands still meanwhile.

        Raises:
            DataFormatError, CorruptFileError, StorageError: it cannot be used.
        """
        assert config.plugin_dir is not None
        config.plugin_dir.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._catalog, self._wal = catalog, wal
        self.environment = PluginEnvironment(
            config.virtual_env_location or config.plugin_dir / ".venv",
            working_folder=config.plugin_dir,
            package_manager=config.package_manager,
        )
        self.uploads = PluginUploads(config.plugin_dir, catalog)
        self.uploads.mend()
        self.versions = PluginVersions(
            clock,
            None if state_folder is None else state_folder / "plugin-versions",
            file_system=file_system,
        )
        self.registry = PluginRegistry(
            config.plugin_dir,
            loaded=lambda one: self.versions.note(one.filename, one.version, one.texts),
            fetched=FetchedPlugins(
                config.plugin_dir,
                clock,
                Pins(get=self._pin_of, put=catalog.pin_plugin),
                repository=config.plugin_repo,
                plugin_dir_only=config.plugin_dir_only,
            ),
        )
        pickles = ValuePickles(PluginClasses(self.registry))
        self.cache = PluginCache(
            clock,
            store=state,
            pickles=pickles,
            trigger_names=lambda: {one.trigger_id: one.name for one in self.triggers.list()},
        )
        self.cache.open(_places_of(catalog))
        self._history = _open_history(config, state_folder, file_system)
        self._history.runs.recent.unpickle = pickles.load
        self._history.runs.recent.find_rows = self._rows_of
        self.logs = self._history.logs
        self.runner = PluginRunner(
            self.registry,
            self.cache,
            self.logs,
            write,
            query,
            clock,
            first_run_id=self._history.last_run_id + 1,
            variables=plugin_variables(config.plugin_dir, self.environment.folder),
            recent=self._history.runs.recent,
            duration_text=format_duration if step_pool is None else _no_time,
        )
        self.stuck_runs: tuple[StuckRun, ...] = ()
        self.tests = PluginTests(catalog, clock, self.registry, self.runner)
        self._places = TriggerPlaces(state_folder, file_system=file_system)
        if self._history.writer is not None:
            self._places.open(self._history.writer.call_soon)
            self._look_for_the_end(recovery)
            self.versions.open(self._history.writer.call_soon)
        log = LogView(
            read=wal.contents,
            end=lambda: wal.last_sequence_number,
            reach_bytes=wal.reach_bytes,
            replayed=replayed,
            places=self._places,
        )
        self.triggers = Triggers(
            catalog,
            self.runner,
            log,
            clock,
            check_plugin=self.registry.check,
            log=self._log,
            drop_cache=self._drop_cache,
            options=_options(config, log.reach_bytes),
            runs=self._history.runs,
            pool=step_pool,
            plugin_note=self.registry.note,
        )

    def _look_for_the_end(self, recovery: Recovery | None) -> None:
        """Report where triggers were told of flushes that the log does not have: they were durable before."""
        told = max((place.noted for place in self._places.found.values()), default=0)
        last = self._wal.last_sequence_number
        if told > last and recovery is not None:
            recovery.miss(
                f"the write-ahead log ends with flush {last}, but triggers were told of flush {told}: rows that were "
                "acknowledged are missing; if files of the data folder's 'wal' were lost or put back from an older "
                "copy, stop the engine before it writes more, and restore them"
            )

    def start(self) -> None:
        """Prepare the interpreter, begin to keep the history, and start the catalog's triggers."""
        self.environment.attach()
        self._history.start(self._places, self.versions)
        self.runner.start()
        self.triggers.start()

    def stop(self) -> None:
        """Stop the triggers, keep what they cached, and give the interpreter back."""
        self.stuck_runs = self.triggers.stop()
        self.environment.close()
        self.cache.commit_rest()
        self.runner.close()

    def close(self) -> None:
        """Let go of the plugin cache's file and of the loaded plugins, and write what the history has not yet."""
        self.cache.close()
        self.registry.close()
        self._history.stop()
        self._places.close()

    def files(self) -> Iterator[PluginFile]:
        """Yield the files of each trigger's plugin; a plugin that is missing has none."""
        for trigger in self.triggers.list():
            try:
                found = self.registry.files(trigger.plugin_filename)
            except PluginPathError:
                continue
            for file in found:
                yield PluginFile(
                    trigger=trigger.name,
                    file_name=file.name,
                    file_path=str(file.path),
                    size_bytes=file.size_bytes,
                    last_modified_ms=file.modified_ns // NANOSECONDS_PER_MILLISECOND,
                )

    def _pin_of(self, filename: str) -> str | None:
        """Return the commit that a plugin is pinned to, while a trigger uses it."""
        databases = self._catalog.databases
        used = any(
            one.plugin_filename.rstrip("/") == filename
            for database in databases
            for one in database.triggers.values()
        )
        return self._catalog.state.pins.get(filename) if used else None

    def _rows_of(self, run: Run) -> tuple[TableRows, ...]:
        """Return the rows that a run of a write trigger came with, while the log has them; else none.

        A trigger that watches something else by now, or is gone, has none.
        """
        sequence_number, database = (
            run.cause.wal_sequence_number,
            self._catalog.find_database(run.database),
        )
        trigger = next((one for one in self.triggers.list() if one.trigger_id == run.trigger_id), None)
        if sequence_number is None or trigger is None or database is None:
            return ()
        spec = parse_trigger_spec(trigger.spec)
        if not isinstance(spec, TableSpec | AllTablesSpec):
            return ()
        try:
            rows = Watch.of(database.id, spec).rows(self._wal.contents(sequence_number))
        except (LookupError, ProcengineError):
            return ()
        return rows if sum(one.row_count for one in rows) == run.rows_in else ()

    def _log(self, trigger: Trigger, level: LogLevel, text: str) -> None:
        self.logs.append(
            LogEntry(
                time_ns=self._clock.now_ns(),
                database=trigger.database,
                trigger=trigger.name,
                level=level,
                text=text,
                trigger_id=trigger.trigger_id,
            )
        )

    def _drop_cache(self, trigger: Trigger) -> None:
        self.cache.drop_trigger(trigger.database, trigger.trigger_id)


_NO_TIME = format_duration(0)


def _no_time(duration_ns: int) -> str:  # noqa: ARG001 - what it took beside a clock that stands still
    return _NO_TIME


def _open_history(
    config: EngineConfig, folder: Path | None, file_system: FileSystem
) -> ProcessingHistory:
    if folder is None:
        return ProcessingHistory.in_memory()
    return ProcessingHistory.on_disk(
        folder,
        run_bytes=config.run_history_bytes,
        log_bytes=config.processing_engine_log_bytes,
        file_system=file_system,
    )


def _places_of(catalog: Catalog) -> set[Place]:
    """Return the plugin cache's namespaces of the triggers that there are."""
    triggers = (one for database in catalog.databases for one in database.triggers.values())
    return {Place(one.database, one.trigger_id) for one in triggers}


def _options(config: EngineConfig, most_log_bytes: int | None) -> TriggerOptions:
    """Return the bounds of triggers; one cannot lag further than a log that is kept in memory reaches."""
    allowed = config.restrict_plugin_triggers_to
    return TriggerOptions(
        allowed_kinds=frozenset(KINDS[name] for name in allowed) if allowed else frozenset(TriggerKind),
        limits=RunLimits(
            wall_ns=_nanoseconds(config.plugin_wall_time_limit),
            cpu_ns=_nanoseconds(config.plugin_cpu_time_limit),
            memory_bytes=config.plugin_memory_limit,
            runs=config.async_trigger_concurrency_limit,
        ),
        request_queue_limit=config.request_queue_limit,
        depth_limit=config.trigger_depth_limit,
        lag_limit_bytes=min(config.trigger_lag_limit, most_log_bytes or config.trigger_lag_limit),
        stop_timeout_seconds=config.shutdown_timeout,
    )


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * NANOSECONDS_PER_SECOND)
