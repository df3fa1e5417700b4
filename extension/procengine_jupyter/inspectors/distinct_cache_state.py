"""Which values has a distinct-value cache seen, as a tree that an inspector opens node by node?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from procengine.clock import NANOSECONDS_PER_SECOND
from procengine.model.cache_definition import DistinctCacheDefinition
from procengine.model.counted import counted
from procengine_jupyter.inspectors.cache_state import DISTINCT
from procengine_jupyter.inspectors.contents import Contents, instants
from procengine_jupyter.inspectors.one_cache_state import EXPIRES, OneCacheState, instants_ns
from procengine_jupyter.inspectors.text_search import matching
from procengine_jupyter.inspectors.value_tree import Nodes, Path, ValueTree
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.phrases import instant

LAST_SEEN = "last seen (UTC)"
MOST_OPENED = 200
"""Where a filter finds no more combinations than this, they are shown with all that leads to them."""

FULL, NEARLY = 1.0, 0.8


class DistinctCacheState(OneCacheState):
    """The values of a distinct-value cache, one level a column. To delete is to forget all beneath a node.

    Nodes are closed to begin with, but for the only one of a level; ``turned`` are those that the reader turned.
    """

    kind = DISTINCT
    deletes = "delete values"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._text = ""
        self._turned: set[Path] = set()

    def look_for(self, text: str) -> None:
        """Show the combinations that have a text, from now on."""
        if text != self._text:
            self._text = text
            self._turned.clear()

    def toggle(self, key: object) -> None:
        """Open or close a node."""
        assert isinstance(key, tuple)
        self._turned ^= {key}

    def delete(self, key: object) -> str:
        """Forget the combinations beneath a node; its table's rows stay."""
        assert isinstance(key, tuple)
        cache = self._cache()
        named = dict(zip(cache.definition.columns, key, strict=False))
        gone = cache.delete({name: frozenset([value]) for name, value in named.items()})
        said = ", ".join(f"{name}={value}" for name, value in named.items())
        return f"deleted {counted(gone, 'combination')} of {said}"

    def _look(self, cache: Any, held: Any) -> Contents:
        definition = cache.definition
        rows = cache.last_seen()
        levels, (last_seen, expires) = rows.columns[:-2], rows.columns[-2:]
        self._expires(expires)
        found = matching(levels, self._text, len(rows)) if self._text else None
        tree = ValueTree(levels, found)
        nodes = tree.nodes(self._turned, opened=found is not None and len(tree) <= MOST_OPENED)
        seen_ns, until_ns = (
            instants_ns(one) if found is None else instants_ns(one)[found]
            for one in (last_seen, expires)
        )
        facts = [f"{definition.database}.{definition.table}"]
        facts.append(
            counted(len(rows), "combination")
            if found is None
            else f"{len(tree):,} of {len(rows):,} combinations have {self._text!r}"
        )
        facts += [f"{name} {value}" for name, value in self.kind.bounds(definition).items()]
        facts += [f"{held.pruned_count:,} pruned", f"{held.size_bytes:,} bytes"]
        return Contents(
            title=f"{self.kind.title} {definition.name}",
            facts=facts,
            table=_table(tree, nodes, definition.columns, seen_ns, until_ns),
            keys=NodeKeys(tree, nodes),
            hint="" if len(rows) else self._why_empty(definition),
            picture=_meter(len(rows), definition.max_cardinality, self._first_expiry_ns),
            until=(EXPIRES,),
            since=(LAST_SEEN,),
            now_ns=self._engine.clock.now_ns,
            tree=_heading(definition.columns),
        )

    def _why_empty(self, definition: DistinctCacheDefinition) -> str:
        """Return why there is no value: what the table has is older than the cache keeps, or there is nothing."""
        view = self._engine.write_buffer.view(definition.table_id)
        times_ns = [one.max_time_ns for one in view.files] + [one.max_time_ns for one in view.rows]
        newest_ns = max(times_ns, default=None)
        age_ns = definition.max_age_seconds * NANOSECONDS_PER_SECOND
        if newest_ns is None or newest_ns > self._engine.clock.now_ns() - age_ns:
            return "no value; the next write to its table brings some"
        return (
            f"no value: the newest row of {definition.table} is of {instant(newest_ns)}, older than the max age of "
            f"{self.kind.bounds(definition)['max age']}; a cache of a longer --max-age has what is older"
        )


class NodeKeys:
    """The paths of shown nodes, made when they are asked for."""

    def __init__(self, tree: ValueTree, nodes: Nodes) -> None:
        self._tree = tree
        self._nodes = nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def __getitem__(self, place: int) -> Path:
        return self._tree.path(self._nodes, place)

    def index(self, key: Path) -> int:
        """Return the place of a path.

        Raises: ValueError when its node is not shown.
        """
        return self._tree.place(self._nodes, key)


def _heading(columns: tuple[str, ...]) -> str:
    return " / ".join(columns)


def _table(
    tree: ValueTree,
    nodes: Nodes,
    columns: tuple[str, ...],
    seen_ns: np.ndarray[Any, Any],
    until_ns: np.ndarray[Any, Any],
) -> pa.Table:
    return pa.table(
        {
            _heading(columns): tree.labels(nodes),
            "combinations": pa.array(nodes.ends - nodes.starts),
            LAST_SEEN: instants(pa.array(tree.newest(nodes, seen_ns))),
            EXPIRES: instants(pa.array(tree.newest(nodes, until_ns))),
        }
    )


def _meter(held: int, most: int, first_expiry_ns: int | None) -> Html:
    """Return a bar of how many combinations there are of those that may be."""
    share = min(1.0, held / most)
    tone = "bad" if share >= FULL else "warn" if share >= NEARLY else "good"
    fill = element("div", "", style=f"width:{100 * share:.3g}%;height:100%;background:var(--pe-{tone})")
    frame = "width:200px;height:8px;border:1px solid var(--pe-line);border-radius:2px"
    said = f"{held:,} of at most {most:,} combinations"
    if first_expiry_ns is not None:
        said += f"; the oldest is forgotten at {instant(first_expiry_ns)}"
    return element(
        "div",
        element("div", fill, style=frame, role="img"),
        element("span", said, css="pe-soft"),
        css="pe-card",
        style="display:flex;gap:8px;align-items:center;border:none;padding:2px 0",
    )
