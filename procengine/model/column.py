"""What is a column, and which types can it have?

Names and Arrow types are the original's.

Source: core/schema/src/lib.rs, InfluxColumnType.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa

TIME = "time"


class ColumnType(Enum):
    """The seven column types of a table."""

    TAG = "tag"
    """Part of the series key; ``dictionary<int32, utf8>``."""
    STRING = "string"
    """A field; ``utf8``."""
    INTEGER = "integer"
    """A field; ``int64``."""
    UINTEGER = "uinteger"
    """A field; ``uint64``."""
    FLOAT = "float"
    """A field; ``float64``."""
    BOOLEAN = "boolean"
    """A field; ``bool``."""
    TIME = "time"
    """The timestamp, always present; ``timestamp[ns]`` without zone."""

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type that carries this column in buffers, files and results."""
        return _ARROW_TYPES[self]

    @property
    def iox_name(self) -> str:
        """The type's name in the original's error texts and Arrow metadata."""
        return _IOX_NAMES[self]

    @property
    def is_field(self) -> bool:
        """Whether the column is neither a tag nor the time."""
        return self not in (ColumnType.TAG, ColumnType.TIME)


_ARROW_TYPES = {
    ColumnType.TAG: pa.dictionary(pa.int32(), pa.utf8()),
    ColumnType.STRING: pa.utf8(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.UINTEGER: pa.uint64(),
    ColumnType.FLOAT: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIME: pa.timestamp("ns"),
}

_IOX_NAMES = {
    ColumnType.TAG: "iox::column_type::tag",
    ColumnType.TIME: "iox::column_type::timestamp",
} | {
    kind: f"iox::column_type::field::{kind.value}"
    for kind in (
        ColumnType.STRING,
        ColumnType.INTEGER,
        ColumnType.UINTEGER,
        ColumnType.FLOAT,
        ColumnType.BOOLEAN,
    )
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name and type."""

    name: str
    type: ColumnType


FIELD_TYPES: Mapping[str, ColumnType] = {
    "utf8": ColumnType.STRING,
    "int64": ColumnType.INTEGER,
    "uint64": ColumnType.UINTEGER,
    "float64": ColumnType.FLOAT,
    "bool": ColumnType.BOOLEAN,
}
"""What the API and the command line call the types of fields."""

FIELD_TYPE_NAMES: Mapping[ColumnType, str] = {kind: name for name, kind in FIELD_TYPES.items()}
