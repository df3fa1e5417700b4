"""What comes when in a replay?

A `Timeline` puts rows of tables in the order of time, cuts them into batches, and yields one `Step` a batch. The rows
of a table are one Arrow batch; each step has slices of it, which copy nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from procengine.errors import InvalidInputError
from procengine.model.column import TIME
from procengine.model.table_rows import TableRows, new_table_rows
from procengine.processing.run_record import utc_text
from procengine.replay.batching import Batching, BatchKind
from procengine.replay.recorded_steps import RecordedRequest, RecordedStep

Numbers = npt.NDArray[np.int64]

LONG_DICTIONARY: Final = 256
"""From how many words on a dictionary of tags is cut down to those that a slice uses."""

STEPS_AT_ONCE: Final = 65_536
"""Of how many steps the places are Python numbers at a time."""


class Step(NamedTuple):
    """Rows that are written together, or a request, at an instant (nanoseconds UTC)."""

    instant_ns: int
    rows: tuple[TableRows, ...] = ()
    request: RecordedRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """From when (included) to when (excluded), nanoseconds UTC; None for an open end."""

    from_ns: int | None = None
    to_ns: int | None = None

    def check(self) -> None:
        """Accept a range that has something in it.

        Raises: InvalidInputError.
        """
        if self.from_ns is not None and self.to_ns is not None and self.from_ns >= self.to_ns:
            raise InvalidInputError(
                f"nothing lies between from {utc_text(self.from_ns)} and to {utc_text(self.to_ns)}; "
                "from must come before to"
            )

    def has(self, instant_ns: int) -> bool:
        """Tell whether an instant lies inside."""
        after = self.from_ns is None or instant_ns >= self.from_ns
        return after and (self.to_ns is None or instant_ns < self.to_ns)

    def mask(self, times: Numbers) -> npt.NDArray[np.bool_]:
        """Tell of each of some instants whether it lies inside."""
        inside = np.ones(len(times), np.bool_)
        if self.from_ns is not None:
            inside &= times >= self.from_ns
        if self.to_ns is not None:
            inside &= times < self.to_ns
        return inside


class Timeline:
    """The steps of a replay of rows. ``unsorted_rows`` is how many of these came after one of a later time."""

    def __init__(self, tables: Sequence[TableRows], batching: Batching, between: Range) -> None:
        """Take the rows of tables, each table once, whose times lie in a range.

        Raises: InvalidInputError: there are none.
        """
        self._batching = batching
        self.unsorted_rows = 0
        self._tables: list[TableRows] = []
        self._is_long: list[bool] = []
        self._times: list[Numbers] = []
        for rows in tables:
            self._add(rows, between)
        self.row_count = sum(map(len, self._times))
        if not self.row_count:
            found = [_times(rows) for rows in tables if rows.row_count]
            first, last = min(int(one.min()) for one in found), max(int(one.max()) for one in found)
            raise InvalidInputError(
                f"no rows lie in the range of the replay; the source has rows from "
                f"{utc_text(first)} to {utc_text(last)}"
            )
        first_ns = min(int(times[0]) for times in self._times)
        last_ns = max(int(times[-1]) for times in self._times)
        self.start_ns = first_ns if between.from_ns is None else between.from_ns
        self.end_ns = self._end_of(last_ns) if between.to_ns is None else between.to_ns
        self._starts, self._ends, self._places, self._buckets = self._cut()

    def _add(self, rows: TableRows, between: Range) -> None:
        times = _times(rows)
        if _late_count(times):
            self.unsorted_rows += _late_count(times[between.mask(times)])
            order = np.argsort(times, kind="stable")
            rows, times = _taken(rows, order), times[order]
        first = 0 if between.from_ns is None else int(np.searchsorted(times, between.from_ns))
        end = len(times) if between.to_ns is None else int(np.searchsorted(times, between.to_ns))
        if end > first:
            self._tables.append(rows_slice(rows, first, end - first))
            self._times.append(times[first:end])
            self._is_long.append(has_long_dictionary(rows))

    @property
    def step_count(self) -> int:
        """How many steps there are."""
        return len(np.unique(self._buckets)) if self._is_grouped else len(self._buckets)

    def __iter__(self) -> Iterator[Step]:
        """Yield the steps in the order of their instants; rows of one instant in the order of their tables."""
        waiting: list[TableRows] = []
        bucket: int | None = None
        for begin in range(0, len(self._buckets), STEPS_AT_ONCE):
            part = slice(begin, begin + STEPS_AT_ONCE)
            columns = (self._buckets, self._places, self._starts, self._ends)
            for at, place, start, end in zip(*(one[part].tolist() for one in columns), strict=True):
                if bucket is not None and (at != bucket or not self._is_grouped):
                    yield Step(self._instant(bucket), tuple(waiting))
                    waiting = []
                bucket = at
                waiting.append(
                    rows_slice(self._tables[place], start, end - start, is_long=self._is_long[place])
                )
        if bucket is not None:
            yield Step(self._instant(bucket), tuple(waiting))

    @property
    def _is_grouped(self) -> bool:
        return self._batching.kind is not BatchKind.ROW

    def _instant(self, bucket: int) -> int:
        if self._batching.kind is BatchKind.INTERVAL:
            return (bucket + 1) * self._batching.interval_ns - 1
        return bucket

    def _end_of(self, last_ns: int) -> int:
        """Return where a replay without a given end stops: with the interval of its last row."""
        if self._batching.kind is BatchKind.INTERVAL:
            return (last_ns // self._batching.interval_ns + 1) * self._batching.interval_ns
        return last_ns

    def _cut(self) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Return start and end row, table and bucket of each piece, in the order of the buckets."""
        starts, ends, places, buckets = [], [], [], []
        for place, times in enumerate(self._times):
            kind = self._batching.kind
            bucket = times // self._batching.interval_ns if kind is BatchKind.INTERVAL else times
            if self._is_grouped:
                first = np.concatenate([[0], np.flatnonzero(np.diff(bucket)) + 1]).astype(np.int64)
            else:
                first = np.arange(len(times), dtype=np.int64)
            starts.append(first)
            ends.append(np.append(first[1:], len(times)))
            places.append(np.full(len(first), place, np.int64))
            buckets.append(bucket[first])
        order = np.argsort(np.concatenate(buckets), kind="stable")
        joined = [np.concatenate(column)[order] for column in (starts, ends, places, buckets)]
        return joined[0], joined[1], joined[2], joined[3]


def _late_count(times: Numbers) -> int:
    """Return how many times come after a later one."""
    return int(np.count_nonzero(times[1:] < np.maximum.accumulate(times)[:-1])) if len(times) else 0


class RecordedTimeline:
    """The steps of a replay of a recording: the flushes and requests, as they came."""

    unsorted_rows = 0

    def __init__(
        self, steps: Sequence[RecordedStep], between: Range, started_ns: int | None = None
    ) -> None:
        """Take the steps whose instants lie in a range, of a recording that began at ``started_ns``.

        Raises: InvalidInputError: there are none.
        """
        inside = [step for step in steps if between.has(step.instant_ns)]
        if not inside:
            raise InvalidInputError("there is nothing to replay: the recording has nothing in the range")
        first_ns, last_ns = inside[0].instant_ns, inside[-1].instant_ns
        began_ns = first_ns if started_ns is None else min(started_ns, first_ns)
        self.start_ns = began_ns if between.from_ns is None else between.from_ns
        self.end_ns = last_ns if between.to_ns is None else between.to_ns
        self._steps = [step for step in inside if step.tick is None]
        self.row_count = sum(rows.row_count for step in inside for rows in step.rows)

    @property
    def step_count(self) -> int:
        """How many steps there are."""
        return len(self._steps)

    def __iter__(self) -> Iterator[Step]:
        """Yield the steps in the order in which they came."""
        for step in self._steps:
            yield Step(step.instant_ns, step.rows, step.request)


def has_long_dictionary(rows: TableRows) -> bool:
    """Tell whether a column has so many words that small slices must not carry them all."""
    return any(
        pa.types.is_dictionary(column.type) and len(column.dictionary) > LONG_DICTIONARY
        for column in rows.batch.columns
    )


def rows_slice(rows: TableRows, start: int, count: int, *, is_long: bool = False) -> TableRows:
    """Return some of a table's rows; they share its buffers, but for long dictionaries, which are cut down."""
    batch = rows.batch.slice(start, count)
    if is_long:
        batch = _short_dictionaries(batch)
    shapes, shape_of_row = rows.shapes, rows.shape_of_row
    if shape_of_row is not None:
        shape_of_row = shape_of_row[start : start + count]
        if count == 1:
            shapes, shape_of_row = (shapes[shape_of_row[0]],), None
    return new_table_rows(
        database_id=rows.database_id,
        table_id=rows.table_id,
        database=rows.database,
        table=rows.table,
        batch=batch,
        shapes=shapes,
        shape_of_row=shape_of_row,
    )


def _short_dictionaries(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        column.dictionary_decode().dictionary_encode() if pa.types.is_dictionary(column.type) else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _taken(rows: TableRows, order: Numbers) -> TableRows:
    shape_of_row = None if rows.shape_of_row is None else rows.shape_of_row[order]
    return replace(rows, batch=rows.batch.take(pa.array(order)), shape_of_row=shape_of_row)


def _times(rows: TableRows) -> Numbers:
    times: Numbers = (
        rows.batch.column(rows.batch.schema.get_field_index(TIME)).view(pa.int64()).to_numpy()
    )
    return times
