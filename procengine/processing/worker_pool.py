"""Which threads run plugins?

A pool of ``procengine-worker-N`` threads, shared by all triggers. A task goes to the worker that became idle
last, through that worker's own `SimpleQueue`, so exactly one thread wakes; when none is idle it waits in line.
The first few workers start as they are needed and stay. More come only when the line stands still: short tasks
are then run by few threads, which the interpreter's lock would serialise anyway, and tasks that wait (for a
flush, a query, a sleep) do not hold up the others. Workers beyond the first few leave after an idle time.

A supervisor thread, ``procengine-worker-0``, watches the line while there is one. So `submit` never waits, and
starts a thread itself only a handful of times.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

from procengine.errors import StoppedError

logger = logging.getLogger(__name__)

Task = Callable[[], None]

RESIDENT_WORKERS = 4
"""Workers that start on demand at once and stay until the pool stops."""

STALL_SECONDS = 0.002
"""How long the line may stand still before another worker joins."""


class WorkerPool:
    """Threads that run tasks in the order of their submission, each on its own.

    ``limit`` is the largest number of workers: when all of them wait inside tasks, the rest of the line waits.
    """

    def __init__(self, *, limit: int = 512, idle_seconds: float = 10.0) -> None:
        self._limit = limit
        self._idle_seconds = idle_seconds
        # Guards everything below; held for container operations, and while one of the first workers starts.
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._line: deque[Task] = deque()
        self._workers: set[_Worker] = set()
        self._started = 0
        self._taken = 0
        self._stopped = False
        self._line_formed = threading.Event()
        self._supervisor: threading.Thread | None = None

    @property
    def worker_count(self) -> int:
        """The number of threads that run tasks, or wait for one."""
        return len(self._workers)

    @property
    def line_length(self) -> int:
        """The number of tasks that no worker has taken yet."""
        return len(self._line)

    def submit(self, task: Task) -> None:
        """Have a worker run a task; never waits. What the task raises is logged.

        Raises: StoppedError after `stop`.
        """
        with self._lock:
            if self._stopped:
                raise StoppedError("the worker pool has stopped")
            if self._idle:
                self._taken += 1
                self._idle.pop().inbox.put(task)
                return
            self._line.append(task)
            if len(self._workers) < min(RESIDENT_WORKERS, self._limit):
                self._add_worker()
            elif not self._line_formed.is_set():
                self._watch_line()

    def stop(self, timeout_seconds: float) -> tuple[str, ...]:
        """Drop the line, let each worker finish its task, and wait for them all together at most so long.

        Returns the names of the threads that are still inside a task; they end when it does.
        """
        with self._lock:
            self._stopped = True
            self._line.clear()
            workers = tuple(self._workers)
            for worker in self._idle:
                worker.inbox.put(None)
            self._idle.clear()
            self._line_formed.set()
            supervisor = self._supervisor
        deadline = time.monotonic() + timeout_seconds
        for thread in (*workers, *((supervisor,) if supervisor else ())):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return tuple(sorted(worker.name for worker in workers if worker.is_alive()))

    def _watch_line(self) -> None:
        self._line_formed.set()
        if self._supervisor is None:
            self._supervisor = threading.Thread(
                target=self._supervise, name="procengine-worker-0", daemon=True
            )
            self._supervisor.start()

    def _supervise(self) -> None:
        """Add workers each time that the line has not moved for a while; sleep while there is no line."""
        while True:
            self._line_formed.wait()
            taken = self._taken
            time.sleep(STALL_SECONDS)
            with self._lock:
                if self._stopped:
                    return
                if not self._line:
                    self._line_formed.clear()
                elif self._taken == taken:
                    self._grow()

    def _grow(self) -> None:
        """Add half as many workers again, but not more than there are tasks in line."""
        wanted = min(max(1, len(self._workers) // 2), len(self._line))
        for _ in range(min(wanted, self._limit - len(self._workers))):
            self._add_worker()

    def _add_worker(self) -> None:
        self._started += 1
        worker = _Worker(self, f"procengine-worker-{self._started}")
        self._workers.add(worker)
        worker.start()

    def next_task(self, worker: _Worker) -> Task | None:
        """Return the worker's next task, waiting for one; None when the worker is to end. For workers only."""
        with self._lock:
            if self._stopped:
                self._workers.discard(worker)
                return None
            if self._line:
                self._taken += 1
                return self._line.popleft()
            self._idle.append(worker)
            patient = len(self._workers) <= RESIDENT_WORKERS
        try:
            return worker.inbox.get(timeout=None if patient else self._idle_seconds)
        except Empty:
            return self._next_after_idling(worker)

    def _next_after_idling(self, worker: _Worker) -> Task | None:
        with self._lock:
            if worker in self._idle and len(self._workers) > RESIDENT_WORKERS:
                self._idle.remove(worker)
                self._workers.discard(worker)
                return None
        return worker.inbox.get()  # it stays as a resident, or a task came just as its patience ran out


class _Worker(threading.Thread):
    def __init__(self, pool: WorkerPool, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._pool = pool
        self.inbox: SimpleQueue[Task | None] = SimpleQueue()

    def run(self) -> None:
        while (task := self._pool.next_task(self)) is not None:
            try:
                task()
            except Exception:
                logger.exception("task failed")
            del task  # what it refers to must not live until the next one
