"""How often may something be looked at that takes long to look at?

Inspectors look on the kernel's main thread, where cells run as well: a look that took a tenth of a second is not
repeated before two seconds have passed. Few rows are looked at every second, however busy the machine.
"""

from __future__ import annotations

from collections.abc import Callable

REST = 20
"""How many times as long as a look took the next one is put off."""

FEW_ROWS = 20_000


class Pace:
    """Tells when the next look is due. ``now_ns`` returns the time."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._began_ns = 0
        self._due_ns: int | None = None

    @property
    def is_due(self) -> bool:
        """Whether the last look was long enough ago."""
        return self._due_ns is None or self._now_ns() >= self._due_ns

    def begin(self) -> None:
        """Note that a look begins."""
        self._began_ns = self._now_ns()

    def end(self, rows: int) -> None:
        """Note that the look has ended, which was at so many rows."""
        now_ns = self._now_ns()
        rest_ns = REST * max(0, now_ns - self._began_ns)
        self._due_ns = None if rows <= FEW_ROWS else now_ns + rest_ns
