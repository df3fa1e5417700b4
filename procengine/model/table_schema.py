"""What columns does a table have?

A schema is a value: adding columns makes another one. Columns never change type and never go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from procengine.model.column import TIME, Column, ColumnType

TIME_COLUMN = Column(TIME, ColumnType.TIME)


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table's columns in the order of their creation, the time column left out.

    ``series_key`` holds the tags in the order of their creation; tags may be added at any time
    and are appended to it.
    """

    columns: tuple[Column, ...] = ()
    arrow_schema: pa.Schema = field(init=False, repr=False, compare=False)
    """The schema of queries: all columns with the time, sorted by name.

    Source: influxdb3_catalog, TableDefinition (columns sorted by name).
    """
    _types: dict[str, ColumnType] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        types = {column.name: column.type for column in self.columns}
        object.__setattr__(self, "_types", types | {TIME: ColumnType.TIME})
        object.__setattr__(self, "arrow_schema", _arrow_schema(self.columns))

    @property
    def series_key(self) -> tuple[str, ...]:
        """The names of the tags, in series-key order."""
        return tuple(column.name for column in self.columns if column.type is ColumnType.TAG)

    @property
    def fields(self) -> tuple[Column, ...]:
        """The fields, in the order of their creation."""
        return tuple(column for column in self.columns if column.type.is_field)

    def type_of(self, name: str) -> ColumnType | None:
        """Return the type of a column (``time`` included), or None when there is none."""
        return self._types.get(name)

    def with_columns(self, added: Iterable[Column]) -> TableSchema:
        """Return the schema with columns appended."""
        return TableSchema((*self.columns, *added))


def _arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    ordered = sorted((*columns, TIME_COLUMN), key=lambda column: column.name)
    return pa.schema(
        [
            pa.field(column.name, column.type.arrow_type, nullable=column.name != TIME)
            for column in ordered
        ]
    )
