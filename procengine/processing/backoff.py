"""What follows a run that failed, and after what pause?

Pure decisions; the running trigger carries them out.

Source: influxdb3_processing_engine/src/plugins.rs, handle_trigger_result.
Differs: the original's retry has no pause, no limit and no log row.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from procengine.model.duration import SECOND
from procengine.model.run import RunOutcome
from procengine.model.trigger import ErrorBehavior


class AfterRun(Enum):
    """What a trigger does with the event that it has just run."""

    NEXT = "next"
    """It is done with; go on to the next."""
    RETRY = "retry"
    """Run it again, after a pause."""
    GIVE_UP = "give_up"
    """The attempts are used up; drop it and go on."""
    DISABLE = "disable"
    """Disable the trigger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How retries are spaced: each pause is twice the one before, up to the longest.

    ``attempt_limit`` counts the first run too; None means without end.
    """

    first_pause_ns: int = SECOND // 10
    longest_pause_ns: int = 60 * SECOND
    attempt_limit: int | None = None

    def pause_ns(self, attempt: int) -> int:
        """Return the pause after the failure of an attempt, counted from 1, in nanoseconds."""
        doublings = min(attempt - 1, 62)
        return min(self.first_pause_ns << doublings, self.longest_pause_ns)


def decide(outcome: RunOutcome, behavior: ErrorBehavior, attempt: int, backoff: Backoff) -> AfterRun:
    """Return what follows a run of a write or schedule trigger.

    Only a plugin that raised, or went past a limit, has failed: queued lines that were rejected are logged
    and not tried again.
    """
    if not outcome.is_failure:
        return AfterRun.NEXT
    match behavior:
        case ErrorBehavior.LOG:
            return AfterRun.NEXT
        case ErrorBehavior.DISABLE:
            return AfterRun.DISABLE
        case ErrorBehavior.RETRY:
            limit = backoff.attempt_limit
            return AfterRun.GIVE_UP if limit is not None and attempt >= limit else AfterRun.RETRY
    assert_never(behavior)
