"""What do triggers see of the write-ahead log?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from procengine.file_system import LOCAL
from procengine.processing.trigger_places import TriggerPlaces
from procengine.processing.write_cursor import ReadContents, Watch
from procengine.wal.replayed_rows import ReplayedRows


def _beginning() -> int:
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogView:
    """The log as triggers see it.

    ``read`` gives the contents of a flush, ``end`` the number of the last one. ``reach_bytes`` is how far back the
    log can be read, None for as far as it is needed. ``replayed`` are the rows that it brought back at the start,
    ``places`` where triggers are in it, and were when the engine before ended.
    """

    read: ReadContents
    end: Callable[[], int] = _beginning
    reach_bytes: int | None = None
    replayed: ReplayedRows = field(default_factory=ReplayedRows)
    places: TriggerPlaces = field(default_factory=lambda: TriggerPlaces(None, file_system=LOCAL))

    def passed_over(self, trigger_id: int, watch: Watch) -> int:
        """Return how many rows that a trigger watches the engine before had written and not handed to it.

        Rows that another engine without plugins wrote in between count as far as they are still in the log.
        """
        place = self.places.found.get(trigger_id)
        if place is None:
            return 0
        return place.rows + self.replayed.count(watch.database_id, watch.table, place.noted)
