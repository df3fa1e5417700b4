"""Which rows do a DataFrame or an Arrow table hold, as if they had been lines?

A row's null cells are columns that it does not have, so rows are grouped by which cells are null. A row
without any field, or with a text longer than line protocol takes, is an error of its own.

Source: none; the original's HTTP API takes line protocol only, and its clients convert.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from procengine.errors import InvalidInputError, LineError
from procengine.model.column import TIME, ColumnType
from procengine.model.line_group import LineGroup, ParsedLines
from procengine.model.line_protocol.grammar import STRING_LIMIT_BYTES
from procengine.model.precision import Precision
from procengine.write.tabular_columns import Times, TypedColumn, arrow_table, row_times, typed_columns

if TYPE_CHECKING:
    import pandas as pd

Rows = npt.NDArray[np.int64]
_COLUMNS_PER_CODE = 31


def read_table(
    data: pa.Table | pa.RecordBatch | pd.DataFrame | object,
    *,
    table: str,
    tags: Sequence[str] = (),
    time_column: str = "time",
    precision: Precision = Precision.AUTO,
    default_time_ns: int,
    time_required: bool = False,
) -> ParsedLines:
    """Read a pandas DataFrame, or anything that is or exports an Arrow table, into rows of one table.

    ``tags`` are columns of strings; all others are fields. The time is the column ``time_column``, or else a
    DataFrame's DatetimeIndex: timestamps without zone are UTC, integers count in ``precision``. Null cells, and
    NaN in a pandas column, are columns that the row does not have; so is an empty tag. A row without a
    time has ``default_time_ns`` (nanoseconds UTC, truncated to an explicit precision).
    With ``time_required``, several rows without any time are refused: they would replace each other.
    A line number is the row's, counted from 1. Callable from any thread.

    Raises:
        InvalidInputError: a column's type is not accepted, a tag or the time is missing, or a name occurs twice.
    """
    source = arrow_table(data, time_column)
    if time_required and source.num_rows > 1 and time_column not in source.column_names:
        raise InvalidInputError(
            f"no column {time_column!r}: the {source.num_rows} rows would all get the time of the write, and rows "
            f"of the same tags replace each other; add a column {time_column!r}, or name the column of the times "
            f"(time_column=...; columns: {', '.join(source.column_names)})"
        )
    if time_column != TIME and time_column not in source.column_names:
        raise InvalidInputError(
            f"no column {time_column!r} with the times; columns: {', '.join(source.column_names)}"
        )
    columns = typed_columns(source, tags, time_column)
    times = row_times(source, time_column, precision, default_time_ns)
    refused = {**_rows_without_fields(columns, source.num_rows), **times.refused, **_too_long(columns)}
    lines = _Rows(source)
    return ParsedLines(
        groups=tuple(_groups(table, columns, times, np.array(sorted(refused), dtype=np.int64))),
        errors=tuple(
            LineError(message=refused[row], line_number=row + 1, original_line=lines(row + 1))
            for row in sorted(refused)
        ),
        original_line=lines,
    )


class _Rows:
    """The text of a row for error messages: its cells that are not null, timestamps as integers."""

    __slots__ = ("_table",)

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __call__(self, line_number: int) -> str:
        if not 1 <= line_number <= self._table.num_rows:
            raise IndexError(f"the table has no row {line_number}")
        row = {name: self._table.column(name)[line_number - 1] for name in self._table.column_names}
        return ",".join(f"{name}={_shown(cell)}" for name, cell in row.items() if cell.is_valid)


def _shown(cell: pa.Scalar) -> str:
    """Return a cell as text; a Python datetime could not hold every timestamp."""
    return str(cell.value) if pa.types.is_timestamp(cell.type) else repr(cell.as_py())


def _rows_without_fields(columns: Sequence[TypedColumn], row_count: int) -> dict[int, str]:
    without = np.ones(row_count, dtype=np.bool_)
    for typed in columns:
        if typed.column.type.is_field:
            without &= _is_null(typed.cells)
    message = (
        "No fields were provided; expected a value in at least one column that is neither tag nor time"
    )
    return dict.fromkeys(np.flatnonzero(without).tolist(), message)


def _too_long(columns: Sequence[TypedColumn]) -> dict[int, str]:
    refused = {}
    for typed in columns:
        if typed.column.type in (ColumnType.TAG, ColumnType.STRING):
            too_long = pc.greater(pc.binary_length(typed.cells), STRING_LIMIT_BYTES)
            for row in pc.indices_nonzero(pc.fill_null(too_long, False)).to_pylist():
                refused[row] = f"String is greater than 1MB; it is in column '{typed.column.name}'"
    return refused


def _is_null(cells: pa.Array) -> npt.NDArray[np.bool_]:
    if cells.null_count == 0:
        return np.zeros(len(cells), dtype=np.bool_)
    nulls: npt.NDArray[np.bool_] = cells.is_null().to_numpy(zero_copy_only=False)
    return nulls


def _groups(
    table: str, columns: Sequence[TypedColumn], times: Times, refused: Rows
) -> Iterator[LineGroup]:
    """Yield the good rows in groups of the same null cells, in the order of their first rows."""
    every_row = np.arange(len(times.times_ns), dtype=np.int64)
    good = np.delete(every_row, refused) if len(refused) else every_row
    for rows in _same_nulls(columns, good):
        present = [typed for typed in columns if typed.cells[int(rows[0])].is_valid]
        yield LineGroup(
            table=table,
            columns=tuple([typed.column for typed in present]),
            arrays=tuple([_taken(typed, rows, len(every_row)) for typed in present]),
            times_ns=times.times_ns[rows],
            line_numbers=rows + 1,
        )


def _same_nulls(columns: Sequence[TypedColumn], rows: Rows) -> list[Rows]:
    """Split rows into those with the same null cells, ordered by first row; rows ascend in each."""
    sparse = [typed.cells for typed in columns if typed.cells.null_count]
    if not len(rows):
        return []
    if not sparse:
        return [rows]
    codes = np.zeros(len(rows), dtype=np.int64)
    for start in range(0, len(sparse), _COLUMNS_PER_CODE):
        for cells in sparse[start : start + _COLUMNS_PER_CODE]:
            codes <<= 1
            codes |= _is_null(cells)[rows]
        codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    order = np.argsort(codes, kind="stable")
    patterns = np.split(rows[order], np.flatnonzero(np.diff(codes[order])) + 1)
    return sorted(patterns, key=lambda pattern: int(pattern[0]))


def _taken(typed: TypedColumn, rows: Rows, row_count: int) -> pa.Array:
    """Return a column's cells of some rows, of the column type's Arrow type."""
    cells = typed.cells if len(rows) == row_count else typed.cells.take(pa.array(rows))
    return cells.dictionary_encode() if typed.column.type is ColumnType.TAG else cells
