"""What does a restart find after each prefix of a journal, and what of it may not be?"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from procengine.errors import ProcengineError
from tests.crash.disk import Call, Crash, Disk, Image, digest
from tests.crash.recording_disk import RecordingDisk, write_image
from tests.crash.story import DATA, Expectation, State, restarted_state

SYNCS = ("sync", "sync_folder")

TOLD = ("HistoryFiles", "TriggerPlaces", "PluginVersions")
"""What is told and not relied upon, by a thread that has time; it has tests of its own."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with the state that a restart finds after so many entries."""

    entries: int
    crash: Crash
    text: str


class Restarts:
    """Starts engines on images of a disk. What one finds is remembered: it depends on the image alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._known: dict[bytes, State | str] = {}

    @property
    def count(self) -> int:
        """How many different images were started."""
        return len(self._known)

    def state(self, image: Image) -> State | str:
        """Return what an engine finds, or the error with which it does not start."""
        name = digest(image)
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._start(image)
        return found

    def _start(self, image: Image) -> State | str:
        root = self._folder / str(next(self._numbers))
        write_image(image, root)
        try:
            return restarted_state(root / DATA)
        except ProcengineError as error:
            return f"{type(error).__name__}: {error}"
        finally:
            shutil.rmtree(root)


def faults(
    disk: RecordingDisk,
    restarts: Restarts,
    crashes: Iterable[Crash],
    *,
    without: str | None = None,
    first: int = 0,
) -> Iterator[Fault]:
    """Yield what is wrong after each number of entries from ``first`` on, as if the syncs of a site did nothing."""
    state, expectation = disk.beginning.copy(), Expectation()
    for mark in disk.before:
        expectation.take(mark)
    for number, entry in enumerate(disk.entries, 1):
        expectation.take(entry)
        if isinstance(entry, Call) and not (entry.name in SYNCS and entry.site == without):
            state.play(entry)
        if number >= first:
            yield from _faults(state, expectation, restarts, crashes, number)


def _faults(
    state: Disk, expectation: Expectation, restarts: Restarts, crashes: Iterable[Crash], number: int
) -> Iterator[Fault]:
    for crash in crashes:
        image = state.after(crash)
        found = restarts.state(image)
        texts = [found] if isinstance(found, str) else expectation.faults(found)
        yield from (Fault(number, crash, text) for text in (*texts, *expectation.lost_tails(image)))


def first_calls(disk: RecordingDisk) -> dict[str, int]:
    """Return for each site the number of entries before its first call."""
    found: dict[str, int] = {}
    for number, entry in enumerate(disk.entries):
        if isinstance(entry, Call):
            found.setdefault(entry.site, number)
    return found


def sync_sites(disks: Sequence[RecordingDisk]) -> set[str]:
    """Return the sites of all syncs that somebody relies upon."""
    calls = (call for disk in disks for call in disk.calls if call.name in SYNCS)
    return {call.site for call in calls if not any(name in call.site for name in TOLD)}
