"""What is a system table?

A table of the schema ``system`` whose rows are made when a query asks for them. Parts of the engine that have
something to show implement `SystemTable`; the executor is given them all.
"""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa


class SystemTable(Protocol):
    """One table of the schema ``system``."""

    @property
    def name(self) -> str:
        """The table's name, without the schema."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The columns, in the order in which ``SELECT *`` shows them."""
        ...

    @property
    def internal_only(self) -> bool:
        """Whether only queries against the database ``_internal`` see the table."""
        ...

    def rows(self, database: str) -> pa.Table:
        """Return the table's rows at this moment, of ``schema``, for a query against ``database``.

        Called while a statement is planned, on the querying thread; it must not query itself.
        """
        ...
