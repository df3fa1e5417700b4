"""How is any Python value shown: readable, bounded, and with nothing of it taken for markup?

Tables show their first rows. Of everything else the first parts are shown, laid out over lines: a value of a million
parts costs no more than one of a hundred.
"""

from __future__ import annotations

from itertools import islice
from pprint import pformat
from typing import Any

import pyarrow as pa

from procengine.model.counted import counted
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import soft
from procengine_jupyter.render.table_card import MOST_ROWS, table_html

MOST_PARTS = 100
"""Of a dictionary, list, tuple or set so many parts are shown."""

DEEPEST = 12
LONGEST_TEXT = 20_000
"""Characters of one text within a value; of all that is shown five times as many."""


def value_html(value: Any) -> Html:
    """Return a value as HTML.

    Raises: Exception, whatever the value's own methods raise.
    """
    table = _table(value)
    if table is not None:
        shape = f"{counted(len(value), 'row')}, {counted(table.num_columns, 'column')}"
        more = f", the first {MOST_ROWS} are shown" if len(value) > MOST_ROWS else ""
        return Html(table_html(table) + soft(shape + more))
    text = value_text(value)
    cut = len(text) - 5 * LONGEST_TEXT
    tail = f"\n… ({cut:,} more characters)" if cut > 0 else ""
    parts = [text[at : at + 1_000] for at in range(0, min(len(text), 5 * LONGEST_TEXT), 1_000)]
    return element("pre", *parts, tail)


def value_text(value: Any) -> str:
    """Return a value's text over as many lines as it needs, long parts cut."""
    return pformat(_trimmed(value, 0), width=100, sort_dicts=False)


class _Said:
    """Stands for what is not shown."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _trimmed(value: Any, depth: int) -> Any:
    """Return a value with no more than the first parts of anything in it; what has methods of its own stays."""
    kind = type(value)
    if kind is str or kind is bytes:
        if len(value) <= LONGEST_TEXT:
            return value
        return _Said(f"{value[:LONGEST_TEXT]!r}… ({len(value) - LONGEST_TEXT:,} more)")
    if kind not in {dict, list, tuple, set, frozenset} or not value:
        return value
    if depth == DEEPEST:
        return _Said(f"{kind.__name__} of {len(value):,}")
    hidden = len(value) - MOST_PARTS
    more = _Said(f"… {hidden:,} more")
    if kind is dict:
        shown = {key: _trimmed(one, depth + 1) for key, one in islice(value.items(), MOST_PARTS)}
        return shown | ({more: _Said("…")} if hidden > 0 else {})
    parts = [_trimmed(one, depth + 1) for one in islice(value, MOST_PARTS)]
    parts += [more] if hidden > 0 else []
    if kind in {set, frozenset}:
        if all(one is other for one, other in zip(value, parts, strict=False)) and hidden <= 0:
            return value
        return _Said(f"{kind.__name__} of {len(value):,}: {pformat(parts)[1:-1]}")
    return kind(parts)


def _table(value: Any) -> pa.Table | None:
    """Return the first rows of what hands out Arrow data with columns; None where it does not."""
    if not hasattr(value, "__arrow_c_stream__") or not hasattr(value, "columns"):
        return None
    first = value.head(MOST_ROWS) if hasattr(value, "head") else value.slice(0, MOST_ROWS)
    try:
        return pa.table(first)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return None  # columns of mixed objects, which its own text shows
