"""What does a query need to know of a last-value or distinct-value cache?

The caches implement these protocols; a query asks for nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from procengine.model.cache_definition import CacheDefinition


class CachedRows(Protocol):
    """One cache of a table. Any thread may read it."""

    @property
    def definition(self) -> CacheDefinition:
        """What the cache is of; its keys (of a distinct-value cache all columns) are what `read` finds rows by."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The columns that ``SELECT *`` shows, in their order; another object when they have changed."""
        ...

    def read(
        self,
        keys: Mapping[str, frozenset[object]] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return the rows at this moment whose key columns have one of the given values.

        With ``columns`` (at least one, in the order of `schema`), only those; of a distinct-value cache the
        combinations of these alone, each once.
        """
        ...


class CacheHolder(Protocol):
    """The caches of one kind."""

    def find(self, database: str, table: str, name: str | None) -> CachedRows | None:
        """Return a table's cache by its name; without a name, the table's only one."""
        ...


class NoCaches:
    """No caches at all."""

    def find(self, database: str, table: str, name: str | None) -> CachedRows | None:  # noqa: ARG002
        """Return None."""
        return None
