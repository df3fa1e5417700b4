"""Which queries ran lately, and how did they go?

Kept in memory, the oldest dropped past a limit.

Source: influxdb3_system_tables/src/queries.rs, core/iox_query/src/query_log.rs.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from time import perf_counter_ns

import pyarrow as pa

from procengine.query.query_tally import QueryTally

LOG_SIZE = 1000
"""How many queries are kept, as in the original (``query-log-size``)."""


class QueryPhase(Enum):
    """How far a query has come."""

    RECEIVED = "received"
    """It is being planned."""
    PERMIT = "permit"
    """It is planned and runs."""
    SUCCESS = "success"
    """All its rows were taken."""
    FAIL = "fail"
    """It raised an error."""
    CANCEL = "cancel"
    """It was interrupted, or its reader let it go."""


ENDED = (QueryPhase.SUCCESS, QueryPhase.FAIL, QueryPhase.CANCEL)


@dataclass(slots=True, kw_only=True)
class LoggedQuery:
    """One query. The querying thread alone changes it; ``issue_time_ns`` is UTC, durations are nanoseconds."""

    database: str
    text: str
    issue_time_ns: int
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    phase: QueryPhase = QueryPhase.RECEIVED
    parquet_files: int | None = None
    plan_ns: int | None = None
    execute_ns: int | None = None
    end2end_ns: int | None = None
    tally: QueryTally | None = field(default=None, compare=False, repr=False)
    _received_ns: int = field(default_factory=perf_counter_ns)

    def planned(self, parquet_files: int) -> None:
        """Note that the plan is ready to run."""
        self.plan_ns = perf_counter_ns() - self._received_ns
        self.parquet_files = parquet_files
        self.phase = QueryPhase.PERMIT

    def ended(self, phase: QueryPhase) -> None:
        """Note how it ended; the first end counts."""
        if self.phase in ENDED:
            return
        self.end2end_ns = perf_counter_ns() - self._received_ns
        if self.plan_ns is not None:
            self.execute_ns = self.end2end_ns - self.plan_ns
        self.phase = phase
        if self.tally is not None:
            self.tally.end(phase.value, plan_ns=self.plan_ns, end2end_ns=self.end2end_ns)


class QueryLog:
    """The latest queries of all databases, oldest first; ``tally`` counts all."""

    def __init__(self, size: int = LOG_SIZE) -> None:
        # Guards the ring: reading it while another thread adds to it would raise.
        self._lock = threading.Lock()
        self._queries: deque[LoggedQuery] = deque(maxlen=size)
        self.tally = QueryTally()

    def add(self, query: LoggedQuery) -> None:
        """Keep a query, which goes on changing."""
        query.tally = self.tally
        self.tally.receive()
        with self._lock:
            self._queries.append(query)

    def of(self, database: str) -> list[LoggedQuery]:
        """Return the queries against one database."""
        with self._lock:
            return [query for query in self._queries if query.database == database]


class Queries:
    """``system.queries``: the latest queries against the queried database, the asking one included.

    Permits are not counted and neither memory nor computing time is measured, so those columns are NULL or zero.
    """

    name = "queries"
    internal_only = False
    schema = pa.schema(
        [
            pa.field("id", pa.utf8(), nullable=False),
            pa.field("phase", pa.utf8(), nullable=False),
            pa.field("issue_time", pa.timestamp("ns"), nullable=False),
            pa.field("query_type", pa.utf8(), nullable=False),
            pa.field("query_text", pa.utf8(), nullable=False),
            pa.field("partitions", pa.int64()),
            pa.field("parquet_files", pa.int64()),
            pa.field("plan_duration", pa.duration("ns")),
            pa.field("permit_duration", pa.duration("ns")),
            pa.field("execute_duration", pa.duration("ns")),
            pa.field("end2end_duration", pa.duration("ns")),
            pa.field("compute_duration", pa.duration("ns")),
            pa.field("max_memory", pa.int64()),
            pa.field("success", pa.bool_(), nullable=False),
            pa.field("running", pa.bool_(), nullable=False),
            pa.field("cancelled", pa.bool_(), nullable=False),
            pa.field("trace_id", pa.utf8()),
        ]
    )

    def __init__(self, log: QueryLog) -> None:
        self._log = log

    def rows(self, database: str) -> pa.Table:
        """Return one row a query, oldest first."""
        return pa.Table.from_pylist(
            [_row(query) for query in self._log.of(database)], schema=self.schema
        )


def _row(query: LoggedQuery) -> dict[str, object]:
    return {
        "id": str(query.id),
        "phase": query.phase.value,
        "issue_time": query.issue_time_ns,
        "query_type": "sql",
        "query_text": query.text,
        "parquet_files": query.parquet_files,
        "plan_duration": query.plan_ns,
        "permit_duration": None if query.plan_ns is None else 0,
        "execute_duration": query.execute_ns,
        "end2end_duration": query.end2end_ns,
        "success": query.phase is QueryPhase.SUCCESS,
        "running": query.phase not in ENDED,
        "cancelled": query.phase is QueryPhase.CANCEL,
    }
