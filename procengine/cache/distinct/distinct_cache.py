"""Which combinations of values did some columns of one table have?

A combination takes 8 bytes for when it was last seen, and its key: some 150 bytes for each distinct value of a column
with its text, and 16 to 24 for a combination of two columns. `tests/benchmarks/bench_caches.py` measures it.

The flush thread applies rows, the clock's thread prunes, any thread reads: each under the cache's lock, which is held
while numbers are copied. What a read made of an unchanged cache is kept, and given out without the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from procengine.cache.arrow_values import Bools, Int64s, grown, raw_values
from procengine.cache.history import Flush, History
from procengine.cache.key_groups import KeyGroups, group_rows
from procengine.cache.series_keys import SeriesKeys
from procengine.clock import NANOSECONDS_PER_SECOND, Clock
from procengine.errors import InvalidInputError
from procengine.model.cache_definition import DistinctCacheDefinition
from procengine.model.column import TIME, ColumnType
from procengine.model.table_schema import TableSchema

NEVER_NS = -(2**63)
_LONGEST_AGE_NS = 2**63 - 1
"""292 years: what is longer is for ever, as far as instants go."""

"""When a combination was last seen that was not, or that was pruned."""
_FEW_PLACES = 1024

LAST_SEEN, EXPIRES = "last_seen", "expires"


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctCacheStatistics:
    """What a distinct-value cache holds. ``row_count`` leaves out what is too old, ``series_count`` what was pruned.

    ``pruned_count`` counts since the start; ages are in seconds since a combination was last seen, by the data's
    own times, None when there are no combinations.
    """

    row_count: int
    series_count: int
    size_bytes: int
    pruned_count: int
    newest_age_seconds: float | None
    oldest_age_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ready:
    """What was read last, by columns, and until when (nanoseconds) it holds if nothing changes."""

    tables: dict[tuple[str, ...], pa.Table]
    until_ns: int


class DistinctCache:
    """The combinations of values, each with the time of the row that was last seen to have it.

    That is the row processed last, even if it is older than others before. A combination is seen as long as that
    time is less than ``max_age_seconds`` ago. Null is a value like others. There may be more than
    ``max_cardinality`` combinations until `prune` is called.

    Differs: in the original a late row hides, with its own combination, all that share its first column.
    """

    def __init__(self, definition: DistinctCacheDefinition, schema: TableSchema, clock: Clock) -> None:
        self.definition = definition
        self._clock = clock
        self._max_age_ns = min(definition.max_age_seconds * NANOSECONDS_PER_SECOND, _LONGEST_AGE_NS)
        self._has_fields = any(schema.type_of(name) is ColumnType.STRING for name in definition.columns)
        # Guards all that follows; held for numpy's and Arrow's work on what is in memory, never while waiting.
        self._lock = threading.Lock()
        self._schema = output_schema(definition)
        self._keys = SeriesKeys([(name, pa.utf8()) for name in definition.columns])
        self._last_seen_ns: Int64s = np.full(self._keys.count, NEVER_NS, np.int64)
        # All places in the order of the output, of which later ones are missing until the next read.
        self._sorted: Int64s = np.zeros(0, np.int64)
        self._pruned_count = 0
        # No combination was last seen before this.
        self._oldest_ns = 2**63 - 1
        self._ready: _Ready | None = None
        self._change_count = 0

    @property
    def change_count(self) -> int:
        """How often something else was seen, or gone but for its age; no lock is taken."""
        return self._change_count

    @property
    def schema(self) -> pa.Schema:
        """The columns of `read`, in the definition's order."""
        return self._schema

    def read(
        self,
        keys: Mapping[str, frozenset[object]] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return the combinations seen of late, sorted by the definition's columns, null first, else by their bytes.

        ``keys`` names values for some columns, None being null: only combinations that have one of them are
        returned, found without going through all. With ``columns``, in this order, no two rows of the result are
        alike either; without any column (``()``) there is a row for each combination. (SQL asks for the columns up to
        the last one that it needs, so that others than leading ones repeat there, as in the original.)

        Raises:
            InvalidInputError: a column is named that is not there.
        """
        names = tuple(self._names(columns))
        if keys:
            self._names([*keys])
            with self._lock:
                places = self._keys.find(keys)
                places = places[self._last_seen_ns[places] > self._too_old_ns()]
                return self._table(places[self._order(places)], names)
        ready = self._ready
        if ready is None or self._clock.now_ns() >= ready.until_ns or names not in ready.tables:
            with self._lock:
                ready = self._read_all(names)
        return ready.tables[names]

    def last_seen(self) -> pa.Table:
        """Return the combinations as `read` does, as ``dictionary<int32, utf8>``, and until when each is seen.

        That are the columns ``last_seen`` and ``expires``, ``timestamp[ns]``, UTC; a column of the cache that has
        one of these names comes before it.
        """
        with self._lock:
            places = self._places_seen()
            last_seen_ns = self._last_seen_ns[places]
            arrays = [
                self._keys.encoded_array(position, places) for position in range(len(self._keys.columns))
            ]
        stamp = pa.timestamp("ns")
        expires_ns = last_seen_ns + np.minimum(self._max_age_ns, 2**63 - 1 - np.maximum(last_seen_ns, 0))
        arrays += [pa.array(last_seen_ns).cast(stamp), pa.array(expires_ns).cast(stamp)]
        return pa.Table.from_arrays(arrays, names=[*self.definition.columns, LAST_SEEN, EXPIRES])

    def delete(self, keys: Mapping[str, frozenset[object]]) -> int:
        """Forget some combinations; return how many they were. The table keeps its rows.

        Raises:
            InvalidInputError: a column is named that is not there.
        """
        self._names([*keys])
        with self._lock:
            places = self._keys.find(keys)
            places = places[self._last_seen_ns[places] > NEVER_NS]
            self._last_seen_ns[places] = NEVER_NS
            self._seen_changed()
        return len(places)

    def statistics(self) -> DistinctCacheStatistics:
        """Return what is held at this moment."""
        with self._lock:
            now_ns = self._clock.now_ns()
            held = self._last_seen_ns[self._last_seen_ns > NEVER_NS]
            seen = held[held > self._too_old_ns()]
            return DistinctCacheStatistics(
                row_count=len(seen),
                series_count=len(held),
                size_bytes=self._keys.size_bytes + self._last_seen_ns.nbytes + self._sorted.nbytes,
                pruned_count=self._pruned_count,
                newest_age_seconds=_seconds(now_ns - seen.max()) if len(seen) else None,
                oldest_age_seconds=_seconds(now_ns - seen.min()) if len(seen) else None,
            )

    def apply(self, batch: pa.RecordBatch, inserted_ns: int) -> None:  # noqa: ARG002 the data's times count
        """Let the rows of one write have come, in their order. The flush thread's, or the replay's."""
        groups = group_rows(batch, self._keys.columns, with_nulls=True)
        last_ns = np.empty(groups.count, np.int64)
        last_ns[groups.of_row] = raw_values(batch.column(TIME))  # the last written stays
        with self._lock:
            places = self._places(groups)
            self._last_seen_ns[places] = last_ns
            self._came(last_ns)

    def fill(self, history: History, flushes: Sequence[Flush] | None = None) -> None:  # noqa: ARG002 as above
        """Take the combinations that the table had before the cache, each seen at its newest time."""
        since_ns = max(self._clock.now_ns() - self._max_age_ns + 1, NEVER_NS + 1)
        if self._has_fields and history.has_duplicates:
            # A value that another write replaced is no value of the table.
            batches = [*history.reduced(_itself, self.definition.columns, since_ns=since_ns)]
            seen = iter([self._seen(history.merged(batches))] if batches else [])
        else:
            seen = history.reduced(self._seen, self.definition.columns, since_ns=since_ns)
        for groups, newest_ns in seen:
            with self._lock:
                places = self._places(groups)
                self._last_seen_ns[places] = np.maximum(self._last_seen_ns[places], newest_ns)
                self._came(newest_ns)

    def _seen(self, batch: pa.RecordBatch) -> tuple[KeyGroups, Int64s]:
        """Return the combinations of a batch, and the newest time of each."""
        groups = group_rows(batch, self._keys.columns, with_nulls=True)
        newest_ns = np.full(groups.count, NEVER_NS, np.int64)
        np.maximum.at(newest_ns, groups.of_row, raw_values(batch.column(TIME)))
        return groups, newest_ns

    def evict(self) -> int:
        """Prune: let go of combinations that are too old, then of the oldest past the limit; return how many.

        Differs: the original lets go of all that were last seen when the last of these was; here exactly as many go
        as are too many.
        """
        if self._oldest_ns > self._too_old_ns() and self._keys.count <= self.definition.max_cardinality:
            return 0
        with self._lock:
            last_seen_ns = self._last_seen_ns
            held = last_seen_ns > NEVER_NS
            gone = np.flatnonzero(held & (last_seen_ns <= self._too_old_ns()))
            last_seen_ns[gone] = NEVER_NS
            kept = np.flatnonzero(last_seen_ns > NEVER_NS)
            surplus = len(kept) - self.definition.max_cardinality
            if surplus > 0:
                oldest = kept[np.argpartition(last_seen_ns[kept], surplus - 1)[:surplus]]
                last_seen_ns[oldest] = NEVER_NS
                gone = np.concatenate([gone, oldest])
            self._pruned_count += len(gone)
            self._oldest_ns = int(last_seen_ns[last_seen_ns > NEVER_NS].min(initial=2**63 - 1))
            if len(gone):
                self._compact()
        return len(gone)

    def _places(self, groups: KeyGroups) -> Int64s:
        """Return the places of groups, room being made for new ones."""
        places = self._keys.number(groups)
        self._last_seen_ns = grown(self._last_seen_ns, self._keys.count, NEVER_NS)
        return places

    def _came(self, last_seen_ns: Int64s) -> None:
        """Note that combinations were seen."""
        self._oldest_ns = min(self._oldest_ns, int(last_seen_ns.min(initial=2**63 - 1)))
        self._seen_changed()

    def _seen_changed(self) -> None:
        """Forget what was read. Under the lock."""
        self._ready = None
        self._change_count += 1

    def _compact(self) -> None:
        """Let go of the keys of combinations that are gone, when these are most."""
        self._seen_changed()
        places = np.flatnonzero(self._last_seen_ns > NEVER_NS)
        if self._keys.count <= 2 * len(places) + _FEW_PLACES:
            return
        last_seen_ns = self._last_seen_ns[places]
        self._keys, into = self._keys.kept(places)
        self._last_seen_ns = np.full(self._keys.count, NEVER_NS, np.int64)
        self._last_seen_ns[into] = last_seen_ns
        self._sorted = np.zeros(0, np.int64)

    def _read_all(self, names: tuple[str, ...]) -> _Ready:
        """Return what is ready, with a table for these columns, made where it is not there."""
        ready, now_ns = self._ready, self._clock.now_ns()
        if ready is not None and now_ns < ready.until_ns and names in ready.tables:
            return ready
        places = self._places_seen()
        tables = {names: self._table(places, names)}
        oldest_ns = int(self._last_seen_ns[places].min(initial=2**63 - 1 - self._max_age_ns))
        until_ns = oldest_ns + self._max_age_ns
        if ready is not None and now_ns < ready.until_ns:
            tables = ready.tables | tables
        self._ready = _Ready(tables=tables, until_ns=until_ns)
        return self._ready

    def _places_seen(self) -> Int64s:
        """Return the places of what was seen of late, in the order of the output. Under the lock."""
        if len(self._sorted) < self._keys.count:
            places = np.arange(self._keys.count)
            self._sorted = places[self._order(places)]
        seen: Bools = self._last_seen_ns[self._sorted] > self._too_old_ns()
        return self._sorted[seen]

    def _order(self, places: Int64s) -> Int64s:
        """Return the order of places by the values of the columns, null first."""
        if len(places) < 2:
            return np.arange(len(places))
        by_column = []
        for column in range(len(self._keys.columns)):
            codes = self._keys.codes(column, places)
            used = np.unique(codes)
            texts = used[used > 0] - 1
            rank = np.zeros(len(self._keys.values(column)) + 1, np.int64)
            in_order = pc.array_sort_indices(self._keys.values(column).take(pa.array(texts)))
            rank[texts[in_order.to_numpy()] + 1] = np.arange(1, len(texts) + 1)
            by_column.append(rank[codes])
        order: Int64s = np.lexsort(by_column[::-1])
        return order

    def _table(self, places: Int64s, names: Sequence[str]) -> pa.Table:
        """Return the values of columns at places, each combination of them once, at its first place."""
        if not names:
            return pa.table({"": pa.nulls(len(places))}).select([])
        positions = [self.definition.columns.index(name) for name in names]
        if len(positions) < len(self._keys.columns):
            places = places[np.sort(self._first_of_each(places, positions))]
        arrays = [self._keys.array(position, places).cast(pa.string_view()) for position in positions]
        return pa.Table.from_arrays(
            arrays, schema=pa.schema([self._schema.field(name) for name in names])
        )

    def _first_of_each(self, places: Int64s, positions: Sequence[int]) -> Int64s:
        """Return where each combination of some columns stands first."""
        numbers = np.zeros(len(places), np.int64)
        firsts: Int64s = np.arange(min(len(places), 1))
        for position in positions:
            codes = self._keys.codes(position, places)
            combined = numbers * (len(self._keys.values(position)) + 1) + codes
            _, firsts, numbers = np.unique(combined, return_index=True, return_inverse=True)
        return firsts

    def _too_old_ns(self) -> int:
        """Return the time up to which what was last seen is hidden."""
        return max(self._clock.now_ns() - self._max_age_ns, NEVER_NS)

    def _names(self, columns: Sequence[str] | None) -> Sequence[str]:
        for name in columns or ():
            if name not in self.definition.columns:
                raise InvalidInputError(
                    f"distinct-value cache {self.definition.name!r} has no column {name!r}; it has "
                    f"{', '.join(self.definition.columns)}"
                )
        return self.definition.columns if columns is None else columns


def output_schema(definition: DistinctCacheDefinition) -> pa.Schema:
    """Return the columns of a cache: ``string_view``, nullable.

    Source: influxdb3_cache/src/distinct_cache/cache.rs, DistinctCache::new.
    """
    return pa.schema([pa.field(name, pa.string_view()) for name in definition.columns])


def _itself(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


def _seconds(nanoseconds: int) -> float:
    return int(nanoseconds) / NANOSECONDS_PER_SECOND
