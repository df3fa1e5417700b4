"""History and flushes reach a new cache in order, each row once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pyarrow as pa
import pytest

from procengine.cache.feed import Feed
from procengine.cache.history import Flush, History
from procengine.model.cache_definition import LastCacheDefinition
from tests.cache.rows import batch_of

T = TypeVar("T")
DEFINITION = LastCacheDefinition(database="d", table="t", table_id=1, name="n", key_columns=())


@dataclass
class NoRows:
    """A history up to a flush."""

    sequence_number: int
    has_duplicates: bool = False

    def reduced(
        self,
        reduce: Callable[[pa.RecordBatch], T],
        columns: Collection[str] | None = None,
        *,
        since_ns: int | None = None,
        flushed: Sequence[pa.RecordBatch] | None = None,
    ) -> Iterator[T]:
        yield from ()

    def merged(
        self,
        batches: Sequence[pa.RecordBatch],
        *,
        first: Collection[str] = (),
        flushed: bool = False,
    ) -> pa.RecordBatch:
        raise AssertionError("nothing to merge")


@dataclass
class Recorder:
    """A cache that notes what reaches it; ``while_filling`` is called in the middle of that."""

    while_filling: Callable[[], None] = lambda: None
    came: list[object] = field(default_factory=list)
    definition = DEFINITION

    def apply(self, batch: pa.RecordBatch, inserted_ns: int) -> None:
        self.came.append(inserted_ns)

    def fill(self, history: History, flushes: Sequence[Flush] | None = None) -> None:
        self.while_filling()
        self.came.append(f"history {history.sequence_number}")
        self.came += [f"of {one.inserted_ns}" for one in flushes or ()]

    def evict(self) -> int:
        return 0


BATCH = batch_of([{"time": 1}])


def test_feed_brings_history_first_and_each_flush_once() -> None:
    """What was flushed while history was read comes after it, without what history has already."""
    cache = Recorder()
    feed = Feed(cache)
    cache.while_filling = lambda: [feed.apply(one, BATCH, one) for one in (3, 4, 5)]  # type: ignore[func-returns-value]
    feed.apply(2, BATCH, 2)
    feed.fill(lambda: NoRows(3))
    feed.apply(6, BATCH, 6)
    assert cache.came == ["history 3", 4, 5, 6]


def test_feed_makes_what_was_replayed_part_of_the_history() -> None:
    """At a start the history comes with the flushes that brought what is in no file, and none of them comes again."""
    cache = Recorder()
    feed = Feed(cache)
    for number in (1, 2, 3):
        feed.apply(number, BATCH, number)
    feed.fill(lambda: NoRows(2), replayed=True)
    assert cache.came == ["history 2", "of 1", "of 2", 3]


def test_feed_without_history() -> None:
    """Without history, flushes come as they are."""
    cache = Recorder()
    feed = Feed(cache)
    feed.apply(1, BATCH, 1)
    feed.fill(None)
    feed.apply(2, BATCH, 2)
    assert cache.came == [1, 2]


def test_feed_goes_on_when_history_fails() -> None:
    """A history that cannot be read is an error, and the flushes come all the same."""

    def fail() -> History:
        raise OSError("no such file")

    cache = Recorder()
    feed = Feed(cache)
    feed.apply(1, BATCH, 1)
    with pytest.raises(OSError, match="no such file"):
        feed.fill(fail)
    feed.apply(2, BATCH, 2)
    assert cache.came == [1, 2]


def test_feed_loses_nothing_between_two_threads() -> None:
    """However flushes fall between reading history and the end of it, each comes once and in order."""
    cache = Recorder()
    feed = Feed(cache)
    begun = threading.Event()

    def flushes() -> None:
        for number in range(1, 3_001):
            feed.apply(number, BATCH, number)
            if number == 100:
                begun.set()

    thread = threading.Thread(target=flushes)
    cache.while_filling = begun.wait  # type: ignore[assignment]
    thread.start()
    feed.fill(lambda: NoRows(50))
    thread.join()
    assert cache.came == ["history 50", *range(51, 3_001)]
