"""Which threads run plugins?

A pool of ``procengine-worker-N`` threads, shared by all triggers. A task goes to the worker that became idle
last, through that worker's own `SimpleQueue`, so exactly one thread wakes; when none is idle it waits in line.

One worker at a time draws from the line while it moves: short runs mostly hold the interpreter's lock, and threads
that take it from each other at every file access cost more than they gain. A supervisor thread,
``procengine-worker-0``, looks at the line every few milliseconds while there is one. When it stands still, because
tasks compute for long or wait inside (for a flush, a query, a sleep), more workers may draw, and threads are added
up to the limit; when it moves fast, fewer may. Threads beyond the first few leave after an idle time.

Where the machine is busy with other things the line stands still, too, and more threads would only make it worse:
each takes the interpreter's lock from the others. So the supervisor has more patience while one that draws is
running, or ready to run, than while all of them wait.

So `submit` never waits, and starts a thread itself only a handful of times.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from procengine.errors import StoppedError

logger = logging.getLogger(__name__)

Task = Callable[[], None]

RESIDENT_WORKERS = 4
"""Workers that start on demand at once and stay until the pool stops."""

LOOK_SECONDS = 0.005
"""How often the supervisor looks at the line."""

STILL_LOOKS = 2
"""For how many looks the line must stand still: for one, the system may have had other things to run."""

BUSY_LOOK = 1 / 8
"""How much a look counts while a worker that draws does not wait: with less patience, ten thousand empty schedules on
a machine with ten other processes had 512 threads, and a run cost eight times as much."""

FEW_WORKERS = 8
"""At how many workers a look looks: each costs a file."""

FAST_DRAWS = 4
"""How many tasks a drawing worker takes from one look to the next when tasks are short."""


class TaskPool(Protocol):
    """What runs tasks for triggers: threads, or, in a replay, the replay itself."""

    @property
    def worker_count(self) -> int:
        """The number of threads that run tasks, or wait for one."""
        ...

    @property
    def is_exhausted(self) -> bool:
        """Whether tasks wait and no worker may be added."""
        ...

    @property
    def line_length(self) -> int:
        """The number of tasks that no worker has taken yet."""
        ...

    def submit(self, task: Task) -> None:
        """Have a task run; never waits.

        Raises: StoppedError after `stop`.
        """
        ...

    def stop(self, timeout_seconds: float) -> tuple[str, ...]:
        """Take no more tasks; return the names of the threads that are still inside one."""
        ...


class _Job(NamedTuple):
    task: Task
    from_line: bool


class WorkerPool:
    """Threads that run tasks in the order of their submission, each on its own.

    ``limit`` is the largest number of workers: when all of them wait inside tasks, the rest of the line waits.
    Threads are called ``name`` and a number. ``is_runnable`` tells whether a thread runs, or would if the system let
    it.
    """

    def __init__(
        self,
        *,
        limit: int = 512,
        idle_seconds: float = 10.0,
        name: str = "procengine-worker",
        is_runnable: Callable[[threading.Thread], bool] | None = None,
    ) -> None:
        self._limit = limit
        self._is_runnable = is_runnable if is_runnable is not None else is_thread_runnable
        self._name = name
        self._idle_seconds = idle_seconds
        # Guards everything below; held for container operations, and while a thread starts.
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._line: deque[Task] = deque()
        self._drawn = 0
        self._drawing = 0
        self._may_draw = 1
        self._workers: set[_Worker] = set()
        self._started = 0
        self._stopped = False
        self._line_formed = threading.Event()
        self._supervisor: threading.Thread | None = None

    @property
    def worker_count(self) -> int:
        """The number of threads that run tasks, or wait for one."""
        return len(self._workers)

    @property
    def is_exhausted(self) -> bool:
        """Whether tasks wait and no worker may be added."""
        return bool(self._line) and len(self._workers) >= self._limit

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
            if self._idle and not self._line:
                self._idle.pop().inbox.put(_Job(task, from_line=False))
            elif len(self._workers) < min(RESIDENT_WORKERS, self._limit) and not self._line:
                self._add_worker(_Job(task, from_line=False))
            else:
                self._line.append(task)
                if not self._line_formed.is_set():
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
                target=self._supervise, name=f"{self._name}-0", daemon=True
            )
            self._supervisor.start()

    def _supervise(self) -> None:
        """Let more workers draw while the line stands still, fewer while it moves fast; sleep without a line."""
        still = 0.0
        while not self._stopped:
            self._line_formed.wait()
            drawn = self._drawn
            time.sleep(LOOK_SECONDS)
            is_busy = self._drawn == drawn and self._is_busy()
            with self._lock:
                moved = self._drawn - drawn
                still = 0.0 if moved else still + (BUSY_LOOK if is_busy else 1)
                if not self._line:
                    self._may_draw = 1
                    self._line_formed.clear()
                elif still >= STILL_LOOKS:
                    self._draw_more(max(1, self._drawing // 2))
                    still = 0.0 if is_busy else still
                elif moved > FAST_DRAWS * self._drawing:
                    self._may_draw = max(1, self._may_draw // 2)

    def _is_busy(self) -> bool:
        """Tell whether one of the workers that draw does not wait, or could go on if the system let it."""
        drawing = [worker for worker in tuple(self._workers) if worker.draws]
        return any(self._is_runnable(worker) for worker in drawing[:FEW_WORKERS])

    def _draw_more(self, more: int) -> None:
        """Let so many more workers draw from the line, idle ones first, new ones up to the limit."""
        self._may_draw = max(self._may_draw, self._drawing) + more
        for _ in range(more):
            if not self._idle and len(self._workers) >= self._limit:
                return
            job = self._draw()
            if job is None:
                return
            if self._idle:
                self._idle.pop().inbox.put(job)
            else:
                self._add_worker(job)

    def _draw(self) -> _Job | None:
        """Return the first of the line, for a worker that may draw; None when there is none.

        A line that was seen is no promise: `next_of_line` takes from it without the lock.
        """
        try:
            task = self._line.popleft()
        except IndexError:
            return None
        self._drawing += 1
        self._drawn += 1
        return _Job(task, from_line=True)

    def _add_worker(self, job: _Job) -> None:
        self._started += 1
        worker = _Worker(self, f"{self._name}-{self._started}", job)
        self._workers.add(worker)
        worker.start()

    def next_job(self, worker: _Worker, *, after_line: bool) -> _Job | None:
        """Return the worker's next job, waiting for one; None when the worker is to end. For workers only.

        ``after_line`` tells whether the job that it has just done was from the line.
        """
        with self._lock:
            self._drawing -= after_line
            if self._stopped:
                self._workers.discard(worker)
                return None
            if self._drawing < self._may_draw and (job := self._draw()) is not None:
                return job
            self._idle.append(worker)
            patient = len(self._workers) <= RESIDENT_WORKERS
        try:
            return worker.inbox.get(timeout=None if patient else self._idle_seconds)
        except Empty:
            return self._job_after_idling(worker)

    def next_of_line(self) -> Task | None:
        """Return the next task of the line for a worker that draws and may go on; None to ask `next_job`.

        Without the lock, which with what else `next_job` does costs 0.7 us: ten thousand schedules of one instant
        are drawn one after the other. A number that two threads count up at once counts one of them; it only tells
        whether the line moves.
        """
        if self._drawing > self._may_draw or self._stopped:
            return None
        try:
            task = self._line.popleft()
        except IndexError:
            return None
        self._drawn += 1
        return task

    def _job_after_idling(self, worker: _Worker) -> _Job | None:
        with self._lock:
            if worker in self._idle and len(self._workers) > RESIDENT_WORKERS:
                self._idle.remove(worker)
                self._workers.discard(worker)
                return None
        return worker.inbox.get()  # it stays as a resident, or a task came just as its patience ran out


class _Worker(threading.Thread):
    def __init__(self, pool: WorkerPool, name: str, first: _Job) -> None:
        super().__init__(name=name, daemon=True)
        self._pool = pool
        self.inbox: SimpleQueue[_Job | None] = SimpleQueue()
        self.inbox.put(first)
        self.draws = False
        """Whether its task is from the line."""

    def run(self) -> None:
        job = self.inbox.get()
        while job is not None:
            from_line = self.draws = job.from_line
            task: Task | None = job.task
            del job  # what a task refers to must not live until the next one
            while task is not None:
                try:
                    task()
                except Exception:
                    logger.exception("task failed")
                task = None
                if from_line:
                    task = self._pool.next_of_line()
            self.draws = False
            job = self._pool.next_job(self, after_line=from_line)


def is_thread_runnable(thread: threading.Thread) -> bool:
    """Tell whether a thread runs, or waits for nothing but a processor; False where the system does not say.

    Source: Linux, man 5 proc_pid_stat: the state behind the name, which may have any character in it.
    """
    try:
        stat = Path(f"/proc/self/task/{thread.native_id}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].startswith(b" R")
