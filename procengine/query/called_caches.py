"""Which rows do the cache functions of a statement hand to DataFusion?

DataFusion asks for each call while it plans, in an order that is the text's; so calls are known by their numbers.
A text is first planned with a placeholder for each, which has the cache's columns and no rows: from that plan is read
which keys and columns are wanted. Caches are read before the text is planned again, because DataFusion cannot be
asked for a table while it plans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from procengine.model.cache_definition import DistinctCacheDefinition, LastCacheDefinition
from procengine.query.cache_functions import CacheCall, CacheFunction, read_call
from procengine.query.cached_rows import CachedRows, CacheHolder
from procengine.query.plan_conditions import WantedRows
from procengine.query.scan_bounds import EVERYTHING
from procengine.query.scan_conditions import KeyType, Parameters
from procengine.query.stand_ins import with_stand_ins
from procengine.query.table_scan import TableScan, TableScans

if TYPE_CHECKING:
    from procengine.catalog import Database

CacheHolders = Mapping[CacheFunction, CacheHolder]


@dataclass(frozen=True, slots=True)
class WantedCall:
    """What a text wants of one of its calls, None for all; ``schema`` is the cache's when that was found.

    ``name`` is what the plan that was looked at calls the cache.
    """

    call: CacheCall
    name: str
    schema: pa.Schema
    rows: WantedRows | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What DataFusion is answered to a call; plans know a placeholder by ``name``."""

    call: CacheCall
    scan: TableScan
    name: str = ""
    schema: pa.Schema | None = None
    keys: Mapping[str, KeyType] | None = None


class CalledCaches:
    """The calls of one statement. One thread's, as the statement is."""

    def __init__(self, database: Database, holders: CacheHolders, scans: TableScans) -> None:
        self._database = database
        self._holders = holders
        self._scans = scans
        self._placeholders: list[_Answer] = []
        self._decided: list[_Answer] | None = None
        self._missed: list[tuple[int, CacheCall, CachedRows]] = []
        self._number = 0

    @property
    def row_count(self) -> int:
        """How many rows the calls hold."""
        return sum(answer.scan.buffered_row_count for answer in self._decided or ())

    @property
    def unordered_row_count(self) -> int:
        """How many of the rows are in no order: those of last-value caches."""
        return sum(
            answer.scan.buffered_row_count
            for answer in self._decided or ()
            if answer.call.function is CacheFunction.LAST
        )

    def restart(self) -> None:
        """Say that a text is planned from its start now."""
        self._number = 0
        self._missed.clear()

    def table(self, function: CacheFunction, arguments: Sequence[Any]) -> Any:
        """Return the DataFusion table for the next call. From within planning.

        Raises:
            QueryError: the arguments name no cache.
        """
        call = read_call(function, arguments)
        number, self._number = self._number, self._number + 1
        answers = self._answers
        if number < len(answers) and answers[number].call == call:
            return answers[number].scan.table
        cache = self._find(call)
        self._missed.append((number, call, cache))
        return self._scans.empty_view(cache.schema)

    def prepare_missed(self) -> bool:
        """Get answers ready for the calls that had none, and tell whether there were such."""
        missed = self._missed.copy()
        for number, call, cache in missed:
            del self._answers[number:]
            if self._decided is None:
                self._placeholders.append(self._placeholder(call, cache))
            else:
                self._decided.append(self._rows(call, cache.read()))
        return bool(missed)

    def undecide(self) -> None:
        """Answer with placeholders, for another text."""
        self._decided = None

    @property
    def keys(self) -> dict[str, Mapping[str, KeyType]]:
        """The placeholders of the text planned last, each with the columns by which its rows are found."""
        return {one.name: one.keys or {} for one in self._placeholders[: self._number]}

    def wanted(self, found: Mapping[str, WantedRows]) -> tuple[WantedCall, ...]:
        """Return what the text planned last wants of its calls, given what it wants of its placeholders."""
        return tuple(
            WantedCall(one.call, one.name, one.schema, found.get(one.name))
            for one in self._placeholders[: self._number]
        )

    def decide(self, wanted: Sequence[WantedCall], parameters: Parameters) -> bool:
        """Read what a text wants; False if a cache has other columns by now: the text must be looked at again.

        Raises:
            QueryError: a cache is no more.
        """
        decided = []
        for one in wanted:
            cache = self._unchanged(one)
            if cache is None:
                self._placeholders.clear()
                return False
            rows = with_stand_ins(_read(cache, one, parameters), one.schema)
            decided.append(self._rows(one.call, rows))
        self._decided = decided
        return True

    def exact_rows(self, wanted: WantedCall, parameters: Parameters) -> pa.Table | None:
        """Return the rows that are wanted and no others, the columns asked for among them.

        None if the cache has other columns by now, or where it cannot tell these rows from others.

        Raises:
            QueryError: the cache is no more.
        """
        cache = self._unchanged(wanted)
        if cache is None or wanted.rows is None:
            return None
        bounds = wanted.rows.condition.bounds(parameters)
        by_keys = replace(bounds, key_equals={})
        return _read(cache, wanted, parameters) if by_keys == EVERYTHING else None

    def _unchanged(self, wanted: WantedCall) -> CachedRows | None:
        """Return a cache; None if it has other columns than it had."""
        cache = self._find(wanted.call)
        same = cache.schema is wanted.schema or cache.schema.equals(wanted.schema)
        return cache if same else None

    @property
    def _answers(self) -> list[_Answer]:
        return self._placeholders if self._decided is None else self._decided

    def _find(self, call: CacheCall) -> CachedRows:
        if call.table not in self._database.tables:
            raise call.function.invalid_table(call.table)
        cache = self._holders[call.function].find(self._database.name, call.table, call.name)
        if cache is None:
            raise call.function.cache_not_found()
        return cache

    def _placeholder(self, call: CacheCall, cache: CachedRows) -> _Answer:
        schema = cache.schema
        name, table = self._scans.named_columns(schema, taken=self._database.tables)
        keys = {name: key for name in _key_columns(cache) if (key := _key_type(schema.field(name).type))}
        return _Answer(call=call, scan=TableScan(table=table), name=name, schema=schema, keys=keys)

    def _rows(self, call: CacheCall, rows: pa.Table) -> _Answer:
        return _Answer(call=call, scan=self._scans.of_ordered(rows))


def _read(cache: CachedRows, wanted: WantedCall, parameters: Parameters) -> pa.Table:
    rows = wanted.rows
    if rows is None:
        return cache.read()
    keys = rows.condition.bounds(parameters).key_equals
    return cache.read(keys or None, _columns(wanted, rows, few=bool(keys)))


def _columns(wanted: WantedCall, rows: WantedRows, *, few: bool) -> list[str] | None:
    """Return the columns to read, None for all.

    Of a last-value cache that is a matter of speed: of few rows all are read, and one where rows are only counted.
    Of a distinct-value cache it decides which combinations there are: those of the columns up to the last one asked
    for, so that leading columns alone are distinct and others can repeat; all, where rows are only counted.

    Differs: the original cannot count the combinations; and where one call is scanned more than once, as a WITH
    query may be, it decides for each scan what here is decided for all of them.
    """
    names = wanted.schema.names
    if rows.columns is None:
        return None
    columns = [name for name in names if name in rows.columns]
    if wanted.call.function is CacheFunction.DISTINCT:
        return names[: names.index(columns[-1]) + 1] if columns else None
    return None if few else columns or names[:1]


def _key_columns(cache: CachedRows) -> tuple[str, ...]:
    match cache.definition:
        case LastCacheDefinition() as definition:
            return definition.key_columns
        case DistinctCacheDefinition() as definition:
            return definition.columns


def _key_type(kind: pa.DataType) -> KeyType | None:
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return str
    if pa.types.is_integer(kind):
        return int
    return bool if pa.types.is_boolean(kind) else None
