"""Which runs ended lately?"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator

from procengine.model.run import Run

logger = logging.getLogger(__name__)

OnRunFinished = Callable[[Run], None]


class RunHistory:
    """The last runs of all triggers, oldest dropped first, and who wants to hear of new ones.

    Any thread may use it.
    """

    def __init__(self, capacity: int = 1_000) -> None:
        # Guards the ring against being copied while it grows; subscribers are called outside it.
        self._lock = threading.Lock()
        self._ring: deque[Run] = deque(maxlen=capacity)
        self._subscribers: tuple[OnRunFinished, ...] = ()

    def __len__(self) -> int:
        return len(self._ring)

    def __iter__(self) -> Iterator[Run]:
        """Iterate over the runs as they are now, in the order in which they ended."""
        with self._lock:
            return iter(tuple(self._ring))

    def of(self, wal_sequence_number: int) -> tuple[Run, ...]:
        """Return the runs that one flush of the write-ahead log caused, in the order in which they ended."""
        return tuple(run for run in self if run.cause.wal_sequence_number == wal_sequence_number)

    def of_trigger(self, database: str, trigger: str) -> tuple[Run, ...]:
        """Return the runs of one trigger, in the order in which they ended."""
        return tuple(run for run in self if run.trigger == trigger and run.database == database)

    def find(self, run_id: int) -> Run | None:
        """Return a run by its id, or None when it is not kept any more."""
        return next((run for run in self if run.run_id == run_id), None)

    def add(self, run: Run) -> None:
        """Keep a run and tell the subscribers, on the calling thread; what they raise is logged."""
        with self._lock:
            self._ring.append(run)
        for subscriber in self._subscribers:
            try:
                subscriber(run)
            except Exception:
                logger.exception("subscriber failed: run_id=%d", run.run_id)

    def subscribe(self, on_run_finished: OnRunFinished) -> Callable[[], None]:
        """Call back with each run from now on; return the call that ends this.

        The callback runs on the thread of the run, before the trigger's next event: it must be quick.
        """
        with self._lock:
            self._subscribers = (*self._subscribers, on_run_finished)

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = tuple(one for one in self._subscribers if one is not on_run_finished)

        return unsubscribe
