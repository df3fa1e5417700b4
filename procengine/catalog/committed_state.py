"""How does a change of what exists become durable, then visible, then known?

Reading takes no lock: `CommittedState.state` is an immutable value that a commit replaces. Commits take their
turn under one lock; each is a list of events that is durable in the log before it is visible. Subscribers are
called after that, outside the lock, on the thread that committed; events of two threads may cross, so a
subscriber that needs the present reads it from the catalog.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from procengine.catalog.catalog_files import CatalogFiles, OpenLog
from procengine.catalog.event_codec import encode_commit
from procengine.catalog.limits import Limits
from procengine.catalog.state import CatalogState, Draft
from procengine.clock import Clock
from procengine.errors import StoppedError
from procengine.file_system import LOCAL, FileSystem
from procengine.model.catalog_event import CatalogCreated, CatalogEvent, DatabaseCreated
from procengine.model.names import INTERNAL_DATABASE
from procengine.recovery import FOLDER_NAME, Recovery

logger = logging.getLogger(__name__)

INTERNAL_RETENTION_NS = 7 * 24 * 3600 * 1_000_000_000

Subscriber = Callable[[CatalogEvent], None]
E = TypeVar("E", bound=CatalogEvent)


@dataclass(frozen=True, slots=True)
class _Head:
    """A state and the log that led to it: replaced together, so that an interrupt cannot part them."""

    state: CatalogState
    log: OpenLog | None


class CommittedState:
    """The state of a catalog and the one way to change it: a commit.

    ``folder`` None keeps it in memory only; ``node_id`` None takes the one of the first start.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        clock: Clock,
        limits: Limits | None = None,
        node_id: str | None = None,
        file_system: FileSystem = LOCAL,
        recovery: Recovery | None = None,
    ) -> None:
        self._files: CatalogFiles | None = None
        if folder is not None:
            recovery = recovery or Recovery(folder / FOLDER_NAME, file_system=file_system)
            self._files = CatalogFiles(folder, file_system=file_system, recovery=recovery)
        self._clock = clock
        self._node_id = node_id
        self._head = _Head(CatalogState(), None)
        self._started = False
        # Held while a commit decides, writes and becomes visible: commits are rare and must not cross.
        self._commits = threading.Lock()
        # Guards the replacement of the tuple of subscribers.
        self._subscribing = threading.Lock()
        self._subscribers: tuple[Subscriber, ...] = ()
        self.limits = limits or Limits()

    def start(self) -> None:
        """Load what the folder holds; on the very first start, create the identities and ``_internal``.

        Raises:
            CorruptFileError: a file is damaged; the text names it and the byte.
            DataFormatError: a file is of another version.
            StorageError: the folder cannot be read or written.
        """
        with self._commits:
            if self._started:
                return
            if self._files is not None:
                self._head = _Head(*self._files.load())
            self._started = True
        try:
            self._commit(self._first_events)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the log. Reading goes on, changes raise `StoppedError`. Closing twice is allowed."""
        with self._commits:
            self._started = False
            if self._head.log is not None:
                self._head.log.log.close()

    @property
    def state(self) -> CatalogState:
        """Everything at one instant."""
        return self._head.state

    @property
    def sequence_number(self) -> int:
        """The number of commits that led here."""
        return self.state.sequence_number

    @property
    def instance_id(self) -> str:
        """The catalog's own id, made at its first start."""
        return self.state.instance_id

    @property
    def node_id(self) -> str:
        """The node's id: as configured, else as at the first start."""
        return self._node_id or self.state.node_id

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber`` with each event from now on; return the call that ends this.

        An error that it raises is logged: the commit has happened.
        """
        with self._subscribing:
            self._subscribers = (*self._subscribers, subscriber)

        def unsubscribe() -> None:
            with self._subscribing:
                self._subscribers = tuple(one for one in self._subscribers if one is not subscriber)

        return unsubscribe

    def _commit_one(self, decide: Callable[[CatalogState], E]) -> tuple[E, CatalogState]:
        """Commit the one event that is decided on; return it and the state it led to."""
        decided: list[E] = []

        def decide_one(state: CatalogState) -> list[E]:
            decided.append(decide(state))
            return decided

        state = self._commit(decide_one)
        return decided[0], state

    def _commit_if_changed(self, decide: Callable[[CatalogState], CatalogEvent | None]) -> CatalogState:
        """Commit the event that is decided on, or nothing where it is None; return the state then."""

        def decide_any(state: CatalogState) -> list[CatalogEvent]:
            event = decide(state)
            return [] if event is None else [event]

        return self._commit(decide_any)

    def _commit(self, decide: Callable[[CatalogState], Sequence[CatalogEvent]]) -> CatalogState:
        """Decide on the present state, make the events durable, then visible; return the state they led to.

        No event, no commit. What ``decide`` raises leaves everything as it was.
        """
        with self._commits:
            if not self._started:
                raise StoppedError("the catalog is not started")
            head = self._head
            events = decide(head.state)
            if not events:
                return head.state
            draft = Draft(head.state)
            for event in events:
                draft.apply(event)
            state = draft.freeze(head.state.sequence_number + 1)
            self._head = _Head(state, self._durable(head.log, state, events))
            self._checkpoint_if_due()
        self._publish(events)
        return state

    def _durable(
        self, log: OpenLog | None, state: CatalogState, events: Sequence[CatalogEvent]
    ) -> OpenLog | None:
        if self._files is None or log is None:
            return None
        return self._files.append(log, encode_commit(state.sequence_number, events))

    def _checkpoint_if_due(self) -> None:
        """Done after the commit is visible, so that an interrupt leaves no more on disk than in memory."""
        state, log = self._head.state, self._head.log
        if self._files is None or log is None or not log.checkpoint_due:
            return
        self._head = _Head(state, self._files.checkpoint(state, log))
        if self._head.log is not None and self._head.log.log is not log.log:
            log.log.close()

    def _publish(self, events: Sequence[CatalogEvent]) -> None:
        for event in events:
            for subscriber in self._subscribers:
                try:
                    subscriber(event)
                except Exception:
                    logger.exception("catalog subscriber failed: event=%s", type(event).__name__)

    def _first_events(self, state: CatalogState) -> list[CatalogEvent]:
        if state.instance_id:
            return []
        instance_id = str(uuid.uuid4())
        return [
            CatalogCreated(instance_id=instance_id, node_id=self._node_id or f"node-{instance_id[:8]}"),
            DatabaseCreated(
                database_id=state.next_database_id,
                database=INTERNAL_DATABASE,
                retention_period_ns=INTERNAL_RETENTION_NS,
            ),
        ]
