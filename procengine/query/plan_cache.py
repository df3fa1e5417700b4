"""What did plans of earlier texts ask of the tables?

A statement that runs again and again, with other parameters or at another time, is looked at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from procengine.query.scan_conditions import Condition

if TYPE_CHECKING:
    from procengine.catalog import Database, TableDefinition

KEPT_TEXTS = 512
"""How many texts are remembered; the least recently used goes first."""


@dataclass(frozen=True, slots=True)
class _Known:
    """Conditions, and the tables for which they were found: names may mean others when these change."""

    tables: Mapping[str, TableDefinition]
    conditions: Mapping[str, Condition]


class PlanCache:
    """Conditions by database and text. Any thread may ask."""

    def __init__(self) -> None:
        # Guards the order of use.
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[int, str], _Known] = OrderedDict()

    def get(self, database: Database, text: str) -> Mapping[str, Condition] | None:
        """Return the conditions of a text, None when they are not known for the tables that there are now."""
        with self._lock:
            known = self._known.get((database.id, text))
            if known is None or known.tables is not database.tables:
                return None
            self._known.move_to_end((database.id, text))
            return known.conditions

    def put(self, database: Database, text: str, conditions: Mapping[str, Condition]) -> None:
        """Remember the conditions of a text."""
        with self._lock:
            self._known[database.id, text] = _Known(database.tables, conditions)
            while len(self._known) > KEPT_TEXTS:
                self._known.popitem(last=False)
