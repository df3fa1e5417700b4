"""In what do two replays differ?

Rows are the same row when table, time and tags are; then their fields tell whether it changed. What a run cost is
compared by trigger, for it is never twice the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from procengine.model.column import TIME
from procengine.replay.result import CachedState, ReplayResult, TriggerCost

_HERE: Final = "\0here"
_THERE: Final = "\0there"
_LIMIT_BINS: Final = 120
_NUMBERS_OF_RUNS: Final = ["run_id", "wal_sequence_number"]
_NUMBERS_OF_LOGS: Final = ["run_id"]
"""What shifts for every trigger when one of them runs once more."""

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """How a table differs: rows that only the second replay has, or only the first, and those with other fields.

    ``changed`` has time and tags, then for each field that differs anywhere ``{field} before`` and ``{field} after``.
    All are in the order of time and tags.
    """

    database: str
    table: str
    same: int
    added: pa.Table
    missing: pa.Table
    changed: pa.Table

    @property
    def is_empty(self) -> bool:
        """Whether there is no difference."""
        return not (self.added.num_rows or self.missing.num_rows or self.changed.num_rows)


@dataclass(frozen=True, slots=True)
class StateDifference:
    """A key of the plugin cache that differs; None where a replay does not have it."""

    namespace: str
    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class CostDifference:
    """What a trigger's runs cost in both replays; None where a replay does not have the trigger."""

    trigger: str
    before: TriggerCost | None
    after: TriggerCost | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBins:
    """How many rows differ when: counts of bins of equal width, nanoseconds UTC, from ``start_ns`` on."""

    start_ns: int
    width_ns: int
    added: tuple[int, ...]
    changed: tuple[int, ...]
    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two replays side by side, ``before`` and ``after``. ``logs`` counts lines by trigger and level, in both."""

    before: ReplayResult
    after: ReplayResult
    tables: tuple[TableDifference, ...]
    state: tuple[StateDifference, ...]
    costs: tuple[CostDifference, ...]
    logs: tuple[tuple[str, str, int, int], ...]

    @property
    def is_same(self) -> bool:
        """Whether rows and state are the same."""
        return not self.state and all(one.is_empty for one in self.tables)

    def bins(self, count: int = 60) -> TimeBins:
        """Return when rows differ, in at most so many bins over the time of both replays."""
        start_ns = min(self.before.started_ns, self.after.started_ns)
        end_ns = max(self.before.ended_ns, self.after.ended_ns)
        count = max(1, min(count, _LIMIT_BINS))
        width_ns = max(1, -(-(end_ns - start_ns + 1) // count))

        def counted(kind: str) -> tuple[int, ...]:
            times = [_integers(getattr(one, kind)[TIME]) for one in self.tables]
            places = (np.concatenate([np.empty(0, np.int64), *times]) - start_ns) // width_ns
            counts = np.bincount(np.clip(places, 0, count - 1), minlength=count)
            return tuple(counts.tolist())

        return TimeBins(
            start_ns=start_ns,
            width_ns=width_ns,
            added=counted("added"),
            changed=counted("changed"),
            missing=counted("missing"),
        )


def compare(before: ReplayResult, after: ReplayResult) -> Comparison:
    """Return in what a replay differs from one before it."""
    places = sorted({*before.tables, *after.tables})
    return Comparison(
        before=before,
        after=after,
        tables=tuple(_table(place, before, after) for place in places),
        state=_state(before, after),
        costs=_costs(before, after),
        logs=_logs(before, after),
    )


def not_the_same_each_time(first: ReplayResult, second: ReplayResult) -> tuple[str, ...]:
    """Return what differs between two replays of the same, because it goes by the clock or by chance.

    Triggers by their runs and log lines, tables by their rows, and the plugin cache by what it has at the end.
    """
    runs = _contents(first), _contents(second)
    logs = tuple(one.logs.drop_columns(_NUMBERS_OF_LOGS) for one in (first, second))
    triggers = [
        f"trigger {name}"
        for name in first.triggers
        if not all(
            _of_trigger(one, name).equals(_of_trigger(other, name)) for one, other in (runs, logs)
        )
    ]
    found = compare(first, second)
    tables = [f"table {one.table}" for one in found.tables if not one.is_empty]
    caches = dict.fromkeys(f"plugin cache {one.namespace}" for one in found.state)
    return (*triggers, *tables, *caches)


def _contents(result: ReplayResult) -> pa.Table:
    return result.facts.drop_columns(_NUMBERS_OF_RUNS)


def _of_trigger(rows: pa.Table, name: str) -> pa.Table:
    return rows.filter(pc.equal(rows["trigger_name"], name))


def _table(place: tuple[str, str], before: ReplayResult, after: ReplayResult) -> TableDifference:
    tags = dict.fromkeys((*before.tags.get(place, ()), *after.tags.get(place, ())))
    keys = [TIME, *tags]
    old, new = before.tables.get(place), after.tables.get(place)
    present = new if old is None else old
    assert present is not None
    old = _with_columns(present.slice(0, 0) if old is None else old, keys)
    new = _with_columns(present.slice(0, 0) if new is None else new, keys)
    here, there = _matched(old, new, keys)
    both = (here >= 0) & (there >= 0)
    old_rows, new_rows = old.take(pa.array(here[both])), new.take(pa.array(there[both]))
    changed = _changed(old_rows, new_rows, keys)
    order = [(name, "ascending") for name in keys]
    return TableDifference(
        database=place[0],
        table=place[1],
        same=int(both.sum()) - changed.num_rows,
        added=new.take(pa.array(np.sort(there[here < 0]))),
        missing=old.take(pa.array(np.sort(here[there < 0]))),
        changed=changed.sort_by(order),
    )


def _with_columns(rows: pa.Table, keys: list[str]) -> pa.Table:
    """Return rows with all key columns; a tag that a table does not have is null."""
    for name in keys:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, pa.utf8()))
    return rows


def _matched(old: pa.Table, new: pa.Table, keys: list[str]) -> tuple[Numbers, Numbers]:
    """Return for each row of either table its places in both, -1 where it is not."""
    left = _keys(old, keys).append_column(_HERE, pa.array(np.arange(old.num_rows)))
    right = _keys(new, keys).append_column(_THERE, pa.array(np.arange(new.num_rows)))
    joined = left.join(right, keys, join_type="full outer")
    return _places(joined[_HERE]), _places(joined[_THERE])


def _keys(rows: pa.Table, keys: list[str]) -> pa.Table:
    """Return the key columns, without nulls, which no join finds: a tag is never empty."""
    columns = [
        rows[name].cast(pa.int64()) if name == TIME else pc.fill_null(rows[name], "") for name in keys
    ]
    return pa.table(columns, names=keys)


def _places(column: pa.ChunkedArray) -> Numbers:
    places: Numbers = pc.fill_null(column, -1).combine_chunks().to_numpy(zero_copy_only=False)
    return places


def _changed(old: pa.Table, new: pa.Table, keys: list[str]) -> pa.Table:
    """Return the rows whose fields differ; both tables have the same rows in the same order."""
    names = [name for name in dict.fromkeys((*old.column_names, *new.column_names)) if name not in keys]
    differs = np.zeros(old.num_rows, np.bool_)
    columns: dict[str, tuple[pa.ChunkedArray, pa.ChunkedArray]] = {}
    for name in names:
        pair = _column(old, new, name), _column(new, old, name)
        apart = _unequal(*pair)
        if apart.any():
            columns[name] = pair
            differs |= apart
    found = [old[name] for name in keys]
    shown = list(keys)
    for name, (before, after) in columns.items():
        found += [before, after]
        shown += [f"{name} before", f"{name} after"]
    return pa.table(found, names=shown).filter(pa.array(differs))


def _column(rows: pa.Table, other: pa.Table, name: str) -> pa.ChunkedArray:
    if name in rows.column_names:
        return rows[name]
    return pa.chunked_array([pa.nulls(rows.num_rows, other.schema.field(name).type)])


def _unequal(before: pa.ChunkedArray, after: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    if before.type != after.type:
        before, after = before.cast(pa.utf8()), after.cast(pa.utf8())
    same = pc.fill_null(pc.equal(before, after), False)
    same = pc.or_(same, pc.and_(before.is_null(), after.is_null()))
    unequal: npt.NDArray[np.bool_] = pc.invert(same).combine_chunks().to_numpy(zero_copy_only=False)
    return unequal


def _state(before: ReplayResult, after: ReplayResult) -> tuple[StateDifference, ...]:
    old, new = ({(one.namespace, one.key): one for one in result.state} for result in (before, after))
    pairs = ((place, old.get(place), new.get(place)) for place in sorted({*old, *new}))
    return tuple(
        StateDifference(*place, *_texts(one, other))
        for place, one, other in pairs
        if one is None or other is None or one.contents != other.contents
    )


def _texts(before: CachedState | None, after: CachedState | None) -> tuple[str | None, str | None]:
    """Return what two values say of themselves, which can be the same though they hold other things."""
    old, new = (None if one is None else one.text for one in (before, after))
    return old, f"{new} (holds something else)" if old is not None and old == new else new


def _costs(before: ReplayResult, after: ReplayResult) -> tuple[CostDifference, ...]:
    old = {one.trigger: one for one in before.costs()}
    new = {one.trigger: one for one in after.costs()}
    return tuple(
        CostDifference(name, old.get(name), new.get(name)) for name in dict.fromkeys((*old, *new))
    )


def _logs(before: ReplayResult, after: ReplayResult) -> tuple[tuple[str, str, int, int], ...]:
    """Return how many lines each trigger logged at each level, the engine's own among them."""
    old, new = (_levels(one.logs) for one in (before, after))
    return tuple((*key, old.get(key, 0), new.get(key, 0)) for key in sorted({*old, *new}))


def _levels(logs: pa.Table) -> dict[tuple[str, str], int]:
    counts = logs.group_by(["trigger_name", "log_level"]).aggregate([([], "count_all")])
    names, levels, numbers = (
        counts[name].to_pylist() for name in ("trigger_name", "log_level", "count_all")
    )
    return dict(zip(zip(names, levels, strict=True), numbers, strict=True))


def _integers(column: pa.ChunkedArray) -> Numbers:
    numbers: Numbers = column.cast(pa.int64()).combine_chunks().to_numpy(zero_copy_only=False)
    return numbers
