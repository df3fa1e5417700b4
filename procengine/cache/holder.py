"""Which caches are there, and how do rows reach them?

What both kinds share. The caches are those that the catalog defines, whoever changed it; each is filled from its
table's history when it comes, and fed by the flush thread from then on. Without caches a flush costs one look.
"""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

from procengine.cache.feed import C, Feed
from procengine.cache.history import CheckedHistory, History, ReadHistory
from procengine.clock import NANOSECONDS_PER_SECOND, Alarm, Clock
from procengine.model.cache_definition import CacheDefinition
from procengine.model.node_spec import is_for_node
from procengine.model.table_rows import WalContents
from procengine.model.table_schema import TableSchema

logger = logging.getLogger(__name__)

D = TypeVar("D", bound=CacheDefinition)


class Table(Protocol):
    """What is needed of a table's definition."""

    @property
    def schema(self) -> TableSchema:
        """The table's columns."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderSettings:
    """How caches are filled and evicted, and on which node.

    ``read_history`` returns what a table has now, None: caches begin empty. ``settle`` returns when every flush
    that the flush thread had begun is in the write buffer. Expired rows go every ``eviction_interval_seconds``.
    """

    clock: Clock
    node_id: str
    read_history: ReadHistory | None
    settle: Callable[[], None]
    eviction_interval_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held(Generic[C]):
    """The caches at one time, by table, in the order of their creation; replaced as a whole."""

    by_name: Mapping[tuple[str, str], tuple[Feed[C], ...]] = field(default_factory=dict)
    by_table_id: Mapping[int, tuple[Feed[C], ...]] = field(default_factory=dict)


class _Creation(threading.local):
    """What a thread that creates a cache wants of the fill, and which caches it has still to fill.

    The fill is called by the catalog's commit, which knows nothing of it.
    """

    check: Callable[[], None] | None = None
    unfilled: tuple[CacheDefinition, ...] = ()

    def set(self, check: Callable[[], None] | None) -> None:
        """Let a creation begin, or be over."""
        self.check, self.unfilled = check, ()


class Holder(Generic[D, C]):
    """The caches of one kind. Any thread may ask; those that change something take their turn."""

    def __init__(
        self,
        defined: Callable[[], Iterable[tuple[D, Table]]],
        build: Callable[[D, TableSchema, Clock], C],
        settings: HolderSettings,
    ) -> None:
        self._defined = defined
        self._build = build
        self._settings = settings
        # Guards the replacement of what is held and of the alarm; who reads what is held needs no lock.
        self._changes = threading.Lock()
        self._held: _Held[C] = _Held()
        self._started = False
        self._alarm: Alarm | None = None
        # The starting thread's.
        self._opened: list[Feed[C]] = []
        self._creation = _Creation()

    def find(self, database: str, table: str, name: str | None = None) -> C | None:
        """Return a cache of a table; without a name its only one. None where there is none, or a choice."""
        feeds = self._held.by_name.get((database, table), ())
        if name is None:
            return feeds[0].cache if len(feeds) == 1 else None
        return next((one.cache for one in feeds if one.cache.definition.name == name), None)

    def of_database(self, database: str) -> tuple[C, ...]:
        """Return the caches of a database's tables."""
        return tuple(
            one.cache for key, feeds in self._held.by_name.items() if key[0] == database for one in feeds
        )

    def start(self) -> None:
        """Evict what expires from now on, on the clock's thread; as long as there is no cache it is left alone."""
        with self._changes:
            self._started = True
            self._set_alarm()

    def stop(self) -> None:
        """Evict no longer."""
        with self._changes:
            self._started = False
            if self._alarm is not None:
                self._alarm.cancel()

    def open(self) -> None:
        """Make the caches that the catalog defines; before the log is replayed, which `fill` is to follow."""
        self._opened = self._reconcile()

    def fill(self) -> None:
        """Fill the caches from files and the log, once that was replayed."""
        opened, self._opened = self._opened, []
        for feed in opened:
            self._fill(feed, replayed=True)

    def follow(self) -> None:
        """Make the caches those that the catalog defines now, and fill the new ones; after any change of it."""
        came = self._reconcile()
        if not came:
            return
        self._creation.unfilled = tuple(feed.cache.definition for feed in came)
        for feed in came:
            self._fill(feed)
        self._creation.unfilled = ()

    @abstractmethod
    def delete(self, database: str, table: str, name: str) -> D:
        """Delete a cache and return what it was."""

    @contextmanager
    def _filled_or_gone(self, check: Callable[[], None] | None) -> Iterator[None]:
        """Let a cache be created in the block; interrupted in its fill it is deleted: half of it would be wrong."""
        creation = self._creation
        creation.set(check)
        try:
            yield
        except BaseException:
            for one in creation.unfilled:
                self.delete(one.database, one.table, one.name)
            raise
        finally:
            creation.set(None)

    def apply(self, contents: WalContents) -> None:
        """Let the rows of one flush reach the caches of their tables. The flush thread's, or the replay's."""
        by_table_id = self._held.by_table_id
        if not by_table_id:
            return
        for rows in contents.rows:
            for feed in by_table_id.get(rows.table_id, ()):
                feed.apply(contents.sequence_number, rows.batch, contents.persisted_ns)

    def evict(self) -> int:
        """Let go of what is too old in all caches; return how many rows or combinations."""
        return sum(feed.cache.evict() for feeds in self._held.by_table_id.values() for feed in feeds)

    def _evict_and_go_on(self) -> None:
        try:
            self.evict()
        finally:
            with self._changes:
                self._alarm = None
                self._set_alarm()

    def _set_alarm(self) -> None:
        """Have the next eviction called, where there is something to evict. Under the lock."""
        if self._started and self._alarm is None and self._held.by_table_id:
            clock = self._settings.clock
            interval_ns = round(self._settings.eviction_interval_seconds * NANOSECONDS_PER_SECOND)
            self._alarm = clock.call_at(clock.now_ns() + max(interval_ns, 1), self._evict_and_go_on)

    def _reconcile(self) -> list[Feed[C]]:
        """Make what is held what is defined; return what came."""
        with self._changes:
            known = {
                one.cache.definition.cache_id: one
                for feeds in self._held.by_table_id.values()
                for one in feeds
            }
            by_name: dict[tuple[str, str], tuple[Feed[C], ...]] = {}
            by_table_id: dict[int, tuple[Feed[C], ...]] = {}
            came = []
            for definition, table in self._defined():
                feed = known.get(definition.cache_id)
                if feed is None:
                    feed = Feed(self._build(definition, table.schema, self._settings.clock))
                    came.append(feed)
                key = (definition.database, definition.table)
                by_name[key] = (*by_name.get(key, ()), feed)
                by_table_id[definition.table_id] = (*by_table_id.get(definition.table_id, ()), feed)
            self._held = _Held(by_name=by_name, by_table_id=by_table_id)
            self._set_alarm()
            return came

    def _fill(self, feed: Feed[C], *, replayed: bool = False) -> None:
        """Fill a cache that is to be filled on this node.

        When its history cannot be read, it goes on without, as the log then says.
        """
        definition = feed.cache.definition
        read = None
        here = is_for_node(definition.node_spec, self._settings.node_id)
        if here and self._settings.read_history is not None:
            read = partial(self._settled_history, self._settings.read_history, definition.table_id)
        try:
            feed.fill(read, replayed=replayed)
        except Exception:
            logger.exception(
                "cache was not filled from history: database=%s table=%s cache=%s",
                definition.database,
                definition.table,
                definition.name,
            )

    def _settled_history(self, read_history: ReadHistory, table_id: int) -> History:
        """Return what a table has, once a flush under way that missed the new cache is part of it."""
        self._settings.settle()
        history, check = read_history(table_id), self._creation.check
        return history if check is None else CheckedHistory(history, check)
