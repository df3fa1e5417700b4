"""How do groups of the same shape, from several pieces of a body, become one?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from procengine.model.arrow_text import array_of
from procengine.model.column import Column, ColumnType
from procengine.model.line_group import LineGroup


def merge_groups(groups: Iterable[LineGroup]) -> tuple[LineGroup, ...]:
    """Return one group a shape, its lines in order, the groups ordered by their first lines.

    Line numbers count from the body's start; no two lines have the same.
    """
    alike: dict[tuple[str, tuple[Column, ...]], list[LineGroup]] = {}
    for group in groups:
        alike.setdefault((group.table, group.columns), []).append(group)
    merged = [same[0] if len(same) == 1 else _concatenate(same) for same in alike.values()]
    return tuple(sorted(merged, key=lambda group: int(group.line_numbers[0])))


def _concatenate(groups: Sequence[LineGroup]) -> LineGroup:
    first = groups[0]
    arrays = [
        _concatenate_tags(chunks) if column.type is ColumnType.TAG else pa.concat_arrays(chunks)
        for column, *chunks in zip(first.columns, *[group.arrays for group in groups], strict=True)
    ]
    times_ns = np.concatenate([group.times_ns for group in groups])
    line_numbers = np.concatenate([group.line_numbers for group in groups])
    if (np.diff(line_numbers) < 0).any():
        order = np.argsort(line_numbers)
        arrays = [array.take(array_of(order)) for array in arrays]
        times_ns, line_numbers = times_ns[order], line_numbers[order]
    return LineGroup(
        table=first.table,
        columns=first.columns,
        arrays=tuple(arrays),
        times_ns=times_ns,
        line_numbers=line_numbers,
    )


def _concatenate_tags(chunks: list[pa.DictionaryArray]) -> pa.DictionaryArray:
    """Return tags as one array with one dictionary."""
    unified = pa.chunked_array(chunks).unify_dictionaries().chunks
    indices = pa.concat_arrays([chunk.indices for chunk in unified])
    return pa.DictionaryArray.from_arrays(indices, unified[0].dictionary, safe=False)
