"""SQL over everything that an engine holds: buffers, Parquet files and system tables."""

from __future__ import annotations

from procengine.query.cancellation import QueryCancellation
from procengine.query.executor import QueryExecutor
from procengine.query.session_options import SessionOptions
from procengine.query.system_table import SystemTable

__all__ = ["QueryCancellation", "QueryExecutor", "SessionOptions", "SystemTable"]
