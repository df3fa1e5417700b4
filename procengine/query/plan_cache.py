"""What did plans of earlier texts tell?

A statement that runs again and again, with other parameters or at another time, is looked at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from procengine.query.cache_choice import CacheChoice
from procengine.query.called_caches import WantedCall
from procengine.query.row_choice import RowChoice
from procengine.query.scan_conditions import Condition

if TYPE_CHECKING:
    from procengine.catalog import Database, TableDefinition

Choice = RowChoice | CacheChoice
"""What a text that does no more chooses."""

KEPT_TEXTS = 512
"""How many texts are remembered; the least recently used goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownText:
    """What is known of a text, whatever its parameters will be.

    ``replaced`` is the text with DataFusion's functions only. Once a plan was ``looked`` at, ``conditions`` is what
    that asks of each table's rows, None where it cannot be made without parameters. ``unread`` are tables that the
    text mentions and the plan does not scan. ``calls`` is what it asks of the caches that the text calls, in the
    order of the calls. ``choice`` is there when the text only chooses rows.
    """

    replaced: str
    looked: bool = False
    conditions: Mapping[str, Condition] | None = None
    unread: frozenset[str] = frozenset()
    calls: tuple[WantedCall, ...] = ()
    choice: Choice | None = None


class PlanCache:
    """What is known of texts, by database. Any thread may ask."""

    def __init__(self) -> None:
        # Guards the order of use.
        self._lock = threading.Lock()
        # With the tables for which it was found: names may mean others when these change.
        self._known: OrderedDict[tuple[int, str], tuple[Mapping[str, TableDefinition], KnownText]] = (
            OrderedDict()
        )

    def get(self, database: Database, text: str) -> KnownText | None:
        """Return what is known of a text for the tables that there are now."""
        with self._lock:
            found = self._known.get((database.id, text))
            if found is None or found[0] is not database.tables:
                return None
            self._known.move_to_end((database.id, text))
            return found[1]

    def put(self, database: Database, text: str, known: KnownText) -> None:
        """Remember what is known of a text."""
        with self._lock:
            self._known[database.id, text] = (database.tables, known)
            while len(self._known) > KEPT_TEXTS:
                self._known.popitem(last=False)
