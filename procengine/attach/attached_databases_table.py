"""Which databases are attached?

``system.attached_databases`` of ``_internal``, a table that the original does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from procengine.attach.attachment import Attachment

_TEXT: Final = pa.string_view()


class AttachedDatabases:
    """One row an attached database. ``attached`` returns them."""

    name = "attached_databases"
    internal_only = True
    schema = pa.schema(
        [
            pa.field("database_name", _TEXT, nullable=False),
            pa.field("url", _TEXT, nullable=False),
            pa.field("remote_database_name", _TEXT, nullable=False),
            pa.field("read_only", pa.bool_(), nullable=False),
            pa.field("queries", pa.uint64(), nullable=False),
            pa.field("failed_queries", pa.uint64(), nullable=False),
            pa.field("last_failure", _TEXT),
            pa.field("tailed_tables", _TEXT, nullable=False),
        ]
    )

    def __init__(self, attached: Callable[[], Sequence[Attachment]]) -> None:
        self._attached = attached

    def rows(self, database: str) -> pa.Table:  # noqa: ARG002
        """Return the attached databases in the order in which they were attached."""
        rows = [
            {
                "database_name": one.name,
                "url": one.url,
                "remote_database_name": one.database,
                "read_only": one.read_only,
                "queries": one.queries,
                "failed_queries": one.failed_queries,
                "last_failure": one.last_failure,
                "tailed_tables": ", ".join(tail.table for tail in one.tails),
            }
            for one in self._attached()
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)
