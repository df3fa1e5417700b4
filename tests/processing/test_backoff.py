"""What follows a failed run (section 1, error_behavior; design section 4)."""

from __future__ import annotations

import pytest

from procengine.model.run import RunOutcome
from procengine.model.trigger import ErrorBehavior
from procengine.processing.backoff import AfterRun, Backoff, decide

LIMITED = Backoff(attempt_limit=3)


@pytest.mark.parametrize(
    ("outcome", "behavior", "attempt", "expected"),
    [
        (RunOutcome.SUCCESS, ErrorBehavior.RETRY, 1, AfterRun.NEXT),
        (RunOutcome.ERROR, ErrorBehavior.LOG, 1, AfterRun.NEXT),
        (RunOutcome.ERROR, ErrorBehavior.DISABLE, 1, AfterRun.DISABLE),
        (RunOutcome.ERROR, ErrorBehavior.RETRY, 2, AfterRun.RETRY),
        (RunOutcome.ERROR, ErrorBehavior.RETRY, 3, AfterRun.GIVE_UP),
        (RunOutcome.WRITE_ERROR, ErrorBehavior.RETRY, 1, AfterRun.NEXT),
        (RunOutcome.WRITE_ERROR, ErrorBehavior.DISABLE, 1, AfterRun.NEXT),
        (RunOutcome.CANCELLED, ErrorBehavior.RETRY, 1, AfterRun.NEXT),
    ],
)
def test_decisions(
    outcome: RunOutcome, behavior: ErrorBehavior, attempt: int, expected: AfterRun
) -> None:
    """Only a raised exception is a failure; rejected lines and cancelled runs are not retried."""
    assert decide(outcome, behavior, attempt, LIMITED) is expected


def test_retry_has_no_end_unless_one_is_set() -> None:
    """Without a cap on attempts the thousandth failure is retried."""
    assert decide(RunOutcome.ERROR, ErrorBehavior.RETRY, 1000, Backoff()) is AfterRun.RETRY


def test_pauses_double_up_to_the_longest() -> None:
    """Pauses grow exponentially and stop growing at the cap, however many attempts there were."""
    backoff = Backoff(first_pause_ns=100, longest_pause_ns=1000)
    assert [backoff.pause_ns(attempt) for attempt in (1, 2, 3, 4, 5, 500)] == [
        100,
        200,
        400,
        800,
        1000,
        1000,
    ]
