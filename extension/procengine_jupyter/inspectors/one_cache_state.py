"""What does an inspector of one cache always do, whichever kind it is of?"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from procengine.errors import CacheNotFoundError
from procengine_jupyter.inspectors.actions import Action
from procengine_jupyter.inspectors.cache_forms import query_action
from procengine_jupyter.inspectors.cache_state import CacheKind, CachePlace
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.inspectors.pace import Pace

if TYPE_CHECKING:
    from procengine.engine import Engine

EXPIRES = "expires (UTC)"


class OneCacheState(Inspected):
    """The rows of one cache, which is found anew each time: another one may have taken its name."""

    kind: CacheKind
    deletes = "delete key"

    def __init__(self, engine: Engine, place: CachePlace) -> None:
        self._engine = engine
        self._place = place
        self._pace = Pace(engine.clock.now_ns)
        self._told: object = None
        self._first_expiry_ns: int | None = None
        self._expired_count = 0

    def version(self) -> object:
        """Return what moves when the rows become others or one expires; of many rows more seldom."""
        cache = self._cache()
        if self._pace.is_due:
            first = self._first_expiry_ns
            if first is not None and self._engine.clock.now_ns() >= first:
                self._first_expiry_ns = None
                self._expired_count += 1
            self._told = cache.definition.cache_id, cache.change_count, self._expired_count
        return self._told

    def contents(self) -> Contents:
        """Return the cache's rows."""
        cache = self._cache()
        self._pace.begin()
        held = cache.statistics()
        contents = self._look(cache, held)
        self._pace.end(held.row_count)
        return contents

    def actions(self, key: object) -> Sequence[Action]:  # noqa: ARG002
        """Return what can be done to the cache."""
        return [query_action(self._cache().definition, self.kind.name)]

    @abstractmethod
    def _look(self, cache: Any, held: Any) -> Contents:
        """Return the rows of the cache; ``held`` is its statistics."""

    def _expires(self, expires: pa.ChunkedArray) -> None:
        """Note when the first of the rows expires."""
        instants = instants_ns(expires)
        self._first_expiry_ns = int(instants.min()) if len(instants) else None

    def _cache(self) -> Any:
        cache = self.kind.holder(self._engine).find(*self._place)
        if cache is None:
            raise CacheNotFoundError(self._place[2])
        return cache


def instants_ns(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return the instants of a column without nulls."""
    found: npt.NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    return found


def free_name(name: str, taken: Sequence[str]) -> str:
    """Return a name for a column that no other column has."""
    while name in taken:
        name += "′"
    return name
