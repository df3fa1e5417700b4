"""Who runs plugins when every step must come at the same place each time?

Whoever owns the pool: tasks wait in the order of their submission until `run_all` does them, one after the other, on
the thread that calls it. Asynchronous triggers then run in order, too.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from procengine.errors import StoppedError
from procengine.processing.worker_pool import Task


class StepPool:
    """Tasks in line. `submit` from any thread, `run_all` from one alone."""

    worker_count: Final = 1
    is_exhausted: Final = False

    def __init__(self) -> None:
        self._line: deque[Task] = deque()
        self._stopped = False

    @property
    def line_length(self) -> int:
        """The number of tasks that wait."""
        return len(self._line)

    def submit(self, task: Task) -> None:
        """Put a task at the end of the line.

        Raises: StoppedError after `stop`.
        """
        if self._stopped:
            raise StoppedError("the step pool has stopped")
        self._line.append(task)

    def run_all(self) -> None:
        """Do what waits, and what comes of it, until nothing waits."""
        line = self._line
        while line:
            try:
                task = line.popleft()
            except IndexError:  # `stop` has emptied the line, on another thread
                return
            task()

    def stop(self, timeout_seconds: float) -> tuple[str, ...]:  # noqa: ARG002 - nothing is waited for
        """Drop the line, and take no more; what is being done goes on."""
        self._stopped = True
        self._line.clear()
        return ()
