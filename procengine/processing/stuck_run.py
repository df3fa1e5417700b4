"""Which run goes on although it was cancelled?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.model.duration import MILLISECOND, format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckRun:
    """A run that did not end when it was cancelled, as it was at one moment.

    ``running_ns`` is how long it goes on, in nanoseconds, ``place`` where its thread stands.
    """

    database: str
    trigger: str
    plugin_filename: str
    thread: str
    running_ns: int
    place: str

    @property
    def where(self) -> str:
        """The thread, since when it runs, and where it stands."""
        since = format_duration(self.running_ns // MILLISECOND * MILLISECOND)
        return f"{self.thread}, for {since} so far, {self.place}"

    def __str__(self) -> str:
        """Return it as a reader wants it."""
        return f"trigger {self.trigger} of {self.database} ({self.plugin_filename}) in {self.where}"
