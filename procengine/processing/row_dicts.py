"""How do Arrow columns become dictionaries, one a row, quickly?

Column by column into Python lists, then row by row with a dictionary display that is generated for the names:
``[{'host': v0, 'time': v1} for v0, v1 in zip(...)]`` is what a plugin's author would write by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Rows = list[dict[str, Any]]

FEW_ROWS: Final = 8
"""Up to how many values are taken one by one: pyarrow imports pandas for the first column that becomes numpy's."""


def row_dicts(names: Sequence[str], arrays: Sequence[pa.Array]) -> Rows:
    """Return one new dictionary a row, keys in the order of the names; nulls are None.

    At least one array is needed; all have the same length.
    """
    return _display(tuple(names))(*(python_values(array) for array in arrays))


def python_values(array: pa.Array) -> list[Any]:
    """Return the values of a column: str, int, float, bool, None; timestamps as int nanoseconds.

    ``array`` is of one of the types of a table's columns (`procengine.model.column.ColumnType`).
    """
    kind = array.type
    if len(array) == 1:  # as of a trigger that is called for each row: a third of the cost of a column
        cell = array[0]
        return [cell.value if pa.types.is_timestamp(kind) else cell.as_py()]
    if len(array) <= FEW_ROWS:
        few: list[Any] = (array.view(pa.int64()) if pa.types.is_timestamp(kind) else array).to_pylist()
        return few
    if pa.types.is_dictionary(kind):
        return _dictionary_values(array)
    if pa.types.is_timestamp(kind):
        array = array.view(pa.int64())
    if array.null_count:
        return _nullable_values(array)
    values: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
    return values


def _dictionary_values(array: pa.DictionaryArray) -> list[Any]:
    words = np.empty(len(array.dictionary) + 1, dtype=object)
    words[:-1] = python_values(array.dictionary)
    words[-1] = None
    indices = array.indices
    if indices.null_count:
        indices = indices.fill_null(-1)
    values: list[Any] = words[indices.to_numpy(zero_copy_only=False)].tolist()
    return values


def _nullable_values(array: pa.Array) -> list[Any]:
    if pa.types.is_string(array.type):
        texts: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
        return texts
    filled = pc.fill_null(array, False if pa.types.is_boolean(array.type) else 0)
    values: list[Any] = filled.to_numpy(zero_copy_only=False).tolist()
    for row in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist():
        values[row] = None
    return values


@lru_cache(maxsize=512)
def _display(names: tuple[str, ...]) -> Callable[..., Rows]:
    """Compile the function that makes the dictionaries; the cache is of a pure function of the names."""
    columns = ", ".join(f"c{number}" for number in range(len(names)))
    values = ", ".join(f"v{number}" for number in range(len(names)))
    pairs = ", ".join(f"{name!r}: v{number}" for number, name in enumerate(names))
    target = values if len(names) > 1 else f"({values},)"
    # Names are quoted by ``repr``, so none can be read as code.
    source = f"lambda {columns}: [{{{pairs}}} for {target} in zip({columns})]"
    function: Callable[..., Rows] = eval(source, {"zip": zip})
    return function
