"""Which activation does each trigger have?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from procengine.model.run import LogLevel
from procengine.model.trigger import Trigger
from procengine.processing.running_trigger import LogRow, RunningTrigger
from procengine.processing.stuck_run import StuckRun

Key = tuple[str, str]
"""A trigger's database and name."""


class RunningTriggers:
    """One activation for each trigger of the catalog, disabled ones included. Any thread.

    ``drop_cache`` forgets a trigger's local plugin cache; it is called once a trigger has stopped for good.
    """

    def __init__(
        self, *, drop_cache: Callable[[Trigger], object], log: LogRow, stop_timeout_seconds: float
    ) -> None:
        self._drop_cache = drop_cache
        self._log = log
        self._stop_timeout_seconds = stop_timeout_seconds
        # Guards decisions about the map; look-ups and copies of it are atomic by themselves.
        self._lock = threading.Lock()
        self._activations: dict[Key, RunningTrigger] = {}
        self._left: tuple[RunningTrigger, ...] = ()

    def all(self) -> tuple[RunningTrigger, ...]:
        """Return the activations of this moment, in the order in which their triggers were made."""
        return tuple(self._activations.values())

    def find(self, key: Key) -> RunningTrigger | None:
        """Return a trigger's activation, or None when there is no such trigger."""
        return self._activations.get(key)

    def put(self, running: RunningTrigger) -> None:
        """Let an activation be its trigger's, in the place of any before."""
        with self._lock:
            self._activations[key_of(running.trigger)] = running

    def replace(self, before: RunningTrigger, after: RunningTrigger) -> None:
        """Let an activation take another's place, unless that has lost it already."""
        with self._lock:
            if self._activations.get(key_of(before.trigger)) is before:
                self._activations[key_of(after.trigger)] = after

    def remove(self, keys: Iterable[Key]) -> None:
        """Stop triggers, wait for their runs, and forget them and their plugin caches."""
        with self._lock:
            removed = [self._activations.pop(key) for key in keys if key in self._activations]
        for running in removed:
            running.stop("deleted while it ran")
        for running in removed:
            self.stop(running, for_good=True)

    def stop(
        self, running: RunningTrigger, *, for_good: bool = False, because: str | None = None
    ) -> None:
        """Stop one activation and wait for its runs; those that do not end are named in the log.

        ``for_good`` drops the trigger's local plugin cache; ``because`` is what records of the runs say.
        """
        running.stop(because)
        stuck = running.wait_stopped(self._stop_timeout_seconds)
        self._say_stuck(running, stuck)
        if stuck:
            with self._lock:
                self._left = (*(one for one in self._left if one.is_inside_runs), running)
        if for_good:
            self._drop_cache(running.trigger)

    def disable_now(self, before: RunningTrigger, after: RunningTrigger) -> None:
        """Stop an activation from within its own run, and put another in its place; waits for nothing.

        The trigger's local plugin cache stays for inspection, until the trigger is enabled again.
        """
        self.replace(before, after)
        before.stop()

    def begin_anew(self, trigger: Trigger) -> None:
        """Drop the local plugin cache of a disabled trigger that is about to be enabled."""
        self._drop_cache(trigger)

    def stop_all(self, deadline: float) -> list[StuckRun]:
        """Stop every activation and wait until a deadline (``time.monotonic``); return the runs that go on."""
        running = self.all()
        for one in running:
            one.stop()
        stuck: list[StuckRun] = []
        for one in self._left:  # what is stuck there was said when it was stopped
            stuck += one.wait_stopped(max(0.0, deadline - time.monotonic()))
        for one in running:
            still = one.wait_stopped(max(0.0, deadline - time.monotonic()))
            self._say_stuck(one, still)
            stuck += still
        return stuck

    def _say_stuck(self, running: RunningTrigger, stuck: Sequence[StuckRun]) -> None:
        for run in stuck:
            self._log(
                running.trigger,
                LogLevel.WARN,
                f"its run did not end when it was cancelled and goes on in {run.where}",
            )


def key_of(trigger: Trigger) -> Key:
    """Return the key of a trigger."""
    return trigger.database, trigger.name
