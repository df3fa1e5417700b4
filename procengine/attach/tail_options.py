"""How is a remote table followed, and how far is that?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from procengine.errors import InvalidInputError
from procengine.model.duration import SECOND

SHORTEST_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class TailOptions:
    """How often a server is asked for new rows, and what counts as new.

    ``every_seconds`` passes from the end of one look to the next. Rows that come late, by at most
    ``overlap_seconds`` of their own times, are found too. ``since_ns`` (nanoseconds UTC) is where it begins: now,
    unless said. ``page_rows`` is how many rows are asked for, held and written at a time.

    Raises: InvalidInputError: a value cannot be used.
    """

    every_seconds: float = 5.0
    overlap_seconds: float = 60.0
    since_ns: int | None = None
    page_rows: int = 5_000

    def __post_init__(self) -> None:
        if not self.every_seconds >= SHORTEST_SECONDS:
            raise InvalidInputError(
                f"a tail cannot look every {self.every_seconds:g} s; accepted: {SHORTEST_SECONDS:g} s or more"
            )
        if not self.overlap_seconds >= 0:
            raise InvalidInputError(
                f"the overlap of a tail cannot be {self.overlap_seconds:g} s; accepted: 0 s or more"
            )
        if self.page_rows < 1:
            raise InvalidInputError(
                f"a tail cannot take {self.page_rows} rows at a time; accepted: 1 or more"
            )

    @property
    def every_ns(self) -> int:
        """The pause, in nanoseconds."""
        return round(self.every_seconds * SECOND)

    @property
    def overlap_ns(self) -> int:
        """How late rows may be, in nanoseconds."""
        return round(self.overlap_seconds * SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class TailState:
    """How far a tail is.

    ``looks`` ended, well or not; ``rows`` were new and given to triggers; ``rejected`` were new and do not fit the
    table here, the newest because of ``rejection``. ``behind_ns`` is how long ago it last had all rows. ``failure``
    says why the newest look failed; None: it did not.
    """

    table: str
    paused: bool
    looks: int
    rows: int
    rejected: int
    rejection: str | None
    behind_ns: int
    failure: str | None
