"""What does a write trigger's plugin receive as ``table_batches``?

A list of dictionaries ``{"table_name": str, "rows": [dict, ...]}``, tables in first-seen order. Inside they are
Arrow, and stay so until the plugin asks for ``rows``: a plugin that looks at the table's name, or takes
`TableBatch.to_arrow`, makes no dictionaries at all.

Each trigger's batches are its own: what one plugin changes, no other sees.

Source: influxdb3_py_api/src/py_conversion.rs.
Differs: rows stand in the order in which they were written; the original groups them by gen1 chunk, the chunks in
    no particular order.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Sequence, ValuesView
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from procengine.model.arrow_text import array_of
from procengine.model.column import TIME
from procengine.model.table_rows import TableRows
from procengine.processing.row_dicts import Rows, row_dicts

if TYPE_CHECKING:
    import pandas as pd

ROWS: Final = "rows"


def table_batches(rows: Iterable[TableRows]) -> list[TableBatch]:
    """Return one new batch a table, in the order in which the tables first occur."""
    by_table: dict[int, list[TableRows]] = {}
    for piece in rows:
        by_table.setdefault(piece.table_id, []).append(piece)
    return [TableBatch(pieces[0].table, pieces) for pieces in by_table.values()]


class RowsNotRead:
    """Stands for the rows until they are read.

    Code that reads a dictionary's memory, past its methods, finds this and fails, rather than finding no rows.
    """

    __slots__ = ()


class TableBatch(dict[str, Any]):
    """One table's rows: a real dictionary for plugins, whose rows are made when first asked for.

    ``batch["rows"]`` is a plain list of plain dictionaries: tags, then fields, in the order of the line, then
    ``time``; only what the line had. Tags and strings are str, integers int, floats float, booleans bool, the
    time int nanoseconds.
    """

    __slots__ = ("_pieces",)

    def __init__(self, table_name: str, pieces: Sequence[TableRows]) -> None:
        self._pieces = tuple(pieces)
        super().__init__(table_name=table_name, rows=RowsNotRead())

    @property
    def row_count(self) -> int:
        """The number of rows that were written, without making them."""
        return sum(piece.row_count for piece in self._pieces)

    def to_arrow(self) -> pa.Table:
        """Return the rows as they were written, without copying: its buffers are those of the table buffer.

        Columns are tags (``dictionary<int32, utf8>``), fields, and ``time`` (``timestamp[ns]``) last; where the
        writes of one flush had different columns, those that a write lacks are null.
        """
        tables = [pa.Table.from_batches([piece.batch]) for piece in self._pieces]
        if len(tables) == 1:
            return tables[0]
        joined = pa.concat_tables(tables, promote_options="default")
        names = [name for name in joined.column_names if name != TIME]
        return joined.select([*names, TIME])

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a new DataFrame, tags as categories."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def _read(self) -> None:
        """Make the rows, if that was not done before."""
        if isinstance(super().get(ROWS), RowsNotRead):
            super().__setitem__(ROWS, _rows(self._pieces))

    def __getitem__(self, key: str) -> Any:
        if key == ROWS:
            self._read()
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or the default; see `dict.get`."""
        if key == ROWS:
            self._read()
        return super().get(key, default)

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """Return a view of keys and values."""
        self._read()
        return super().items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """Return a view of the values."""
        self._read()
        return super().values()

    def __iter__(self) -> Iterator[str]:
        # ``dict(batch)`` and ``{**batch}`` copy memory unless a subclass has an iterator of its own.
        return super().__iter__()

    def pop(self, *args: Any) -> Any:
        """Remove a key and return its value; see `dict.pop`."""
        self._read()
        return super().pop(*args)

    def popitem(self) -> tuple[str, Any]:
        """Remove and return the last pair; see `dict.popitem`."""
        self._read()
        return super().popitem()

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return a value, setting it first where the key is missing; see `dict.setdefault`."""
        self._read()
        return super().setdefault(key, default)

    def copy(self) -> dict[str, Any]:
        """Return a plain dictionary with the same values."""
        self._read()
        return dict(super().items())

    def __eq__(self, other: object) -> bool:
        self._read()
        if isinstance(other, TableBatch):
            other._read()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __repr__(self) -> str:
        return repr(self.copy())

    def __reduce_ex__(self, protocol: Any) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        # Copied and pickled as what it stands for: a plain dictionary.
        return (dict, (self.copy(),))


def _rows(pieces: Sequence[TableRows]) -> Rows:
    if len(pieces) == 1:
        return _piece_rows(pieces[0])
    rows: Rows = []
    for piece in pieces:
        rows += _piece_rows(piece)
    return rows


def _piece_rows(piece: TableRows) -> Rows:
    if piece.shape_of_row is None:
        return _shape_rows(piece.batch, piece.shapes[0])
    rows: Rows = [{}] * piece.row_count
    for number, shape in enumerate(piece.shapes):
        positions = np.flatnonzero(piece.shape_of_row == number)
        part = piece.batch.take(array_of(positions))
        for position, row in zip(positions.tolist(), _shape_rows(part, shape), strict=True):
            rows[position] = row
    return rows


def _shape_rows(batch: pa.RecordBatch, shape: Sequence[str]) -> Rows:
    names = (*shape, TIME)
    return row_dicts(names, [batch.column(name) for name in names])
