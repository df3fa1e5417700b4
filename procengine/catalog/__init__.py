"""What exists: databases, tables, columns, triggers, caches and tokens, and how that is kept on disk."""

from __future__ import annotations

from procengine.catalog.catalog import Catalog, Subscriber
from procengine.catalog.definitions import Database, HardDeletion, TableDefinition
from procengine.catalog.limits import Limits

__all__ = ["Catalog", "Database", "HardDeletion", "Limits", "Subscriber", "TableDefinition"]
