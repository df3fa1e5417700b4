"""What are last-value and distinct-value caches, as definitions, and which are allowed?

Definitions are values, kept by the catalog with their table; the caches themselves are rebuilt from them.
`last_cache` and `distinct_cache` make one from a request and refuse what cannot be; the texts are the original's.

Source: influxdb3_catalog/src/catalog/versions/v3/ops/cache.rs and ../schema/cache.rs (rules, defaults, texts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from procengine.errors import InvalidInputError
from procengine.model.column import TIME, ColumnType
from procengine.model.node_spec import ALL_NODES, parse_node_spec
from procengine.model.table_schema import TableSchema

DEFAULT_COUNT = 1
DEFAULT_TTL_SECONDS = 4 * 3600
DEFAULT_MAX_CARDINALITY = 100_000
DEFAULT_MAX_AGE_SECONDS = 24 * 3600

KEY_TYPES = frozenset(
    {ColumnType.TAG, ColumnType.STRING, ColumnType.INTEGER, ColumnType.UINTEGER, ColumnType.BOOLEAN}
)
"""The types of columns that may be keys of a last-value cache."""
DISTINCT_TYPES = frozenset({ColumnType.TAG, ColumnType.STRING})
"""The types of columns that a distinct-value cache may hold."""


class LastCacheSettings(TypedDict):
    """What is said of a last-value cache beside its table; the arguments of `last_cache`."""

    name: str | None
    key_columns: Sequence[str] | None
    value_columns: Sequence[str] | None
    count: int
    ttl_seconds: int
    node_spec: str


class DistinctCacheSettings(TypedDict):
    """What is said of a distinct-value cache beside its table; the arguments of `distinct_cache`."""

    name: str | None
    columns: Sequence[str]
    max_cardinality: int
    max_age_seconds: int
    node_spec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCacheDefinition:
    """A last-value cache: for each combination of the keys the newest ``count`` rows, for ``ttl_seconds`` each.

    ``value_columns`` None stands for all columns that are no keys, those to come included; otherwise the time is
    left out of them, and is held all the same. ``cache_id`` is unique in the engine and never used again;
    ``created_ns`` is the instant of the creation, ``node_spec`` says which nodes fill it from
    the table's history; others begin with what is written from then on.
    """

    database: str
    table: str
    table_id: int
    name: str
    key_columns: tuple[str, ...]
    value_columns: tuple[str, ...] | None = None
    count: int = DEFAULT_COUNT
    ttl_seconds: int = DEFAULT_TTL_SECONDS
    node_spec: str = ALL_NODES
    cache_id: int = field(default=0, compare=False)
    created_ns: int = field(default=0, compare=False)

    @property
    def settings(self) -> LastCacheSettings:
        """What makes another cache as this one."""
        return LastCacheSettings(
            name=self.name,
            key_columns=self.key_columns,
            value_columns=self.value_columns,
            count=self.count,
            ttl_seconds=self.ttl_seconds,
            node_spec=self.node_spec,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctCacheDefinition:
    """A distinct-value cache: the combinations of values that columns had within ``max_age_seconds``.

    Of more than ``max_cardinality`` combinations the pruning lets the oldest go. ``cache_id``, ``created_ns``
    and ``node_spec`` are as in `LastCacheDefinition`.
    """

    database: str
    table: str
    table_id: int
    name: str
    columns: tuple[str, ...]
    max_cardinality: int = DEFAULT_MAX_CARDINALITY
    max_age_seconds: int = DEFAULT_MAX_AGE_SECONDS
    node_spec: str = ALL_NODES
    cache_id: int = field(default=0, compare=False)
    created_ns: int = field(default=0, compare=False)

    @property
    def settings(self) -> DistinctCacheSettings:
        """What makes another cache as this one."""
        return DistinctCacheSettings(
            name=self.name,
            columns=self.columns,
            max_cardinality=self.max_cardinality,
            max_age_seconds=self.max_age_seconds,
            node_spec=self.node_spec,
        )


CacheDefinition = LastCacheDefinition | DistinctCacheDefinition


def last_cache(
    database: str,
    table: str,
    table_id: int,
    schema: TableSchema,
    *,
    name: str | None = None,
    key_columns: Sequence[str] | None = None,
    value_columns: Sequence[str] | None = None,
    count: int = DEFAULT_COUNT,
    ttl_seconds: int = DEFAULT_TTL_SECONDS,
    node_spec: str = ALL_NODES,
    cache_id: int = 0,
    created_ns: int = 0,
) -> LastCacheDefinition:
    """Return the definition that a request asks for.

    ``key_columns`` None takes the table's tags, in series-key order; ``name`` None makes one of table and keys.

    Raises:
        InvalidInputError: a column does not exist, cannot be a key or is named twice, or a number is too small.

    Differs: the original takes a column that is named twice, or as key and value, and its queries then fail; and
    a time to live of 0 seconds, with which nothing is ever seen.
    """
    keys = schema.series_key if key_columns is None else tuple(key_columns)
    for column in keys:
        _check(schema.type_of(column), KEY_TYPES, column, "key column", _BAD_KEY)
    _refuse_repeated(keys, "key column")
    values = None if value_columns is None else tuple(value_columns)
    for column in values or ():
        if schema.type_of(column) is None:
            raise _invalid(f"invalid value column provided: {column}")
        if column in keys:
            raise _invalid(f"invalid value column provided: {column} is a key column")
    _refuse_repeated(values or (), "value column")
    _at_least_one(count, "last cache size must be greater than 0")
    _at_least_one(
        ttl_seconds, f"invalid ttl provided: {ttl_seconds!r}; expected whole seconds, at least 1"
    )
    return LastCacheDefinition(
        database=database,
        table=table,
        table_id=table_id,
        name=_name(name, f"{table}_{'_'.join(keys)}_last_cache"),
        key_columns=keys,
        value_columns=None if values is None else tuple(one for one in values if one != TIME),
        count=count,
        ttl_seconds=ttl_seconds,
        node_spec=parse_node_spec(node_spec),
        cache_id=cache_id,
        created_ns=created_ns,
    )


def distinct_cache(
    database: str,
    table: str,
    table_id: int,
    schema: TableSchema,
    *,
    columns: Sequence[str],
    name: str | None = None,
    max_cardinality: int = DEFAULT_MAX_CARDINALITY,
    max_age_seconds: int = DEFAULT_MAX_AGE_SECONDS,
    node_spec: str = ALL_NODES,
    cache_id: int = 0,
    created_ns: int = 0,
) -> DistinctCacheDefinition:
    """Return the definition that a request asks for; ``name`` None makes one of table and columns.

    Raises:
        InvalidInputError: there are no columns, one does not exist, is of another type or is named twice, or a
            number is too small.

    Differs: as in `last_cache`.
    """
    wanted = tuple(columns)
    if not wanted:
        raise _invalid("no columns provided when creating distinct cache")
    for column in wanted:
        _check(schema.type_of(column), DISTINCT_TYPES, column, "column", _BAD_DISTINCT)
    _refuse_repeated(wanted, "column")
    _at_least_one(max_cardinality, "invalid max cardinality provided: it must be greater than 0")
    _at_least_one(
        max_age_seconds,
        f"invalid max age provided: {max_age_seconds!r}; expected whole seconds, at least 1",
    )
    return DistinctCacheDefinition(
        database=database,
        table=table,
        table_id=table_id,
        name=_name(name, f"{table}_{'_'.join(wanted)}_distinct_cache"),
        columns=wanted,
        max_cardinality=max_cardinality,
        max_age_seconds=max_age_seconds,
        node_spec=parse_node_spec(node_spec),
        cache_id=cache_id,
        created_ns=created_ns,
    )


_BAD_KEY = "only uint64, int64, bool, tag, and string columns are supported in the last cache"
_BAD_DISTINCT = "only tag and string columns are supported in the distinct cache"


def _check(
    kind: ColumnType | None, allowed: frozenset[ColumnType], column: str, what: str, refusal: str
) -> None:
    if kind is None:
        raise _invalid(f"invalid {what} provided: {column}")
    if kind not in allowed:
        raise InvalidInputError(refusal)


def _refuse_repeated(columns: Sequence[str], what: str) -> None:
    for position, column in enumerate(columns):
        if column in columns[:position]:
            raise _invalid(f"invalid {what} provided: {column} is named twice")


def _at_least_one(number: object, refusal: str) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise InvalidInputError(refusal)


def _name(name: str | None, default: str) -> str:
    if name is None:
        return default
    if not isinstance(name, str) or not name:
        raise _invalid(f"invalid cache name provided: {name!r}; expected text that is not empty")
    return name


def _invalid(message: str) -> InvalidInputError:
    return InvalidInputError(f"invalid configuration provided: {message}")
