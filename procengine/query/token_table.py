"""What does ``system.tokens`` show?

Source: influxdb3_system_tables/src/tokens.rs (columns, types, order).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from procengine.catalog import Catalog

_TEXT: Final = pa.string_view()
_MILLISECONDS: Final = pa.timestamp("ms")

SHOWN_HASH_DIGITS: Final = 9
"""How much of a hash is shown: enough to tell tokens apart."""

ALL_PERMISSIONS: Final = "*:*:*"


class Tokens:
    """``system.tokens`` of ``_internal``: one row a token. Without authentication it has no column ``hash``."""

    name = "tokens"
    internal_only = True

    def __init__(self, catalog: Catalog, *, with_auth: bool) -> None:
        self._catalog = catalog
        columns = [
            pa.field("token_id", pa.uint64(), nullable=False),
            pa.field("name", _TEXT, nullable=False),
            *([pa.field("hash", _TEXT, nullable=False)] if with_auth else []),
            pa.field("created_at", _MILLISECONDS, nullable=False),
            pa.field("description", _TEXT),
            pa.field("created_by_token_id", pa.uint64()),
            pa.field("updated_at", _MILLISECONDS),
            pa.field("updated_by_token_id", pa.uint64()),
            pa.field("expiry", _MILLISECONDS),
            pa.field("permissions", _TEXT, nullable=False),
        ]
        self.schema = pa.schema(columns)

    def rows(self, database: str) -> pa.Table:  # noqa: ARG002
        """Return the tokens in the order of their creation."""
        rows = [
            {
                "token_id": token.token_id,
                "name": token.name,
                "hash": token.hash[:SHOWN_HASH_DIGITS],
                "created_at": token.created_ms,
                "updated_at": token.updated_ms,
                "expiry": token.expiry_ms,
                "permissions": ALL_PERMISSIONS,
            }
            for token in self._catalog.state.tokens.values()
        ]
        return pa.Table.from_pylist(rows, schema=self.schema)
