"""What happens live in a database, to be replayed later?

A `Recorder` listens to an engine: rows that come from outside (what plugins write, a replay makes anew), requests to
request triggers, and ticks. Whoever brings these only leaves word; the thread ``procengine-recording`` writes the
file.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from procengine.errors import AlreadyExistsError, InvalidInputError, StorageError
from procengine.model.run import CauseKind, Run
from procengine.model.table_rows import WalContents
from procengine.processing.event import RequestEvent
from procengine.replay.recorded_steps import RecordedRequest, RecordedStep
from procengine.replay.recording_file import encode_beginning, encode_step

if TYPE_CHECKING:
    from procengine.engine import Engine

logger = logging.getLogger(__name__)

SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers that a recording leaves out: a file that is handed on must not hold a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """How much a recording has, so far or in the end. ``failure`` says why it ended before it was stopped."""

    path: Path
    database: str
    rows: int
    requests: int
    ticks: int
    failure: str | None = None


class Recorder:
    """Records one database of an engine into a file, from `start` to `stop`; the engine's stop ends it, too.

    Any thread.
    """

    def __init__(self, engine: Engine, database: str, path: Path) -> None:
        """Take what to record and where.

        Raises: DatabaseNotFoundError.
        """
        self.path = path
        self.database = database
        self._engine = engine
        self._database_id = engine.catalog.database(database).id
        self._queue: queue.SimpleQueue[RecordedStep | None] = queue.SimpleQueue()
        self._rows = self._requests = self._ticks = 0
        self._failure: str | None = None
        self._end_listening: tuple[Callable[[], None], ...] = ()
        # Guards `_stopped`, so that one of those who stop it does so.
        self._lock = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._write, name="procengine-recording", daemon=True)

    def start(self) -> None:
        """Make the file, and begin to listen.

        Raises:
            AlreadyExistsError: there is a file of this name; nothing is written over.
            StorageError: it cannot be made.
        """
        try:
            with self.path.open("xb") as file:
                file.write(encode_beginning(self.database, self._engine.clock.now_ns()))
        except FileExistsError as error:
            raise AlreadyExistsError(
                f"cannot record into {str(self.path)!r}: it exists; choose another name, or delete it"
            ) from error
        except OSError as error:
            raise StorageError(
                f"cannot record into {str(self.path)!r}: {error.strerror or error}"
            ) from error
        triggers = self._engine.triggers
        self._thread.start()
        self._engine.add_service(self)
        self._end_listening = (
            triggers.taps.on_contents(self._flushed),
            triggers.taps.on_request(self._requested),
            triggers.subscribe(self._ran),
        )

    @property
    def recorded(self) -> Recorded:
        """How much is recorded."""
        return Recorded(
            path=self.path,
            database=self.database,
            rows=self._rows,
            requests=self._requests,
            ticks=self._ticks,
            failure=self._failure,
        )

    def close_door(self) -> None:
        """Listen on: what comes until the engine stops is recorded."""

    def stop(self) -> None:
        """Listen no longer, and return once all is on the disk. Stopping twice is allowed."""
        with self._lock:
            is_first, self._stopped = not self._stopped, True
        if is_first:
            for end in self._end_listening:
                end()
            self._engine.remove_service(self)
            self._queue.put(None)
        self._thread.join()

    def _flushed(self, contents: WalContents) -> None:
        """Leave word of a flush. On the flush thread."""
        rows = tuple(
            one for one in contents.rows if one.database_id == self._database_id and not one.depth
        )
        if rows:
            self._queue.put(RecordedStep(instant_ns=contents.persisted_ns, rows=rows))

    def _requested(self, database: str, path: str, event: RequestEvent) -> None:
        """Leave word of a request. On the thread that brings it."""
        if database != self.database:
            return
        headers = {name: value for name, value in event.headers.items() if name not in SECRET_HEADERS}
        request = RecordedRequest(
            path=path,
            method=event.method,
            query_params=dict(event.query_params),
            headers=headers,
            body=event.body,
        )
        self._queue.put(RecordedStep(instant_ns=self._engine.clock.now_ns(), request=request))

    def _ran(self, run: Run) -> None:
        """Leave word of a tick. On the thread of its run."""
        instant_ns = run.cause.instant_ns
        is_tick = run.cause.kind is CauseKind.TICK and run.attempt == 1
        if run.database == self.database and is_tick and instant_ns is not None:
            self._queue.put(RecordedStep(instant_ns=instant_ns, tick=run.trigger))

    def _write(self) -> None:
        """Write what was left word of until the end. On the recording's thread."""
        try:
            with self.path.open("ab") as file:
                while (step := self._queue.get()) is not None:
                    file.write(encode_step(step))
                    file.flush()
                    self._count(step)
                os.fsync(file.fileno())
        except (OSError, InvalidInputError) as error:
            self._failure = str(error)
            logger.warning("recording ended: file=%s error=%s", self.path, error)

    def _count(self, step: RecordedStep) -> None:
        self._rows += sum(rows.row_count for rows in step.rows)
        self._requests += step.request is not None
        self._ticks += step.tick is not None
