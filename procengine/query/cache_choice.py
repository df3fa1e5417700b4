"""Which statements only choose rows of a cache, so that reading it has answered them?

As with a table (`row_choice`): ``SELECT temp FROM last_cache('home') WHERE room = $room`` is planned once, and when
it runs again the cache's own index finds the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from procengine.query.called_caches import WantedCall
from procengine.query.row_choice import ChosenRows, PlainScan, keeps_parameters
from procengine.query.scan_conditions import Parameters

if TYPE_CHECKING:
    from procengine.query.statement import Statement


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CacheChoice:
    """A statement that chooses rows of a cache.

    ``columns`` are the cache's, in the order of ``schema``, which is the result's.
    """

    wanted: WantedCall
    columns: tuple[str, ...]
    schema: pa.Schema

    def of(self, statement: Statement, parameters: Parameters) -> ChosenRows | None:
        """Return the rows of this moment; None where DataFusion has to find them.

        It has to when a parameter's value is not plain, and when the cache got columns.

        Raises:
            QueryError: the cache is no more.
        """
        rows = statement.calls.exact_rows(self.wanted, parameters)
        return None if rows is None else ChosenRows.of(rows.to_batches(), self.columns, self.schema)


def read_cache_choice(text: str, scan: PlainScan, calls: Sequence[WantedCall]) -> CacheChoice | None:
    """Return what a statement chooses of the only cache that it calls, None when it does more."""
    if len(calls) != 1 or calls[0].name != scan.table or calls[0].rows is None:
        return None
    if not keeps_parameters(text, calls[0].rows.condition):
        return None
    return CacheChoice(wanted=calls[0], columns=scan.columns, schema=scan.schema)
