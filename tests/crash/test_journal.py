"""Whatever a crash leaves of what was not synced, a restart finds what was acknowledged, and no sync is idle.

An engine's story is told on a disk that remembers each call. Engines are then started on what may be left after each
of them; some of these go on with a second story, whose calls are taken in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.disk import Call, Crash
from tests.crash.forms import LONG
from tests.crash.journal import SYNCS, Restarts, faults, first_calls, sync_sites
from tests.crash.recording_disk import RecordingDisk, moved
from tests.crash.story import Story, small_files, tell_first, tell_second, write_plugins

SITES = (
    "sync < EventLog._drop < EventLog.write",
    "sync < EventLog.read < _replayed",
    "sync < EventLog.write < CatalogFiles.append",
    "sync < Segments._abandon < Segments._append",
    "sync < Segments._append < Segments.append",
    "sync < Segments._make_durable < Segments.load",
    "sync < _write_file < write_parquet",
    "sync in put_in_place < CatalogFiles._write_checkpoint < CatalogFiles.checkpoint",
    "sync in put_in_place < FileIndex.ensure < SnapshotFiles.write",
    "sync in write_durably < DataFolder._check_format < DataFolder.open",
    "sync in write_durably < EventLog.create < CatalogFiles._new_log",
    "sync in write_durably < FileIndex.store < WriteBuffer._store_index",
    "sync in write_durably < Recovery.keep < EventLog._cut_tail",
    "sync in write_durably < Recovery.keep < Segments._cut",
    "sync_folder < CatalogFiles.load < CommittedState.start",
    "sync_folder < DataFolder._check_format < DataFolder.open",
    "sync_folder < DataFolder._make_folders < DataFolder.open",
    "sync_folder < FileIndex.load < WriteBuffer.load",
    "sync_folder < Segments._writable < Segments._append",
    "sync_folder < SnapshotFiles._write_table < SnapshotFiles.write",
    "sync_folder in make_folder_durably < DataFolder.open < StoragePart._open_folder",
    "sync_folder in make_folder_durably < Recovery.keep < EventLog._cut_tail",
    "sync_folder in make_folder_durably < Recovery.keep < Segments._cut",
    "sync_folder in make_folder_durably < SnapshotFiles._make_folder < SnapshotFiles._write_table",
    "sync_folder in write_durably < DataFolder._check_format < DataFolder.open",
    "sync_folder in write_durably < EventLog.create < CatalogFiles._new_log",
    "sync_folder in write_durably < FileIndex.store < WriteBuffer._store_index",
    "sync_folder in write_durably < Recovery.keep < EventLog._cut_tail",
    "sync_folder in write_durably < Recovery.keep < Segments._cut",
)
"""The syncs: the call, the function of the seam that makes it, and the two that called that."""

TELLING = (
    Crash.LOST,
    Crash.REPLACED,
    Crash.MIXED_1,
    Crash.NAMED,
    Crash.LONGEST,
    Crash.MIXED_2,
    Crash.MIXED_3,
    Crash.MIXED_4,
)
"""The crashes that a missing sync shows in, the likeliest first."""


@dataclass(frozen=True)
class Lives:
    """A first lifetime, and second ones that follow it when it is cut short."""

    first: RecordingDisk
    second: tuple[RecordingDisk, ...]
    restarts: Restarts

    @property
    def all(self) -> tuple[RecordingDisk, ...]:
        return (self.first, *self.second)

    def by_promise(self, site: str) -> tuple[list[RecordingDisk], list[RecordingDisk]]:
        """Return the lifetimes in which a missing sync will show, if in any, and the others.

        A sync of a folder shows where names were not durable in the beginning, or nothing was.
        """
        likely, others = [], []
        for disk in self.all:
            beginning = disk.beginning
            named = beginning.names != beginning.synced_names or disk is self.first
            (likely if named or not site.startswith("sync_folder") else others).append(disk)
        return likely, others


@pytest.fixture(scope="module")
def lives(quick_folder: Path) -> Lives:
    """Engines whose calls are remembered, and what restarts found so far."""
    folder = quick_folder
    plugins = write_plugins(folder / "plugins")
    (folder / "first").mkdir()
    (folder / "restarts").mkdir()
    first = RecordingDisk(folder / "first")
    second = []
    with small_files():
        story = Story(first, plugins)
        tell_first(story)
        assert len(story.refusals) == 2
        for number, (entries, crash) in enumerate(cuts(first)):
            disk = moved(first, entries, crash, folder / f"second-{number}")
            story = Story(disk, plugins)
            tell_second(story)
            assert not story.refusals
            second.append(disk)
    return Lives(first, tuple(second), Restarts(folder / "restarts"))


def cuts(first: RecordingDisk) -> Iterator[tuple[int, Crash]]:
    """Yield where a first lifetime is cut short: before syncs, by the end of its process or of the machine."""
    for site in sorted(sync_sites([first])):
        at = [
            number
            for number, one in enumerate(first.entries)
            if isinstance(one, Call) and one.site == site
        ]
        middle = at[len(at) // 2]
        early = {at[0]} if site.startswith("sync_folder") else set()
        if "SnapshotFiles._make_folder" in site:  # that of the last table of the first snapshot
            early.add(at[3])
        if site.endswith("_store_index"):  # one that names files no more, which the next start removes
            early.add(at[len(at) * 2 // 3])
        yield from ((number, Crash.KEPT) for number in sorted(set(at) if LONG else {middle, *early}))
        if LONG or site.startswith(("sync < Segments._append", "sync < EventLog.write")):
            yield middle, Crash.TORN


@pytest.mark.parametrize("crash", Crash)
def test_journal_any_prefix(lives: Lives, crash: Crash) -> None:
    """Wherever the machine stops, what was acknowledged is there once, and what was refused or never tried is not."""
    assert [*faults(lives.first, lives.restarts, [crash])] == []


@pytest.mark.parametrize("crash", Crash if LONG else (Crash.LOST, Crash.MIXED_1))
def test_journal_any_prefix_after_a_restart(lives: Lives, crash: Crash) -> None:
    """What a restart showed is there for good, and what it cut off is kept, wherever the machine stops after it."""
    assert [one for disk in lives.second for one in faults(disk, lives.restarts, [crash])] == []


@pytest.mark.parametrize("site", SITES)
def test_journal_without_a_sync(lives: Lives, site: str) -> None:
    """No sync may be left out: without it a crash loses something, or leaves something that was refused."""
    found = (
        fault
        for disks in lives.by_promise(site)
        for crash in TELLING
        for disk in disks
        if site in (calls := first_calls(disk))
        for fault in faults(disk, lives.restarts, [crash], without=site, first=calls[site])
    )
    assert next(found, None) is not None, "nothing is lost without it"


def test_journal_has_all_syncs(lives: Lives) -> None:
    """Every sync of the stories is one of those that are left out in turn."""
    assert sync_sites(lives.all) == set(SITES)
    assert {call.name for call in lives.first.calls if "sync" in call.name} == set(SYNCS)
