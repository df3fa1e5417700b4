"""Which bounds hold for triggers?"""

from __future__ import annotations

from dataclasses import dataclass, field

from procengine.model.trigger import TriggerKind
from procengine.processing.backoff import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerOptions:
    """Bounds that hold for each trigger, or for all together.

    ``allowed_kinds`` may be created (others keep running); ``async_concurrency_limit`` bounds the runs of one
    asynchronous trigger at a time, None not at all. ``depth_limit`` and ``lag_limit`` (contents of the log)
    pause a trigger. ``stop_timeout_seconds`` is how long disable, delete and stop wait for a run that was
    cancelled. ``history_runs`` are kept for inspection, over all triggers.
    """

    allowed_kinds: frozenset[TriggerKind] = frozenset(TriggerKind)
    async_concurrency_limit: int | None = None
    depth_limit: int = 64
    lag_limit: int = 100_000
    backoff: Backoff = field(default_factory=Backoff)
    stop_timeout_seconds: float = 30.0
    history_runs: int = 1_000
    worker_limit: int = 512
    worker_idle_seconds: float = 10.0
