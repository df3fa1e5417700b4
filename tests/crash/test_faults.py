"""Wherever the disk refuses a call, its caller is told, nothing undone is taken for done, and the engine goes on.

The story of `tests.crash.story` is told once, with a restart at its end that finds torn logs, and its calls to the
disk are sorted by the place that makes them. Then
it is told again for each place and each fault: the disk is full, it fails, it takes half of a write and no more, or
nothing works from that call on until the step that made it has failed.
"""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from procengine.errors import StorageError
from tests.crash.disk import Call, Crash
from tests.crash.forms import LONG
from tests.crash.journal import TOLD, Restarts, faults
from tests.crash.recording_disk import RecordingDisk
from tests.crash.story import Expectation, Story, small_files, state_of, tell_steps, write_plugins


@dataclass
class Sick:
    """A disk that refuses a call: the one of a site that comes after so many others, and perhaps all after it."""

    site: str
    skipped: int
    kind: str
    begun: bool = False
    ended: bool = False

    def __call__(self, call: Call) -> int | None:
        if not self.begun and call.site == self.site:
            self.skipped -= 1
            self.begun = self.skipped < 0
            return self._verdict(call) if self.begun else None
        return self._verdict(call) if self.begun and not self.ended else None

    def heal(self) -> None:
        """Let the disk work again, if it was sick already."""
        self.ended = self.begun

    def _verdict(self, call: Call) -> int | None:
        if self.kind == "dead":
            return errno.EIO
        if self.kind == "half" and call.name == "write":
            # Half of the write is taken, then nothing: the next call of the same site finds the disk full.
            self.kind = "full"
            return -max(1, len(call.data) // 2)
        self.ended = True
        return errno.EIO if self.kind == "fails" else errno.ENOSPC


def kinds(name: str) -> tuple[str, ...]:
    """Return which faults a call may meet."""
    return ("full", "fails", "half", "dead") if name == "write" else ("full", "fails", "dead")


def told(disk: RecordingDisk, plugins: Path, fault: Sick | None) -> Story:
    """Tell the story, its end included, to an engine whose disk may be sick."""
    story = Story(disk, plugins)
    disk.fault = fault
    if fault is not None:
        story.step_ended = fault.heal
    start(story, fault)
    tell_steps(story)
    disk.fault = None
    story.stop()
    story.tear()
    disk.fault = fault
    start(story, fault)
    return story


def start(story: Story, fault: Sick | None) -> None:
    """Start the engine; where the disk refuses that, once more."""
    try:
        story.start()
    except StorageError as refusal:
        assert fault is not None
        assert fault.begun, "a start failed on a healthy disk"
        story.refusals.append(refusal)
        fault.heal()
        story.start()


@pytest.fixture(scope="module")
def sites(quick_folder: Path) -> dict[str, int]:
    """The places that make calls to the disk, and how often."""
    write_plugins(quick_folder / "plugins")
    (quick_folder / "disk").mkdir()
    disk = RecordingDisk(quick_folder / "disk")
    with small_files():
        story = told(disk, quick_folder / "plugins", None)
        calls = disk.calls
        story.stop()
    shutil.rmtree(quick_folder / "disk")
    (quick_folder / "restarts").mkdir()
    return dict(Counter(call.site for call in calls if _counts(call)))


def _counts(call: Call) -> bool:
    """Tell whether a call is procengine's, and one that somebody relies upon."""
    return not call.site.endswith("< ") and not any(name in call.site for name in TOLD)


@pytest.mark.timeout(3600 if LONG else 120)
@pytest.mark.parametrize("kind", ["full", "fails", "half", "dead"])
def test_faults_at_each_call(sites: dict[str, int], quick_folder: Path, kind: str) -> None:
    """Whichever place a fault meets: what is acknowledged is there, what is refused is not, then and later."""
    restarts = Restarts(quick_folder / "restarts")
    for number, (site, count) in enumerate(sorted(sites.items())):
        if kind not in kinds(site.split()[0]) or (not LONG and (number + len(kind)) % 2):
            continue
        for skipped in range(count) if LONG else (count // 2,):
            root = quick_folder / "disk"
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            try:
                check_fault(root, quick_folder / "plugins", Sick(site, skipped, kind), restarts)
            except BaseException as error:
                error.add_note(f"the disk is {kind!r} at call {skipped} of {site!r}")
                raise


def check_fault(root: Path, plugins: Path, fault: Sick, restarts: Restarts) -> None:
    """Tell the story on a sick disk, and compare what the engine shows, then and after restarts."""
    disk = RecordingDisk(root)
    with small_files(), ExitStack() as stack:
        story = told(disk, plugins, fault)
        stack.callback(story.stop)
        assert fault.begun
        refused = len(story.refusals)
        story.write("house", ("other", 98))
        story.create_database("after")
        story.snapshot()
        assert len(story.refusals) == refused, "the engine does not go on"
        expectation = Expectation()
        for entry in disk.entries:
            expectation.take(entry)
        assert expectation.faults(state_of(story.engine)) == []
    found = faults(disk, restarts, [Crash.KEPT, Crash.LOST], first=len(disk.entries))
    assert [*found] == []
