"""What were the last values of each series of one table?

All is held in numpy arrays, by series and level, none of it as Python objects but the distinct texts. A series of one
tag as key and one row takes about 200 bytes with its tag's text, and 9 more for each further field: 16 for its ring,
8 for when its row was inserted, 8 for the time, 8 for a number (and 1 where the column was ever null), 4 for a text's
number, and some 150 for the key's value and its place in a hash table. Of two tags it is the distinct values that
cost so much, and 16 to 24 bytes a combination. `tests/benchmarks/bench_caches.py` measures it.

The flush thread applies rows, the clock's thread evicts, any thread reads: each under the cache's lock, which is held
while numbers are copied (some milliseconds for 100,000 rows). What a read made of an unchanged cache is kept, and
given out without the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from procengine.cache.arrow_values import Int64s, arrow_array, raw_values
from procengine.cache.history import Flush, History
from procengine.cache.key_groups import group_rows
from procengine.cache.last.acceptance import accept
from procengine.cache.last.newest_history import Past, newest_of_history
from procengine.cache.last.series_cells import NEVER_NS, Move, SeriesCells
from procengine.cache.last.value_column import ValueColumn
from procengine.cache.series_keys import SeriesKeys
from procengine.clock import NANOSECONDS_PER_SECOND, Clock
from procengine.errors import InvalidInputError
from procengine.model.cache_definition import LastCacheDefinition
from procengine.model.column import TIME, ColumnType
from procengine.model.table_schema import TableSchema

_EARLIEST = -(2**63)
_FEW_PLACES = 1024
_LONGEST_TTL_NS = 2**62
"""146 years: what is longer is for ever. After it, instants of our time still have 64 bits."""

INSERTED, EXPIRES = "inserted", "expires"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCacheStatistics:
    """What a last-value cache holds. ``row_count`` leaves out what expired, ``series_count`` what was evicted.

    ``evicted_row_count`` counts since the start; ages are in seconds since the rows were inserted, None when
    there are no rows.
    """

    row_count: int
    series_count: int
    size_bytes: int
    evicted_row_count: int
    newest_age_seconds: float | None
    oldest_age_seconds: float | None


class LastCache:
    """The newest rows of each combination of key values.

    A row enters when it has all key columns and a time later than that of its key's newest row (than 0, when there
    is none). It expires ``ttl_seconds`` after it was inserted, by the engine's clock; expired rows are hidden at once
    and let go of by `evict`. Only then a key without rows takes older times again.
    """

    def __init__(self, definition: LastCacheDefinition, schema: TableSchema, clock: Clock) -> None:
        self.definition = definition
        self._clock = clock
        self._ttl_ns = min(definition.ttl_seconds * NANOSECONDS_PER_SECOND, _LONGEST_TTL_NS)
        # Guards all that follows; held for numpy's and Arrow's work on what is in memory, never while waiting.
        self._lock = threading.Lock()
        self._schema = output_schema(definition, schema)
        key_fields = [self._schema.field(name) for name in definition.key_columns]
        self._keys = SeriesKeys([(field.name, field.type) for field in key_fields])
        self._cells = SeriesCells(definition.count)
        kinds = {name: schema.type_of(name) for name in self._schema.names[len(key_fields) :]}
        self._columns = {
            name: ValueColumn(kind, (0, 1)) for name, kind in kinds.items() if kind is not None
        }
        self._grow(self._keys.count)
        self._evicted_row_count = 0
        # No row expires before this.
        self._first_expiry_ns = NEVER_NS
        # All rows as they were read last, and until when (nanoseconds) that holds if nothing changes.
        self._ready: tuple[pa.Table, int] | None = None
        self._change_count = 0

    @property
    def schema(self) -> pa.Schema:
        """The columns of `read`: the keys in their order, then the values."""
        return self._schema

    @property
    def change_count(self) -> int:
        """How often the rows became others, but for those that expire; no lock is taken."""
        return self._change_count

    def read(
        self,
        keys: Mapping[str, frozenset[object]] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return the rows that have not expired, those of a key newest first.

        ``keys`` names values for some of the key columns: only rows that have one of them are returned, found
        without going through all series. ``columns`` are the ones wanted, in this order; None are all. Keys come
        in no order.

        Raises:
            InvalidInputError: ``keys`` names a column that is no key, or ``columns`` one that is not there.
        """
        if keys:
            self._check_keys(keys)
            with self._lock:
                places = self._keys.find(keys)
                return self._table(self._cells.cells(places, self._expired_ns()), self._names(columns))
        ready = self._ready
        if ready is None or self._clock.now_ns() >= ready[1]:
            with self._lock:
                ready = self._ready = self._all_rows()
        return ready[0] if columns is None else ready[0].select(self._names(columns))

    def history(self, keys: Mapping[str, frozenset[object]]) -> pa.Table:
        """Return the rows of some keys as `read` does, ``{}`` being all, and when each was inserted and expires.

        These are the columns ``inserted`` and ``expires``, ``timestamp[ns]``, UTC.
        """
        self._check_keys(keys)
        with self._lock:
            cells = self._cells.cells(self._keys.find(keys), self._expired_ns())
            table = self._table(cells, self._schema.names)
            inserted_ns = self._cells.inserted_ns(cells)
        stamp = pa.timestamp("ns")
        table = table.append_column(INSERTED, arrow_array(inserted_ns, stamp))
        return table.append_column(EXPIRES, arrow_array(inserted_ns + self._ttl_ns, stamp))

    def delete(self, keys: Mapping[str, frozenset[object]]) -> int:
        """Forget the rows of some keys, which begin anew; return how many they were. The table keeps them.

        After a restart what the table has is there again.
        """
        self._check_keys(keys)
        with self._lock:
            count = self._cells.clear(self._keys.find(keys))
            self._rows_changed()
        return count

    def statistics(self) -> LastCacheStatistics:
        """Return what is held at this moment."""
        with self._lock:
            now_ns = self._clock.now_ns()
            inserted_ns = self._cells.inserted_ns(self._cells.cells(None, self._expired_ns()))
            return LastCacheStatistics(
                row_count=len(inserted_ns),
                series_count=len(self._cells.live_places()),
                size_bytes=self._cells.size_bytes
                + self._keys.size_bytes
                + sum(column.size_bytes for column in self._columns.values()),
                evicted_row_count=self._evicted_row_count,
                newest_age_seconds=_seconds(now_ns - inserted_ns.max()) if len(inserted_ns) else None,
                oldest_age_seconds=_seconds(now_ns - inserted_ns.min()) if len(inserted_ns) else None,
            )

    def apply(self, batch: pa.RecordBatch, inserted_ns: int) -> None:
        """Let the rows of one write have come, in their order, at an instant. The flush thread's, or the replay's.

        Rows that were written before the cache was created count as inserted then.
        """
        with self._lock:
            self._insert(batch, max(inserted_ns, self.definition.created_ns))

    def fill(self, history: History, flushes: Sequence[Flush] | None = None) -> None:
        """Take the rows that the table had before the cache, of each key the newest, as a query sees them.

        ``flushes`` tell when those were written that are in no file. When others were is not known (files do not say
        so): each counts as inserted at its own time, but not before the cache was created, nor later than now. So of
        a new cache all rows live for the whole time to live, however old; and after a restart rows that were written
        as they happened go on living as long as they would have, and nothing that had expired comes back.
        """
        now_ns = self._clock.now_ns()
        created_ns = min(self.definition.created_ns, now_ns)
        past = Past(history=history, flushes=flushes, created_ns=created_ns, now_ns=now_ns)
        found = newest_of_history(past, self.definition, self._keys.columns, ttl_ns=self._ttl_ns)
        if found is None:
            return
        rows, inserted_ns = found
        with self._lock:
            self._insert(rows, inserted_ns)

    def evict(self) -> int:
        """Let go of the rows that expired, and of the memory that they took; return how many."""
        if self._clock.now_ns() < self._first_expiry_ns:
            return 0
        with self._lock:
            count = self._cells.evict(self._expired_ns())
            self._evicted_row_count += count
            if count:
                self._compact()
            self._first_expiry_ns = self._expiry_of(self._cells.cells(None, _EARLIEST))
        return count

    def _insert(self, batch: pa.RecordBatch, inserted_ns: int | Int64s) -> None:
        self._join_columns(batch.schema)
        groups = group_rows(batch, self._keys.columns, with_nulls=False)
        if not groups.count:
            return
        places = self._keys.number(groups)
        self._grow(self._keys.count)
        times_ns = _times(batch)
        if groups.rows is not None:
            times_ns = times_ns[groups.rows]
        accepted = accept(
            groups.of_row, times_ns, self._cells.newest_ns[places], count=self.definition.count
        )
        if not len(accepted.rows):
            return
        places = places[accepted.groups]
        self._raise_levels(self._cells.levels_for(places, accepted.counts))
        rows = accepted.rows if groups.rows is None else groups.rows[accepted.rows]
        lasts = accepted.rows[np.cumsum(accepted.counts) - 1]
        inserted = inserted_ns if isinstance(inserted_ns, int) else inserted_ns[rows]
        first_ns = inserted if isinstance(inserted, int) else int(inserted.min())
        self._first_expiry_ns = min(self._first_expiry_ns, first_ns + self._ttl_ns)
        cells = self._cells.push(places, accepted.counts, times_ns[lasts], inserted)
        self._put(batch, rows, cells)
        self._rows_changed()

    def _put(self, batch: pa.RecordBatch, rows: Int64s, cells: Int64s) -> None:
        chosen = None if batch.num_rows == 1 else pa.array(rows)
        for name, column in self._columns.items():
            position = batch.schema.get_field_index(name)
            if position < 0:
                column.put_null(cells)
            else:
                values = batch.column(position)
                column.put(cells, values if chosen is None else values.take(chosen))
                if column.outgrown(len(self._cells.newest_ns) * self._cells.levels):
                    column.forget_unused(self._cells.cells(None, _EARLIEST))

    def _join_columns(self, schema: pa.Schema) -> None:
        """Take on columns that are new, where all that are no keys are held."""
        if self.definition.value_columns is not None:
            return
        known = self._columns.keys() | set(self.definition.key_columns)
        new = [field for field in schema if field.name not in known]
        if not new:
            return
        held = self._cells.cells(None, _EARLIEST)
        shape = (len(self._cells.newest_ns), self._cells.levels)
        for field in new:
            column = self._columns[field.name] = ValueColumn(_column_type(field.type), shape)
            column.put_null(held)
        key_fields = [self._schema.field(name) for name in self.definition.key_columns]
        self._columns = dict(sorted(self._columns.items()))
        values = [pa.field(name, column.kind.arrow_type) for name, column in self._columns.items()]
        self._schema = pa.schema([*key_fields, *values])
        self._rows_changed()

    def _grow(self, places: int) -> None:
        self._cells.grow(places)
        for column in self._columns.values():
            column.grow(places)

    def _raise_levels(self, levels: int) -> None:
        if levels > self._cells.levels:
            places = np.arange(len(self._cells.newest_ns))
            self._follow(self._cells.rearrange(places, places, (len(places), levels)))

    def _compact(self) -> None:
        """Let go of keys without rows when these are most, and of texts that no row has."""
        self._rows_changed()
        places = self._cells.live_places()
        if self._keys.count > 2 * len(places) + _FEW_PLACES:
            self._keys, into = self._keys.kept(places)
            shape = (self._keys.count, self._cells.levels)
            self._follow(self._cells.rearrange(places, into, shape))
            return
        held = self._cells.cells(None, _EARLIEST)
        for column in self._columns.values():
            column.forget_unused(held)

    def _rows_changed(self) -> None:
        """Forget what was read. Under the lock."""
        self._ready = None
        self._change_count += 1

    def _follow(self, move: Move) -> None:
        for column in self._columns.values():
            column.rearrange(move.cells, move.into, move.shape)

    def _all_rows(self) -> tuple[pa.Table, int]:
        cells = self._cells.cells(None, self._expired_ns())
        return self._table(cells, self._schema.names), self._expiry_of(cells)

    def _expiry_of(self, cells: Int64s) -> int:
        """Return the instant at which the first row of some cells expires."""
        return int(self._cells.inserted_ns(cells).min()) + self._ttl_ns if len(cells) else NEVER_NS

    def _table(self, cells: Int64s, names: Sequence[str]) -> pa.Table:
        places = cells // self._cells.levels
        position = {name: number for number, name in enumerate(self.definition.key_columns)}
        arrays = [
            self._keys.array(position[name], places)
            if name in position
            else self._columns[name].take(cells)
            for name in names
        ]
        schema = pa.schema([self._schema.field(name) for name in names])
        if not arrays:
            return pa.table({"": pa.nulls(len(cells))}).select([])
        return pa.Table.from_arrays(arrays, schema=schema)

    def _expired_ns(self) -> int:
        """Return the instant up to which what was inserted has expired."""
        return max(self._clock.now_ns() - self._ttl_ns, _EARLIEST)

    def _names(self, columns: Sequence[str] | None) -> list[str]:
        names = self._schema.names
        for name in columns or ():
            if name not in names:
                raise InvalidInputError(
                    f"last-value cache {self.definition.name!r} has no column {name!r}; it has {', '.join(names)}"
                )
        return names if columns is None else list(columns)

    def _check_keys(self, keys: Mapping[str, frozenset[object]]) -> None:
        for name in keys:
            if name not in self.definition.key_columns:
                raise InvalidInputError(
                    f"column {name!r} is no key of last-value cache {self.definition.name!r}; its keys are "
                    f"{', '.join(self.definition.key_columns) or 'none'}"
                )


def output_schema(definition: LastCacheDefinition, schema: TableSchema) -> pa.Schema:
    """Return the columns of a cache over a table: the keys in their order, then the values.

    Tags among the keys are ``utf8`` and never null, other keys of their own type; tags among the values are
    ``dictionary<int32, utf8>``. All non-key columns stand by name, the time among them; given ones stand as given,
    then the time.

    Source: influxdb3_cache/src/last_cache/cache.rs, LastCache::new.
    """
    fields = []
    for name in definition.key_columns:
        kind = schema.type_of(name)
        assert kind is not None, name
        is_tag = kind is ColumnType.TAG
        fields.append(pa.field(name, pa.utf8() if is_tag else kind.arrow_type, nullable=not is_tag))
    if definition.value_columns is None:
        keys = set(definition.key_columns)
        values = sorted({one.name for one in schema.columns} - keys | {TIME})
    else:
        values = [*definition.value_columns, TIME]
    for name in values:
        kind = schema.type_of(name)
        assert kind is not None, name
        fields.append(pa.field(name, kind.arrow_type))
    return pa.schema(fields)


def _times(batch: pa.RecordBatch) -> Int64s:
    times_ns: Int64s = raw_values(batch.column(TIME))
    return times_ns


def _column_type(kind: pa.DataType) -> ColumnType:
    return next(one for one in ColumnType if one.arrow_type == kind)


def _seconds(nanoseconds: int) -> float:
    return int(nanoseconds) / NANOSECONDS_PER_SECOND
