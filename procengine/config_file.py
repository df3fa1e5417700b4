"""What does a TOML file of options say, and on which line?

The file is flat, as InfluxDB 3's own: ``key = value``, the keys in kebab case. A key of InfluxDB 3 that means nothing
here is passed over, so that a server's file can be used as it is.

Source: packages' influxdb3-core.conf and launcher; docs-v2, influxdb3-cli/config-options.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from procengine.errors import ConfigError

PASSED_OVER = frozenset(
    """
    admin-token-file admin-token-recovery-http-bind admin-token-recovery-tcp-listener-file-path
    aws-credentials-file aws-s3-custom-backend aws-skip-signature azure-allow-http azure-endpoint
    azure-storage-access-key azure-storage-account catalog-sync-interval checkpoint-interval cluster-id
    compacted-data-load-concurrency-limit compacted-data-skip-file-index compaction-check-interval
    compaction-cleanup-wait compaction-gen2-duration compaction-max-num-files-per-plan compaction-multipliers
    compaction-row-limit conn-info database-split-level datafusion-config datafusion-max-parquet-fanout
    datafusion-runtime-disable-lifo-slot datafusion-runtime-event-interval
    datafusion-runtime-global-queue-interval datafusion-runtime-max-blocking-threads
    datafusion-runtime-max-io-events-per-tick datafusion-runtime-thread-keep-alive
    datafusion-runtime-thread-priority datafusion-runtime-type datafusion-use-cached-parquet-loader
    delete-grace-period disable-file-cache disable-log-filter-noise-reduction disable-package-management
    disable-parquet-mem-cache disable-telemetry-upload file-cache-recency file-cache-size gen1-lookback-duration
    google-service-account hard-delete-default-duration io-runtime-disable-lifo-slot io-runtime-event-interval
    io-runtime-global-queue-interval io-runtime-max-blocking-threads io-runtime-max-io-events-per-tick
    io-runtime-thread-keep-alive io-runtime-thread-priority io-runtime-type jwt-default-ttl-seconds jwt-issuer
    jwt-key-id jwt-private-key license-email license-file license-type log-destination log-filter log-format
    max-columns max-compact-destination max-concurrent-queries node-id-from-env num-cores num-database-limit
    num-io-threads num-table-limit num-total-columns-per-table-limit oauth-audience oauth-client-id oauth-issuer
    oauth-scopes object-store-cache-endpoint object-store-connection-limit object-store-http2-max-frame-size
    object-store-http2-only object-store-max-retries object-store-request-timeout object-store-retry-timeout
    object-store-tls-allow-insecure object-store-tls-ca parquet-mem-cache-prune-interval
    parquet-mem-cache-prune-percentage parquet-mem-cache-query-path-duration parquet-mem-cache-size
    permission-tokens-file preemptive-cache-age query-file-limit
    rbac-authoring-disabled replication-interval retention-check-interval snapshot-concurrency-limit
    snapshotted-wal-files-to-keep table-index-cache-concurrency-limit table-index-cache-max-entries
    table-split-level tcp-listener-file-path telemetry-endpoint tls-cert tls-key tls-minimum-version
    tokio-console-client-buffer-capacity tokio-console-enabled tokio-console-event-buffer-capacity traces-exporter
    traces-exporter-jaeger-agent-host traces-exporter-jaeger-agent-port traces-exporter-jaeger-debug-name
    traces-exporter-jaeger-service-name traces-exporter-jaeger-trace-context-header-name traces-jaeger-debug-name
    traces-jaeger-max-msgs-per-second traces-jaeger-tags upgrade-pacha-tree wait-for-running-ingester
    wal-max-buffered-writes wal-max-write-buffer-size wal-replay-concurrency-limit wal-replay-fail-on-error
    without-user-auth
    """.split()  # noqa: SIM905
)
"""Options of InfluxDB 3 that are none here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key of a file; ``line`` is counted from 1, None where it could not be made out."""

    key: str
    value: object
    file: Path
    line: int | None

    @property
    def place(self) -> str:
        """The words that say where it stands."""
        where = f"{str(self.file)!r}"
        return (
            f"{self.key} in {where}" if self.line is None else f"{self.key} in {where}, line {self.line}"
        )


def read_config_file(file: Path) -> Iterator[Entry]:
    """Yield the keys of a file, in its order.

    Raises: ConfigError: it cannot be read or is not TOML; the text names file, line and column.
    """
    try:
        text = file.read_text(encoding="utf-8")
        entries = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read configuration file {str(file)!r}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration file {str(file)!r} is not TOML: {error}") from error
    lines = _lines_of(text, entries)
    for key, value in entries.items():
        yield Entry(key=key, value=value, file=file, line=lines.get(key))


def _lines_of(text: str, entries: Mapping[str, object]) -> dict[str, int]:
    """Return the first line that begins with each key; the parser does not tell."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        start = line.lstrip(" \t[").replace('"', "").replace("'", "")
        for key in entries:
            rest = start.removeprefix(key)
            if rest != start and rest.lstrip(" \t")[:1] in {"=", ".", "]"}:
                found.setdefault(key, number)
    return found
