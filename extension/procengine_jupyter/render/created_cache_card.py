"""Which cache did a command create?

Made from the answer that the command line prints whole, be it this engine's or another server's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from procengine.model.counted import counted
from procengine.model.duration import SECOND, format_duration
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import card, code, part, soft
from procengine_jupyter.render.view import View

_BEGINNING: Final = "new cache created: "


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CreatedCacheCard(View):
    """The card of a cache that a command created; as text it is what the command printed."""

    kind: str
    name: str
    place: str
    facts: tuple[str, ...]
    query: str
    printed: str

    def html(self) -> Html:
        """Return the card as HTML."""
        answer = self.printed.removeprefix(_BEGINNING)
        return card(
            f"{self.kind} cache {self.name} created",
            element("div", " · ".join(self.facts), css="pe-part"),
            part("query", code(self.query)),
            element(
                "details",
                element("summary", soft("the command's answer")),
                element("pre", answer),
                css="pe-part",
            ),
            details=self.place,
            tone="good",
        )

    def plain(self) -> str:
        """Return what the command printed."""
        return self.printed


def created_cache_card(printed: str) -> CreatedCacheCard | None:
    """Return the card of what a command printed; None if that is not a cache that it created."""
    if not printed.startswith(_BEGINNING):
        return None
    try:
        batch = json.loads(printed.removeprefix(_BEGINNING))["catalog_batch"]["Database"]
        ((kind, cache),) = batch["ops"][0].items()
        return _KINDS[kind](batch["database_name"], cache, printed)
    except (ValueError, LookupError, TypeError):  # a server of another version
        return None


def _last(database: str, cache: Mapping[str, Any], printed: str) -> CreatedCacheCard:
    values = cache["value_columns"]
    columns = (
        "all other columns"
        if isinstance(values, str)
        else counted(len(values["explicit"]["columns"]), "value column")
    )
    return CreatedCacheCard(
        kind="last-value",
        name=cache["name"],
        place=f"{database}.{cache['table']}",
        facts=(
            counted(len(cache["key_columns"]), "key column"),
            columns,
            f"{counted(cache['count'], 'row')} a key",
            f"kept for {format_duration(cache['ttl'] * SECOND)}",
        ),
        query=f"SELECT * FROM last_cache('{cache['table']}', '{cache['name']}')",
        printed=printed,
    )


def _distinct(database: str, cache: Mapping[str, Any], printed: str) -> CreatedCacheCard:
    return CreatedCacheCard(
        kind="distinct-value",
        name=cache["cache_name"],
        place=f"{database}.{cache['table_name']}",
        facts=(
            counted(len(cache["column_ids"]), "column"),
            f"{cache['max_cardinality']:,} combinations at most",
            f"kept for {format_duration(cache['max_age_seconds'] * SECOND)}",
        ),
        query=f"SELECT * FROM distinct_cache('{cache['table_name']}', '{cache['cache_name']}')",
        printed=printed,
    )


_KINDS = {"CreateLastCache": _last, "CreateDistinctCache": _distinct}
