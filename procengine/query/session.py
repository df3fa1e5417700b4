"""What does one query at a time have of DataFusion?

A `Session` owns one SessionContext whose catalog follows the session's current statement. Sessions are made once and
used again: making one takes longer than most statements. The executor keeps as many as there were queries at a time.

Source: core/datafusion_util/src/config.rs, iox_session_config.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import pyarrow as pa

from procengine.bucket import BucketOptions
from procengine.errors import QueryError
from procengine.query import wallclock_bins
from procengine.query.cache_functions import CacheFunction
from procengine.query.live_catalog import (
    CATALOG,
    DEFAULT_SCHEMA,
    SYSTEM_SCHEMA,
    LiveCatalog,
    LiveSchema,
)
from procengine.query.server_functions import follow_the_server
from procengine.query.session_options import SessionOptions
from procengine.query.sql_library import datafusion
from procengine.query.statement import Statement

T = TypeVar("T")

SETTINGS = {
    "datafusion.execution.parquet.pushdown_filters": "true",
    "datafusion.execution.parquet.reorder_filters": "true",
    "datafusion.execution.parquet.schema_force_view_types": "false",
    # Subqueries that yield one value become joins, as in the original's version; and so plans can be read whole.
    "datafusion.optimizer.enable_physical_uncorrelated_scalar_subquery": "false",
    "datafusion.optimizer.repartition_sorts": "true",
    "datafusion.optimizer.prefer_existing_union": "true",
    "datafusion.sql_parser.map_string_types_to_utf8view": "false",
}


def new_context(options: SessionOptions, *, catalog: bool) -> Any:
    """Return a SessionContext with the original's settings; ``catalog`` adds an empty one in memory."""
    library = datafusion()
    config = library.SessionConfig(SETTINGS).with_information_schema(True)
    config = config.with_create_default_catalog_and_schema(catalog)
    config = config.with_default_catalog_and_schema(CATALOG, DEFAULT_SCHEMA)
    if options.threads is not None:
        config = config.with_target_partitions(options.threads)
    if options.memory_bytes is None:
        context = library.SessionContext(config)
    else:
        runtime = library.RuntimeEnvBuilder().with_disk_manager_os()
        context = library.SessionContext(config, runtime.with_fair_spill_pool(options.memory_bytes))
    follow_the_server(context, library)
    if options.bucket is not None:
        _register_bucket(context, options.bucket)
    return context


def _register_bucket(context: Any, bucket: BucketOptions) -> None:
    """Let a context read addresses of a bucket."""
    from datafusion.object_store import AmazonS3

    store = AmazonS3(
        bucket_name=bucket.bucket,
        region=bucket.region,
        access_key_id=bucket.access_key_id,
        secret_access_key=bucket.secret_access_key,
        session_token=bucket.session_token,
        endpoint=bucket.endpoint,
        allow_http=bucket.allow_http,
    )
    context.register_object_store("s3://", store, bucket.bucket)


class Session:
    """Plans statements, one at a time: whoever has taken it from the pool is alone with it.

    ``failure`` is what a function of ours raised while DataFusion called it, of which DataFusion passes on the text.
    """

    def __init__(self, options: SessionOptions) -> None:
        library = datafusion()
        self._statement: Statement | None = None
        self.failure: Exception | None = None
        self._read_only = (
            library.SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)
        )
        # Few rows are done sooner by one thread than they are dealt out to several.
        self.context = new_context(options, catalog=False)
        self._single = new_context(replace(options, threads=1), catalog=False)
        schemas = {
            DEFAULT_SCHEMA: LiveSchema(self._table_names, self._table),
            SYSTEM_SCHEMA: LiveSchema(self._system_names, self._system_table),
        }
        for context in (self.context, self._single):
            context.register_catalog_provider(CATALOG, LiveCatalog(schemas))
            wallclock_bins.register(context, library, self._kept)
            for function in CacheFunction:
                context.register_udtf(
                    library.udtf(self._kept(self._cache_function(function)), function.value)
                )

    @cached_property
    def aggregate_names(self) -> frozenset[str]:
        """The names of DataFusion's aggregate functions."""
        return frozenset(self.context.udafs())

    def begin(self, statement: Statement) -> None:
        """Make a statement the one that the catalog follows."""
        self._statement = statement
        self.failure = None

    def end(self) -> None:
        """Let the statement, and the rows that it sees, go."""
        self._statement = None

    def plan(self, sql: str, parameters: Mapping[str, pa.Scalar], *, one_thread: bool = False) -> Any:
        """Return a DataFrame for one read-only statement, to be run by one thread or by several."""
        context = self._single if one_thread else self.context
        if self._statement is not None:
            self._statement.calls.restart()
        # Each value that is bound takes longer than to look whether the text can want it.
        bound = {name: value for name, value in parameters.items() if f"${name}" in sql}
        return context.sql(sql, options=self._read_only, param_values=bound)

    def evaluate(self, expression: str, parameters: Mapping[str, pa.Scalar]) -> pa.Scalar:
        """Return the value of a constant expression."""
        return self.plan(f"SELECT {expression}", parameters, one_thread=True).collect()[0].column(0)[0]

    def _cache_function(self, function: CacheFunction) -> Callable[..., Any]:
        """Return what DataFusion asks for the tables of a cache function."""

        def table(*arguments: Any) -> Any:
            if self._statement is None:
                raise QueryError(f"{function.value} was called outside of a statement")
            return self._statement.calls.table(function, arguments)

        return table

    def _kept(self, function: Callable[..., T]) -> Callable[..., T]:
        """Return a function that keeps what it raises as the session's failure."""

        def call(*arguments: Any) -> T:
            try:
                return function(*arguments)
            except Exception as failure:
                self.failure = failure
                raise

        return call

    def _table_names(self) -> list[str]:
        return self._statement.table_names if self._statement else []

    def _table(self, name: str) -> Any:
        return self._statement.table(name) if self._statement else None

    def _system_names(self) -> list[str]:
        return list(self._statement.system_tables) if self._statement else []

    def _system_table(self, name: str) -> Any:
        return self._statement.system_table(name) if self._statement else None
