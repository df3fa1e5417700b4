"""What does a plugin need of writing and querying?

Stated as protocols, so that this package knows neither the write path nor SQL.

Source: influxdb3_py_api/src/write.rs, WriteEndpoint; influxdb3_internal_api, QueryExecutor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from procengine.model.write_result import WriteResult


class WriteEndpoint(Protocol):
    """Takes the line protocol that plugins write; called from any thread, several at once."""

    def write_lines(self, database: str, lines: str, *, no_sync: bool, depth: int) -> WriteResult:
        """Store lines, nanosecond timestamps, all or none; return when durable, with ``no_sync`` sooner.

        ``depth`` counts the runs in the chain that led to this write: at least 1.

        Raises:
            ProcengineError: nothing was stored.
        """
        ...

    def check_lines(self, database: str, lines: str) -> Sequence[object]:
        """Return what `write_lines` would reject against the live schema, and change nothing.

        ``str()`` of each element is the text for the user; none means that all lines would be stored.
        """
        ...


class QueryEndpoint(Protocol):
    """Answers SQL; called from any thread, several at once."""

    def query(self, sql: str, database: str, params: Mapping[str, object] | None = None) -> pa.Table:
        """Return all rows of a query.

        Raises:
            ProcengineError: the query cannot be planned or failed while it ran.
        """
        ...
