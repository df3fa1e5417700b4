"""How does SQL see a database: which schemas, which tables?

Nothing is registered per write: DataFusion asks this catalog for names and tables while it plans a statement,
and the session answers from what the statement sees. The classes have the shape of DataFusion's
``CatalogProvider`` and ``SchemaProvider`` without deriving from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

CATALOG = "public"
DEFAULT_SCHEMA = "iox"
SYSTEM_SCHEMA = "system"


class LiveSchema:
    """One schema: names from ``names``, tables from ``table_of``; both are asked anew each time."""

    def __init__(self, names: Callable[[], list[str]], table_of: Callable[[str], Any]) -> None:
        self._names = names
        self._table_of = table_of

    @property
    def table_names(self) -> list[str]:
        """The tables' names; DataFusion wants a property that is a list."""
        return self._names()

    def table(self, name: str) -> Any:
        """Return a DataFusion table, or None."""
        return self._table_of(name)

    def table_exist(self, name: str) -> bool:
        """Tell whether there is such a table."""
        return name in self._names()


class LiveCatalog:
    """The catalog ``public`` with its schemas."""

    def __init__(self, schemas: Mapping[str, LiveSchema]) -> None:
        self._schemas = schemas

    def schema_names(self) -> set[str]:
        """Return the schemas' names; DataFusion adds ``information_schema``.

        Differs: DataFusion's binding takes them as a set whose order is another one each time, and so has
            ``information_schema``; InfluxDB 3 has one order, ``iox`` first.
        """
        return set(self._schemas)

    def schema(self, name: str) -> LiveSchema | None:
        """Return a schema, or None."""
        return self._schemas.get(name)
