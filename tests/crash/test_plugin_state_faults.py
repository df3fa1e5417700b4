"""Wherever the disk refuses SQLite a call, the run's end says so, nothing hangs, and the next commit brings it.

Groups are committed to a plugin cache's file whose log is moved into it every few pages. The calls of that are
counted, then one of them is refused in turn: the disk is full, it fails, it takes half of a write, or nothing works
until the step that made the call has ended.
"""

from __future__ import annotations

import errno
import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.errors import StorageError
from procengine.model.run import LogLevel, RunOutcome
from procengine.state import Commit, Group, PluginState, StoredValue
from procengine.state.plugin_state import FILE_NAME
from tests.crash.disk import Call, Crash, Image, digest
from tests.crash.forms import LONG
from tests.crash.recording_disk import Mark, RecordingDisk, write_image
from tests.crash.recording_sqlite import RecordingSqlite
from tests.crash.story import DATA, START_NS
from tests.crash.test_plugin_state import PLUGIN, seen_in
from tests.engine.looks import WAIT_SECONDS, texts

KINDS = ("full", "fails", "half", "dead")
COMMITS = 4
"""In each of the two lives."""

CHECKPOINT_PAGES = 3


@dataclass
class Sick:
    """A disk that refuses SQLite a call after so many others, of one name and file if they are given."""

    kind: str
    skipped: int = 0
    name: str | None = None
    file: str | None = None
    seen: list[Call] = field(default_factory=list)
    begun: bool = False
    ended: bool = False

    def __call__(self, call: Call) -> int | None:
        if self.ended or not call.path.name.startswith(FILE_NAME):
            return None
        if not self.begun:
            if self.name not in (None, call.name) or self.file not in (None, call.path.name):
                return None
            self.seen.append(call)
            self.begun = len(self.seen) > self.skipped
            return self._verdict(call) if self.begun else None
        return self._verdict(call)

    def heal(self) -> None:
        """Let the disk work again, if it was sick already."""
        self.ended = self.begun

    def _verdict(self, call: Call) -> int | None:
        if self.kind == "dead":
            return errno.EIO
        self.ended = True
        if self.kind == "half" and len(call.data) > 1:
            return -(len(call.data) // 2)
        return errno.EIO if self.kind == "fails" else errno.ENOSPC


@dataclass(frozen=True)
class Versions:
    """What may be found: at least ``durable``, at most ``submitted``."""

    durable: int
    submitted: int


class Story:
    """Two lives of a plugin cache's file, and a healthy third; each commit gives two keys the same new number.

    A third key is its own, so that one commit does not stand in for another.
    """

    def __init__(self, root: Path, sick: Sick) -> None:
        self.disk = RecordingDisk(root)
        self.disk.fault = self.sick = sick
        self.sqlite = RecordingSqlite(self.disk, checkpoint_pages=CHECKPOINT_PAGES)
        self.durable = self.submitted = 0
        self.refusals: list[str] = []
        self.unsure = frozenset[int]()

    def tell(self) -> None:
        for _ in range(2):
            state = self._opened()
            for _ in range(COMMITS):
                self._commit(state)
            state.close()
            self.unsure |= {*range(self.durable + 1, self.submitted + 1)}
            self._step_ended()
        self.disk.fault = None
        state = self._opened()
        self._commit(state)
        state.close()

    def _opened(self) -> PluginState:
        for attempt in range(2):
            state = PluginState(self.disk.root, connect=self.sqlite.connect)
            found: list[StoredValue] = []
            try:
                state.open(0, found.append)
            except StorageError as refusal:
                assert self.sick.begun, "an open failed on a healthy disk"
                assert not attempt, "it does not open once the disk works again"
                self.refusals.append(str(refusal))
                self._step_ended()
            else:
                break
        assert all(FILE_NAME in text for text in self.refusals)
        assert self.durable <= number_in(found, self.unsure) <= self.submitted
        self._step_ended()
        return state

    def _commit(self, state: PluginState) -> None:
        self.submitted += 1
        self._mark()
        commit, data = Commit(), b"%d " % self.submitted + bytes(5000)
        puts = [
            StoredValue("db", 1, key, data, 0, "bytes", None, 1, 1)
            for key in ("a", "b", f"own {self.submitted}")
        ]
        state.submit(Group(puts=puts), commit)
        fault = commit.wait()
        if fault is None:
            self.durable = self.submitted
        else:
            assert self.sick.begun, "a commit failed on a healthy disk"
            assert not commit.durable
            self.refusals.append(fault)
        self._step_ended()

    def _step_ended(self) -> None:
        self.sick.heal()
        self._mark()

    def _mark(self) -> None:
        self.disk.mark(Versions(self.durable, self.submitted))


def number_in(values: list[StoredValue], unsure: frozenset[int]) -> int:
    """Return the number that two keys have, with the own keys of all commits up to it and no others.

    ``unsure`` are those that were refused to the end of their life.
    """
    numbers = {value.key: int(value.data.split()[0]) for value in values}
    found = numbers.get("a", 0)
    whole = {f"own {number}": number for number in range(1, found + 1)}
    whole = {key: number for key, number in whole.items() if number not in unsure or key in numbers}
    assert numbers == (whole | {"a": found, "b": found} if found else {}), "a transaction in part"
    return found


def number_after(image: Image, root: Path, unsure: frozenset[int]) -> int:
    """Return which number a restart finds."""
    write_image(image, root)
    state, found = PluginState(root), list[StoredValue]()
    try:
        state.open(0, found.append)
        return number_in(found, unsure)
    finally:
        state.close()
        shutil.rmtree(root)


def wrong(story: Story, folder: Path, *, every_call: bool = False) -> Iterator[str]:
    """Yield what restarts find that may not be, after each step or each call."""
    disk, unsure = story.disk, story.unsure
    state, allowed = disk.beginning.copy(), Versions(0, 0)
    known: dict[bytes, int] = {}
    for number, entry in enumerate(disk.entries):
        if isinstance(entry, Call):
            state.play(entry)
        elif isinstance(entry, Mark) and isinstance(entry.what, Versions):
            allowed = entry.what
        for crash in Crash if LONG else (Crash.KEPT, Crash.LOST):
            if isinstance(entry, Mark) or every_call:
                image = state.after(crash)
                name = digest(image)
                if name not in known:
                    known[name] = number_after(image, folder / "image", unsure)
                if not allowed.durable <= known[name] <= allowed.submitted:
                    yield f"{number}, {crash}: {known[name]}, not {allowed}"


@pytest.fixture(scope="module")
def calls(quick_folder: Path) -> list[Call]:
    """The calls that SQLite makes when the disk refuses none."""
    (quick_folder / "healthy").mkdir()
    story = Story(quick_folder / "healthy", sick := Sick("full", skipped=1 << 30))
    story.tell()
    assert (story.durable, story.refusals) == (2 * COMMITS + 1, [])
    assert {(call.name, call.path.name.removeprefix(FILE_NAME)) for call in sick.seen} == {
        ("create", ""),
        ("create", "-journal"),
        ("create", "-wal"),
        ("read", ""),
        ("read", "-journal"),
        ("read", "-wal"),
        ("remove", "-journal"),
        ("remove", "-wal"),
        ("sync", ""),
        ("sync", "-journal"),
        ("sync", "-wal"),
        ("truncate", ""),
        ("truncate", "-wal"),
        ("write_at", ""),
        ("write_at", "-journal"),
        ("write_at", "-wal"),
    }
    return sick.seen


@pytest.mark.timeout(3600 if LONG else 120)
@pytest.mark.parametrize("kind", KINDS)
def test_plugin_state_faults_at_each_call(calls: list[Call], quick_folder: Path, kind: str) -> None:
    """Whichever call is refused: what is answered as durable is, the last commit brings all, never half of one."""
    root, refused = quick_folder / "disk", 0
    for number, call in enumerate(calls):
        if kind == "half" and call.name != "write_at":
            continue
        if not LONG and (number + len(kind)) % 3:
            continue
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        story = Story(root, Sick(kind, skipped=number))
        try:
            story.tell()
            assert story.sick.begun
            assert story.durable == story.submitted == 2 * COMMITS + 1
            assert [*wrong(story, quick_folder, every_call=LONG)] == []
        except BaseException as error:
            error.add_note(f"the disk is {kind!r} at call {number}, {call.name} {call.path}")
            raise
        refused += bool(story.refusals)
    assert refused, "no refusal was told"


@pytest.mark.parametrize(
    ("name", "end", "kind"),
    [
        (name, end, kind)
        for name in ("write_at", "sync")
        for end in ("-wal", "")
        for kind in KINDS
        if kind != "half" or name == "write_at"
    ],
)
def test_plugin_state_faults_and_runs(
    tmp_path: Path, quick_folder: Path, name: str, end: str, kind: str
) -> None:
    """A run ends whatever the disk refuses; it says what is not durable, the next one brings it, and so on disk.

    What a log that is moved into the file meets makes nothing less durable: the log has it all still.
    """
    told = end == "-wal"
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "count.py").write_text(PLUGIN)
    root = quick_folder / f"runs-{next(_NUMBERS)}"
    root.mkdir()
    disk = RecordingDisk(root)
    with Engine(
        data_dir=root / DATA,
        plugin_dir=tmp_path / "plugins",
        environ={},
        clock=VirtualClock(START_NS),
        wal_flush_interval="0s",
        file_system=disk,
        connect_state=RecordingSqlite(disk, checkpoint_pages=1).connect,
    ) as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "count", "count.py", "table:home")
        seen = []
        for number in range(3):
            if number == 1:
                disk.fault = sick = Sick(kind, name=name, file=FILE_NAME + end)
            engine.write("house", f"home n={number}i {number + 1}", precision="ns")
            assert engine.wait_idle(WAIT_SECONDS)
            sick = disk.fault if isinstance(disk.fault, Sick) else Sick(kind)
            sick.heal()
            for crash in (Crash.KEPT, Crash.LOST):
                seen.append(
                    _seen(disk, crash, root.with_name(f"{root.name}-image"), tmp_path / "plugins")
                )
        assert sick.begun
        assert [run.outcome for run in engine.triggers.runs] == [RunOutcome.SUCCESS] * 3
        errors = texts(engine, LogLevel.ERROR)
    assert len(errors) == 1 if told else len(errors) <= 1
    assert all("not durable yet" in text and FILE_NAME in text for text in errors)
    first, second, third = seen[:2], seen[2:4], seen[4:]
    assert first == [[0]] * 2
    assert all(one in ([0], [0, 1]) for one in second)
    assert told or second == [[0, 1]] * 2
    assert third == [[0, 1, 2]] * 2
    assert seen_in(root / DATA, tmp_path / "plugins") == [0, 1, 2]


_NUMBERS = itertools.count()


def _seen(disk: RecordingDisk, crash: Crash, root: Path, plugins: Path) -> list[int]:
    state = disk.beginning.copy()
    for call in disk.calls:
        state.play(call)
    write_image(state.after(crash), root)
    try:
        return seen_in(root / DATA, plugins)
    finally:
        shutil.rmtree(root)
