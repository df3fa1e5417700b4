"""What happens to a trigger, so that its plugin runs?

An event is a value; the runner turns it into the arguments of the entry point.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from procengine.model.quick_init import quick_init, quick_maker
from procengine.model.run import Cause
from procengine.model.table_rows import TableRows
from procengine.model.trigger import TriggerKind


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class WriteEvent:
    """Rows became durable and can be queried.

    ``rows`` are the rows of one flush for the trigger's database, in the order of their writes, those of
    tables that the trigger does not watch left out. ``offered_ns`` is the monotonic instant
    (``time.perf_counter_ns``) at which the event came up, from which a run's queue wait is counted.
    ``size_bytes`` is about what the whole flush takes; 0 for rows that come from none.
    """

    rows: tuple[TableRows, ...]
    cause: Cause
    size_bytes: int = field(default=0, compare=False)
    offered_ns: int = field(default_factory=time.perf_counter_ns, compare=False)

    kind: ClassVar[TriggerKind] = TriggerKind.WRITE
    """The kind of trigger that takes this event."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleEvent:
    """A scheduled time came: ``instant_ns``, nanoseconds UTC, is that time and not the present."""

    instant_ns: int
    cause: Cause
    offered_ns: int = field(default_factory=time.perf_counter_ns, compare=False)

    kind: ClassVar[TriggerKind] = TriggerKind.SCHEDULE
    """The kind of trigger that takes this event."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvent:
    """An HTTP request, or one made up, addressed to a request trigger.

    ``query_params`` are decoded, ``headers`` have lower-case names; of a name given twice the last value
    stands. ``body`` is decompressed.
    """

    query_params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    cause: Cause
    method: str = "GET"
    offered_ns: int = field(default_factory=time.perf_counter_ns, compare=False)

    kind: ClassVar[TriggerKind] = TriggerKind.REQUEST
    """The kind of trigger that takes this event."""


new_write_event = quick_maker(WriteEvent)
new_schedule_event = quick_maker(ScheduleEvent)
"""Events, for those who make one a run."""

Event = WriteEvent | ScheduleEvent | RequestEvent
