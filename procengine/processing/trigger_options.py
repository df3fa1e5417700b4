"""Which bounds hold for triggers?"""

from __future__ import annotations

from dataclasses import dataclass, field

from procengine.model.byte_size import GIB
from procengine.model.run_limits import RunLimits
from procengine.model.trigger import TriggerKind
from procengine.processing.backoff import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerOptions:
    """Bounds that hold for each trigger, or for all together.

    ``allowed_kinds`` may be created (others keep running); ``limits`` are those of runs whose trigger says
    nothing else. ``depth_limit`` and ``lag_limit_bytes`` (log that is kept for a write trigger) pause a trigger.
    ``stop_timeout_seconds`` is how long disable, delete and stop wait for a run that was cancelled.
    ``request_queue_limit`` is how many requests may wait for one trigger: more than the API has
    connections, so that there each waits for its turn, as in the original, whose senders wait too.
    ``history_runs`` are kept for inspection, over all triggers. There are at most ``worker_limit`` threads that
    run events, of which one asynchronous trigger has at most half.
    """

    allowed_kinds: frozenset[TriggerKind] = frozenset(TriggerKind)
    limits: RunLimits = RunLimits()
    depth_limit: int = 64
    lag_limit_bytes: int = GIB
    backoff: Backoff = field(default_factory=Backoff)
    stop_timeout_seconds: float = 30.0
    request_queue_limit: int = 1_000
    history_runs: int = 1_000
    worker_limit: int = 512
    worker_idle_seconds: float = 10.0

    def runs_of(self, limits: RunLimits) -> int:
        """Return how many runs of an asynchronous trigger with these limits workers may make at a time."""
        most = max(1, self.worker_limit // 2)
        return most if limits.runs is None else min(limits.runs, most)
