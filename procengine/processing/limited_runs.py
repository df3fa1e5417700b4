"""How does a run with limits go on beside the others?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from procengine.model.run import Run
from procengine.model.run_limits import RunLimits
from procengine.processing.active_run import current_run
from procengine.processing.cancellation import CancelToken
from procengine.processing.limit_watch import LimitWatch, WatchedRun
from procengine.processing.run_gate import RunGate

Call = Callable[[CancelToken], Run]
"""Runs a plugin on the calling thread, under a token."""


class LimitedRuns:
    """Makes all runs: watched where they have limits, alone where their memory has one. Any thread."""

    def __init__(self, gate: RunGate | None = None) -> None:
        self._gate = gate or RunGate()
        self._watch = LimitWatch()

    def run(
        self,
        limits: RunLimits,
        cancel: CancelToken,
        call: Call,
        *,
        name_stuck: Callable[[], None],
        not_alone: Callable[[], None],
    ) -> Run:
        """Make a run on the calling thread and return it; one without limits is made by `run_beside` for less.

        ``name_stuck`` is called when it goes on although it was cancelled for a limit, ``not_alone`` before a run
        with limited memory that could not wait for the others any longer.
        A run inside another one's, on its thread, is part of that and waits for nobody.
        """
        if limits.memory_bytes is None:
            return self.run_beside(cancel, lambda token: self._watched(limits, token, call, name_stuck))
        if current_run.get() is not None:
            return self._watched(limits, cancel, call, name_stuck)
        alone = self._gate.enter_alone(cancel)
        try:
            if not alone and not cancel.cancelled:
                not_alone()
            return self._watched(limits, cancel, call, name_stuck)
        finally:
            self._gate.leave_alone()

    def run_beside(self, cancel: CancelToken, call: Call) -> Run:
        """Make a run that has no limits on the calling thread and return it."""
        if current_run.get() is not None:
            return call(cancel)
        self._gate.enter(cancel)
        try:
            return call(cancel)
        finally:
            self._gate.leave()

    def close(self) -> None:
        """End the watching thread. Closing twice is allowed."""
        self._watch.close()

    def _watched(
        self, limits: RunLimits, cancel: CancelToken, call: Call, name_stuck: Callable[[], None]
    ) -> Run:
        watched: WatchedRun | None = None

        def watch() -> None:
            nonlocal watched
            watched = WatchedRun(limits, token, name_stuck)
            self._watch.add(watched)

        with cancel.child(on_entry=watch) as token:
            try:
                run = call(token)
            finally:
                if watched is not None:
                    self._watch.remove(watched)
        if watched is None or watched.growth is None:
            return run
        watched.growth.sample()
        return replace(run, peak_memory_bytes=watched.growth.peak_bytes)
