"""What does a last-value cache hold, as an inspector shows it: newest first, by key, with its ages?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from procengine.model.counted import counted
from procengine_jupyter.inspectors.cache_state import LAST
from procengine_jupyter.inspectors.contents import Contents, instants
from procengine_jupyter.inspectors.one_cache_state import EXPIRES, OneCacheState, free_name
from procengine_jupyter.inspectors.rows import Order
from procengine_jupyter.render.markup import Html
from procengine_jupyter.render.style import card
from procengine_jupyter.render.table_card import table_html

INSERTED = "inserted (UTC)"
TIME = "time"

Key = tuple[tuple[str, object], ...]


class LastCacheState(OneCacheState):
    """The rows of a last-value cache. To delete is to forget the rows of one key."""

    kind = LAST

    def delete(self, key: object) -> str:
        """Forget the rows of one key; its table's rows stay."""
        assert isinstance(key, tuple)
        gone = self._cache().delete(_asked(key))
        return f"deleted {counted(gone, 'row')} of {_said(key)}"

    def detail(self, key: object) -> Html | None:
        """Return all rows of a key, newest first, and when each was inserted and expires."""
        assert isinstance(key, tuple)
        rows = _with_ages(self._cache().history(_asked(key)))
        rows = rows.select(range(len(key), rows.num_columns))  # the key is the title
        return card(_said(key) or "no key columns", table_html(rows), details=counted(len(rows), "row"))

    def _look(self, cache: Any, held: Any) -> Contents:
        definition = cache.definition
        history = cache.history({})
        self._expires(history.columns[-1])
        rows = _with_ages(_without_views(history))
        *columns, inserted, expires = rows.column_names
        facts = [f"{definition.database}.{definition.table}", counted(held.row_count, "row")]
        if held.series_count != held.row_count:
            facts.append(counted(held.series_count, "key"))
        facts += [f"{name} {value}" for name, value in self.kind.bounds(definition).items()]
        facts += [f"{held.evicted_row_count:,} evicted", f"{held.size_bytes:,} bytes"]
        return Contents(
            title=f"{self.kind.title} {definition.name}",
            facts=facts,
            table=rows,
            keys=RowKeys(rows, definition.key_columns),
            hint="no row; the next write to its table brings some",
            until=(expires,),
            since=(inserted,),
            now_ns=self._engine.clock.now_ns,
            order=Order(column=TIME, descending=True) if TIME in columns else None,
        )


class RowKeys:
    """The keys of rows, made when they are asked for: of 1,000,000 rows few ever are.

    The rows of one key have one key: the chosen row is the first of them.
    """

    def __init__(self, rows: pa.Table, names: tuple[str, ...]) -> None:
        self._columns = [(name, rows.column(name)) for name in names]
        self._length: int = rows.num_rows

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> Key:
        return tuple((name, column[int(place)].as_py()) for name, column in self._columns)

    def index(self, key: Key) -> int:
        """Return the first row of a key.

        Raises: ValueError when there is none.
        """
        found = np.ones(self._length, np.bool_)
        for (_, column), (_, value) in zip(self._columns, key, strict=True):
            same = pc.is_null(column) if value is None else pc.fill_null(pc.equal(column, value), False)
            found &= same.to_numpy()
        places = np.flatnonzero(found)
        if not len(places):
            raise ValueError(f"no row of {key!r}")
        return int(places[0])


def _asked(key: Key) -> dict[str, frozenset[object]]:
    return {name: frozenset([value]) for name, value in key}


def _said(key: Key) -> str:
    return ", ".join(f"{name}={value}" for name, value in key)


def _with_ages(history: pa.Table) -> pa.Table:
    """Return a cache's history with the instants of its last two columns as they are shown, under free names."""
    names = history.column_names[:-2]
    ages = [instants(column) for column in history.columns[-2:]]
    names += [free_name(INSERTED, names), free_name(EXPIRES, names)]
    return pa.Table.from_arrays([*history.columns[:-2], *ages], names=names)


def _without_views(rows: pa.Table) -> pa.Table:
    """Return rows with plain text for text views, which pyarrow cannot choose rows of."""
    text = pa.string()
    fields = [one.with_type(text) if one.type == pa.string_view() else one for one in rows.schema]
    return rows.cast(pa.schema(fields))
