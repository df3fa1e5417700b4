"""What was configured, and where did each value come from?

An option is looked for in this order: the call (or command line), the notebook's ``%config``, the
environment (``INFLUXDB3_*``), a TOML file; then its default holds. Option names are the original's, in snake
case here, in kebab case in the file. ``INFLUXDB3_UNSET_VARS`` names variables to ignore, by commas.

The plugin part of the engine is on when ``plugin_dir`` is configured, and only then: a folder that merely exists
turns nothing on. Configuring one adds ``process`` to ``mode``; ``process`` without one is refused.

Configuration stops at the engine: its parts receive values, never this record.

Source: influxdb3/src/commands/serve.rs, influxdb3_clap_blocks/src/plugins.rs (names, variables, defaults).
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, cast

from procengine.config_file import PASSED_OVER, read_config_file
from procengine.errors import ConfigError
from procengine.model.byte_size import GIB
from procengine.option_values import (
    one_of,
    read_count,
    read_flag,
    read_folder,
    read_gen1_duration,
    read_http_bind,
    read_interval,
    read_limit_seconds,
    read_memory,
    read_plugin_dir,
    read_repository,
    read_seconds,
    read_size_bytes,
    read_text,
    some_of,
)

MIB = 1024 * 1024

UNSET_VARIABLES = "INFLUXDB3_UNSET_VARS"

MODES = ("all", "ingest", "query", "process", "compact")
OBJECT_STORES = ("memory", "file", "s3")
UNPROTECTED_RESOURCES = ("health", "ping", "metrics", "ready", "pprof")
PACKAGE_MANAGERS = ("discover", "pip", "uv", "disabled")
TRIGGER_RESTRICTIONS = ("wal", "schedule", "request")


class Origin(Enum):
    """Where an option's value came from; earlier members win over later ones."""

    CALL = "call"
    SETTINGS = "%config"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """How one option is read and explained.

    ``parse`` turns a caller's, a variable's or a file's value into the field's type and raises `ValueError`
    saying what is accepted. ``variables`` are environment variables, the first that is set wins. The value of a
    secret is shown nowhere.
    """

    parse: Callable[[object], object]
    help: str
    variables: tuple[str, ...] = ()
    is_secret: bool = False


def _option(default: Any, parse: Callable[[object], object], help_text: str, *variables: str) -> Any:
    """Declare an option as a field of `EngineConfig`."""
    record = Option(parse=parse, help=help_text, variables=variables)
    return field(default=default, metadata={"option": record})


def _secret(help_text: str, variable: str) -> Any:
    """Declare an option whose value is shown nowhere."""
    record = Option(parse=read_text, help=help_text, variables=(variable,), is_secret=True)
    return field(default=None, repr=False, metadata={"option": record})


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """The options of one engine, each with its unit and default.

    Durations are seconds here and may be given as text (``"10ms"``) or seconds; sizes are bytes, of some options a
    percentage of the machine's memory too.
    """

    plugin_dir: Path | None = _option(
        None,
        read_plugin_dir,
        "folder of the plugins; turns the processing engine on",
        "INFLUXDB3_PLUGIN_DIR",
    )
    virtual_env_location: Path | None = _option(
        None,
        read_folder,
        "virtual environment of the plugins' packages; .venv in the plugin directory by default",
        "VIRTUAL_ENV",
    )
    package_manager: str = _option(
        "discover",
        one_of(PACKAGE_MANAGERS),
        "what installs packages: pip, uv, discover (pip, or uv where there is no pip), or disabled for nothing",
        "INFLUXDB3_PACKAGE_MANAGER",
    )
    plugin_repo: str | None = _option(
        None,
        read_repository,
        "where gh: plugins come from: an http:// or https:// address, or a folder; influxdata/influxdb3_plugins by "
        "default",
        "INFLUXDB3_PLUGIN_REPO",
    )
    plugin_dir_only: bool = _option(
        False,
        read_flag,
        "refuse plugins that are fetched: gh: and git+",
        "INFLUXDB3_PLUGIN_DIR_ONLY",
    )
    data_dir: Path | None = _option(
        None, read_folder, "folder of the data; needed by object store file", "INFLUXDB3_DB_DIR"
    )
    object_store: str = _option(
        "memory",
        one_of(OBJECT_STORES),
        "where data is kept: memory (gone with the process), file (the default once data_dir is set), or s3 (Parquet "
        "files in a bucket, all else in data_dir)",
        "INFLUXDB3_OBJECT_STORE",
    )
    bucket: str | None = _option(None, read_text, "bucket of object store s3", "INFLUXDB3_BUCKET")
    aws_access_key_id: str | None = _option(
        None,
        read_text,
        "who asks for the bucket; without it the machine's own credentials count",
        "AWS_ACCESS_KEY_ID",
    )
    aws_secret_access_key: str | None = _secret("the key's secret; never shown", "AWS_SECRET_ACCESS_KEY")
    aws_session_token: str | None = _secret(
        "token of temporary credentials; never shown", "AWS_SESSION_TOKEN"
    )
    aws_default_region: str = _option(
        "us-east-1", read_text, "the bucket's region", "AWS_DEFAULT_REGION"
    )
    aws_endpoint: str | None = _option(
        None, read_text, "address of a store that is not AWS's", "AWS_ENDPOINT"
    )
    aws_allow_http: bool = _option(False, read_flag, "an aws_endpoint may be http://", "AWS_ALLOW_HTTP")
    mode: tuple[str, ...] = _option(
        ("all",), some_of(MODES), f"what the node does: {', '.join(MODES)}", "INFLUXDB3_ENTERPRISE_MODE"
    )
    node_id: str = _option(
        "procengine",
        read_text,
        "the node's name",
        "INFLUXDB3_NODE_ID",
        "INFLUXDB3_NODE_IDENTIFIER_PREFIX",
    )
    wal_flush_interval: float = _option(
        0.01,
        read_seconds,
        "seconds in which writes share a flush after one; 0 flushes each at once, 1s is the original's",
        "INFLUXDB3_WAL_FLUSH_INTERVAL",
    )
    wal_snapshot_size: int = _option(
        100_000,
        read_count,
        "flushes after which buffered rows become Parquet; the original's 600 are of a second each",
        "INFLUXDB3_WAL_SNAPSHOT_SIZE",
    )
    gen1_duration: float = _option(
        600.0,
        read_gen1_duration,
        "seconds of time that a chunk spans: 1m, 5m or 10m",
        "INFLUXDB3_GEN1_DURATION",
    )
    force_snapshot_mem_threshold: str = _option(
        "50%",
        read_memory,
        "buffered rows beyond this are snapshotted at once",
        "INFLUXDB3_FORCE_SNAPSHOT_MEM_THRESHOLD",
    )
    exec_mem_pool_bytes: str = _option(
        "20%", read_memory, "memory of queries", "INFLUXDB3_EXEC_MEM_POOL_BYTES"
    )
    datafusion_num_threads: int | None = _option(
        None, read_count, "threads of a query; all cores by default", "INFLUXDB3_DATAFUSION_NUM_THREADS"
    )
    query_log_size: int = _option(
        1000, read_count, "queries kept in system.queries", "INFLUXDB3_QUERY_LOG_SIZE"
    )
    http_bind: str = _option(
        "127.0.0.1:8181",
        read_http_bind,
        "loopback address and port of the API; off for none",
        "INFLUXDB3_HTTP_BIND_ADDR",
    )
    max_http_request_size: int = _option(
        10_485_760,
        read_count,
        "bytes of a request's body, compressed or not, beyond which it is refused",
        "INFLUXDB3_MAX_HTTP_REQUEST_SIZE",
    )
    without_auth: bool = _option(
        False,
        read_flag,
        "serve the API without tokens",
        "INFLUXDB3_WITHOUT_AUTH",
        "INFLUXDB3_START_WITHOUT_AUTH",
    )
    disable_authz: tuple[str, ...] = _option(
        (),
        some_of(UNPROTECTED_RESOURCES),
        f"what is served without a token: {', '.join(UNPROTECTED_RESOURCES)}; nothing by default",
        "INFLUXDB3_DISABLE_AUTHZ",
    )
    last_cache_eviction_interval: float = _option(
        10.0,
        read_interval,
        "seconds between evictions of expired rows from last-value caches",
        "INFLUXDB3_LAST_CACHE_EVICTION_INTERVAL",
    )
    distinct_cache_eviction_interval: float = _option(
        10.0,
        read_interval,
        "seconds between prunings of distinct-value caches",
        "INFLUXDB3_DISTINCT_CACHE_EVICTION_INTERVAL",
    )
    last_value_cache_disable_from_history: bool = _option(
        False,
        read_flag,
        "last-value caches begin with what the write-ahead log has, not with the table's rows",
        "INFLUXDB3_LAST_VALUE_CACHE_DISABLE_FROM_HISTORY",
        "INFLUXDB3_ENTERPRISE_LAST_VALUE_CACHE_DISABLE_FROM_HISTORY",
    )
    distinct_value_cache_disable_from_history: bool = _option(
        False,
        read_flag,
        "distinct-value caches begin with what the write-ahead log has, not with the table's rows",
        "INFLUXDB3_DISTINCT_VALUE_CACHE_DISABLE_FROM_HISTORY",
        "INFLUXDB3_ENTERPRISE_DISTINCT_VALUE_CACHE_DISABLE_FROM_HISTORY",
    )
    restrict_plugin_triggers_to: tuple[str, ...] = _option(
        (),
        some_of(TRIGGER_RESTRICTIONS),
        "kinds of triggers that may be created: wal, schedule, request; all by default",
        "INFLUXDB3_RESTRICT_PLUGIN_TRIGGERS_TO",
    )
    async_trigger_concurrency_limit: int | None = _option(
        None,
        read_count,
        "runs of one asynchronous trigger at a time; 256, half of the workers, by default and at most",
        "INFLUXDB3_ASYNC_TRIGGER_CONCURRENCY_LIMIT",
    )
    shutdown_timeout: float = _option(
        30.0, read_seconds, "seconds that stop waits for a run in flight", "INFLUXDB3_SHUTDOWN_TIMEOUT"
    )
    request_queue_limit: int = _option(
        1_000,
        read_count,
        "requests that may wait for one synchronous trigger, after which the next is refused",
        "INFLUXDB3_REQUEST_QUEUE_LIMIT",
    )
    trigger_depth_limit: int = _option(
        64,
        read_count,
        "writes caused by runs caused by writes, after which the trigger is paused",
        "INFLUXDB3_TRIGGER_DEPTH_LIMIT",
    )
    trigger_lag_limit: int = _option(
        GIB,
        read_size_bytes,
        "bytes of log kept for a write trigger that lags, after which it is paused",
        "INFLUXDB3_TRIGGER_LAG_LIMIT",
    )
    plugin_wall_time_limit: float | None = _option(
        None,
        read_limit_seconds,
        "seconds that a run may take; unlimited by default, as the two below",
        "INFLUXDB3_PLUGIN_WALL_TIME_LIMIT",
    )
    plugin_cpu_time_limit: float | None = _option(
        None,
        read_limit_seconds,
        "seconds of CPU time that a run's own thread may use",
        "INFLUXDB3_PLUGIN_CPU_TIME_LIMIT",
    )
    plugin_memory_limit: int | None = _option(
        None,
        read_size_bytes,
        "bytes by which memory may grow during a run, which then has the plugins to itself",
        "INFLUXDB3_PLUGIN_MEMORY_LIMIT",
    )

    run_history_bytes: int = _option(
        16 * MIB,
        read_count,
        "bytes on disk of system.processing_engine_runs: some 100,000 runs",
        "INFLUXDB3_RUN_HISTORY_BYTES",
    )
    processing_engine_log_bytes: int = _option(
        16 * MIB,
        read_count,
        "bytes on disk of system.processing_engine_logs: some 100,000 lines",
        "INFLUXDB3_PROCESSING_ENGINE_LOG_BYTES",
    )

    @property
    def plugins_enabled(self) -> bool:
        """Whether the plugin part is on."""
        return self.plugin_dir is not None


OPTIONS: Mapping[str, Option] = {
    declared.name: declared.metadata["option"] for declared in dataclasses.fields(EngineConfig)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """A configuration and the origin of each of its values.

    ``places`` names the variable, or the file and line, for values from there. ``passed_over`` are the file's keys
    of InfluxDB 3 that are no options here.
    """

    config: EngineConfig
    origins: Mapping[str, Origin]
    places: Mapping[str, str]
    passed_over: tuple[str, ...] = ()


def load_config(
    call: Mapping[str, object] | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> LoadedConfig:
    """Return the configuration from all its sources, the first named source winning.

    In ``call`` and ``settings`` a value of None leaves the option to the next source.

    Raises:
        ConfigError: an unknown option, a value that is not accepted, or options that contradict each other;
            the text names the option, its origin and what is accepted.
    """
    passed_over: list[str] = []
    sources = (
        (Origin.CALL, _given(call or {})),
        (Origin.SETTINGS, _given(settings or {})),
        (Origin.ENVIRONMENT, _from_environment(environ or {})),
        (Origin.FILE, _from_file(file, passed_over)),
    )
    values: dict[str, object] = {}
    origins = dict.fromkeys(OPTIONS, Origin.DEFAULT)
    places: dict[str, str] = {}
    for origin, found in reversed(sources):
        for name, (raw, place) in found.items():
            values[name] = _parse(name, raw, place)
            origins[name] = origin
            places[name] = place
    return LoadedConfig(
        config=_settle(values), origins=origins, places=places, passed_over=tuple(passed_over)
    )


def without_unset(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment less the variables that ``INFLUXDB3_UNSET_VARS`` names (by commas).

    Source: docs, influxdb3-processing-engine (Disable in Docker deployments).
    """
    unset = unset_variables(environ)
    return {name: value for name, value in environ.items() if name not in unset}


def unset_variables(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the variables that are to be taken for unset."""
    named = environ.get(UNSET_VARIABLES, "")
    return frozenset(name.strip() for name in named.split(",") if name.strip())


_LATER_NAMES = {
    "exec_mem_pool_size": "exec_mem_pool_bytes",
    "force_snapshot_mem_size": "force_snapshot_mem_threshold",
    "num_datafusion_threads": "datafusion_num_threads",
    "query_log_max_entries": "query_log_size",
    "wal_files_per_snapshot": "wal_snapshot_size",
}
"""Keys of InfluxDB 3.11 and of its launcher for options that have the names of 3.10 here."""

_Found = dict[str, tuple[object, str]]


def _given(values: Mapping[str, object]) -> _Found:
    for name in values:
        if name not in OPTIONS:
            raise ConfigError(f"unknown option {name!r}{_accepted(name)}")
    return {name: (value, name) for name, value in values.items() if value is not None}


def _from_environment(environ: Mapping[str, str]) -> _Found:
    visible = without_unset(environ)
    found: _Found = {}
    for name, record in OPTIONS.items():
        variable = next((each for each in record.variables if each in visible), None)
        if variable is not None:
            found[name] = (visible[variable], variable)
    return found


def _from_file(file: Path | None, passed_over: list[str]) -> _Found:
    if file is None:
        return {}
    found: _Found = {}
    for entry in read_config_file(file):
        if entry.key in PASSED_OVER:
            passed_over.append(entry.key)
            continue
        name = entry.key.replace("-", "_")
        name = _LATER_NAMES.get(name, name)
        if name not in OPTIONS:
            raise ConfigError(f"unknown key {entry.place}{_accepted(entry.key)}")
        if name in found:
            raise ConfigError(
                f"{entry.place} is there before, as {found[name][1]}: leave one of them out"
            )
        found[name] = (entry.value, entry.place)
    return found


def _accepted(said: str) -> str:
    """Return which options there are, the nearest to what was said first, written as that was."""
    names = {name.replace("_", "-") if "-" in said else name for name in OPTIONS}
    nearest = difflib.get_close_matches(said, sorted(names), n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return f"{hint} (accepted: {', '.join(sorted(names))})"


def _parse(name: str, raw: object, place: str) -> object:
    try:
        return OPTIONS[name].parse(raw)
    except ValueError as error:
        where = "" if place == name else f" (from {place})"
        shown = "what it is" if OPTIONS[name].is_secret else repr(raw)
        raise ConfigError(f"option {name}{where} cannot be {shown}: {error}") from error


def _settle(values: dict[str, object]) -> EngineConfig:
    """Apply the rules that concern more than one option."""
    if "object_store" not in values and values.get("data_dir") is not None:
        values["object_store"] = "file"
    config = EngineConfig(**cast("dict[str, Any]", values))
    if config.object_store != "memory" and config.data_dir is None:
        raise ConfigError(
            f"object_store {config.object_store!r} needs data_dir: give the folder of the data, or use 'memory'"
        )
    if config.object_store == "s3":
        _check_bucket(config)
    if config.plugin_dir is None and "process" in config.mode:
        raise ConfigError(
            "mode 'process' needs plugin_dir: give the folder of the plugins, or leave the mode out"
        )
    if config.plugin_dir is not None and not {"all", "process"} & set(config.mode):
        return dataclasses.replace(config, mode=(*config.mode, "process"))
    return config


def _check_bucket(config: EngineConfig) -> None:
    if config.bucket is None:
        raise ConfigError("object_store 's3' needs bucket: give the name of a bucket that is there")
    if (config.aws_access_key_id is None) != (config.aws_secret_access_key is None):
        raise ConfigError(
            "aws_access_key_id and aws_secret_access_key belong together: give both or none"
        )
    endpoint = config.aws_endpoint or "https://"
    if not endpoint.startswith(("https://", "http://")):
        raise ConfigError(f"option aws_endpoint cannot be {endpoint!r}: expected https://HOST[:PORT]")
    if endpoint.startswith("http://") and not config.aws_allow_http:
        raise ConfigError(
            "option aws_endpoint is http://: set aws_allow_http to allow that, or use https://"
        )


def memory_bytes(size: str, total_bytes: int) -> int:
    """Return a size option in bytes: a number as it is, a percentage of ``total_bytes``."""
    if size.endswith("%"):
        return int(float(size.removesuffix("%")) / 100 * total_bytes)
    return int(size)
