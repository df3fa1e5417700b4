"""What exists: databases, tables, columns, triggers, caches and tokens, kept durably.

Each kind of definition has a file of its own; all of them change by commits of one state (`committed_state`).
"""

from __future__ import annotations

from procengine.catalog.committed_state import Subscriber
from procengine.catalog.stored_caches import StoredCaches
from procengine.catalog.stored_databases import StoredDatabases
from procengine.catalog.stored_pins import StoredPins
from procengine.catalog.stored_tokens import StoredTokens
from procengine.catalog.stored_triggers import StoredTriggers

__all__ = ["Catalog", "Subscriber"]


class Catalog(StoredDatabases, StoredTriggers, StoredCaches, StoredTokens, StoredPins):
    """The definitions of one engine. ``folder`` None keeps them in memory only.

    All methods may be called from any thread. Those that change something commit once, raise
    `StorageError` when the disk refuses (nothing is changed then), and `StoppedError` when the catalog is
    not started. ``node_id`` None takes the one of the first start.
    """
