"""What do the readers of line protocol, DataFrames and Arrow tables hand to validation?

Lines with the same table, the same columns in the same order and the same types form a group:
validation then decides once a group, not once a line, and a uniform body is one group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from procengine.errors import LineError
from procengine.model.column import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class LineGroup:
    """Lines of one table that have the same columns, in the same order, of the same types.

    ``columns`` are the line's tags, then its fields, in the line's own order, without the time;
    ``arrays`` has one Arrow array a column, of the column type's Arrow type.
    A line read from text has no nulls. One read from a DataFrame or Arrow table has none either:
    a row's null cells are columns that the row does not have, so they put it into another group.
    ``times_ns`` is int64, nanoseconds UTC. ``line_numbers`` is int64: the physical line, counted
    from 1, at which each line starts (for tables: the row, counted from 1); strictly increasing.
    """

    table: str
    columns: tuple[Column, ...]
    arrays: tuple[pa.Array, ...]
    times_ns: npt.NDArray[np.int64]
    line_numbers: npt.NDArray[np.int64]

    @property
    def row_count(self) -> int:
        """The number of lines."""
        return len(self.times_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedLines:
    """One body, read: its good lines as groups, its bad ones as errors.

    ``groups`` are ordered by their first line, ``errors`` by line number. Two groups may interleave.
    ``original_line`` returns the text of the line that starts at a line number.
    """

    groups: tuple[LineGroup, ...]
    errors: tuple[LineError, ...]
    original_line: Callable[[int], str]

    @property
    def row_count(self) -> int:
        """The number of good lines."""
        return sum(group.row_count for group in self.groups)
