"""What happens to an engine in the crash tests, and what may be found of it after a crash at any moment.

A story says before each step what the step will bring about, and after it whether it came about. So at each moment
it is known what was acknowledged (it must be found, once), what was refused or never tried (it must not be found),
and what is under way (either).
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

from procengine import Engine
from procengine.catalog import catalog_files
from procengine.catalog.definitions import HardDeletion
from procengine.clock import VirtualClock
from procengine.errors import ProcengineError
from procengine.file_system import LOCAL, FileSystem
from procengine.model.run import Run, RunOutcome
from procengine.wal import Wal
from procengine.write.parquet_writer import read_parquet
from procengine.write.write_buffer import WriteBuffer
from tests.crash.disk import Call, Image
from tests.crash.recording_disk import Mark, RecordingDisk
from tests.crash.unsynced_files import UnsyncedFiles

DATA = "data"
START_NS = 1_700_000_000_000_000_000
WAIT_SECONDS = 20.0

Fact = tuple[str, ...]
"""A row ``(database, table, number)``, a database ``(name,)``, a trigger ``(database, "trigger", name)``, or a table
``(database, table, "columns")``."""

State = Mapping[Fact, object]
"""What is there: how often a row, that a database is, whether a trigger is enabled, how many columns a table has.
What is not there is left out."""

PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            line = LineBuilder("derived").int64_field("n", row["n"]).time_ns(row["time"])
            influxdb3_local.write(line)
"""


@contextmanager
def small_files() -> Iterator[None]:
    """Let engines begin new segments and checkpoints after few bytes, and let go of replaced files at once."""
    with ExitStack() as patches:
        for name, small in (
            ("Wal", partial(Wal, segment_bytes=2500)),
            ("WriteBuffer", partial(WriteBuffer, retired_file_seconds=0.0)),
        ):
            patches.enter_context(patch(f"procengine.storage_part.{name}", small))
        patches.enter_context(patch.object(catalog_files, "SMALLEST_LOG_BYTES", 1500))
        yield


_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Begun:
    """A step that was begun, and what it will bring about; None: that something is gone."""

    number: int
    facts: Mapping[Fact, object]


@dataclass(frozen=True)
class Ended:
    """A step that ended, well or not at all."""

    number: int
    well: bool


@dataclass(frozen=True)
class Tail:
    """A tail that a start cut off a file, and the file in which it is kept."""

    path: Path
    offset: int
    data: bytes
    kept: Path


@dataclass(frozen=True)
class Shown:
    """What an engine showed once it was started: from then on as good as acknowledged."""

    state: State


class Story:
    """An engine on a disk that remembers, in a folder beside that of its plugins."""

    def __init__(
        self, disk: RecordingDisk, plugin_dir: Path, *, clock: VirtualClock | None = None
    ) -> None:
        self.disk = disk
        self.plugin_dir = plugin_dir
        self.clock = clock or VirtualClock(START_NS)
        self.refusals: list[ProcengineError] = []
        self.step_ended: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Start the engine."""
        self.engine = Engine(
            data_dir=self.disk.root / DATA,
            plugin_dir=self.plugin_dir,
            environ={},
            clock=self.clock,
            wal_flush_interval="0s",
            file_system=self.disk,
        )
        self.disk.mark(Shown(state_of(self.engine, self.disk)))
        assert self.engine.recovery is not None
        for cut in self.engine.recovery.cuts:
            path, kept = self.disk.short(Path(cut.path)), self.disk.short(Path(cut.kept))
            if path in self.disk.beginning.names:
                data = self.disk.beginning.names[path].synced[cut.offset :]
                self.disk.entries.insert(0, Mark(Tail(path, cut.offset, data, kept)))

    def stop(self) -> None:
        self.engine.stop()

    def tear(self) -> None:
        """Leave half a record at the end of the newest log files of a stopped engine that have a beginning."""
        folder = self.disk.root / DATA
        for pattern in ("wal/*.wal", "catalog/*.log"):
            newest = max(path for path in folder.glob(pattern) if path.stat().st_size)
            file = self.disk.reopen(newest)
            file.write(b"half a record")
            file.close()

    def write(self, database: str, *rows: tuple[str, int]) -> None:
        """Write rows, each a table and a number. Their database may be there although they were refused."""
        lines = "\n".join(f"{table},tag=a n={number}i {number}" for table, number in rows)
        facts: dict[Fact, object] = {(database, table, str(number)): 1 for table, number in rows}
        made = self._begin({(database,): True})
        if self.step(facts, partial(self.engine.write, database, lines, precision="ns")):
            self._end(made, well=True)

    def write_home(self, *numbers: int) -> None:
        """Write rows that a trigger derives others from, and wait for it."""
        derived = self._begin({("house", "derived", str(number)): 1 for number in numbers})
        ended: list[Run] = []
        unsubscribe = self.engine.triggers.subscribe(ended.append)
        self.write("house", *(("home", number) for number in numbers))
        assert self.engine.wait_idle(WAIT_SECONDS)
        unsubscribe()
        self.step_ended()
        self._end(derived, well=[run.outcome for run in ended] == [RunOutcome.SUCCESS])

    def create_database(self, name: str) -> None:
        self.step({(name,): True}, partial(self.engine.catalog.create_database, name))

    def delete_database(self, name: str) -> None:
        gone = {fact: None for fact in state_of(self.engine, self.disk) if fact[0] == name}
        delete = partial(self.engine.catalog.delete_database, name, HardDeletion.NOW)
        self.step(gone, delete)

    def delete_table(self, database: str, table: str) -> None:
        gone = {fact: None for fact in state_of(self.engine, self.disk) if fact[:2] == (database, table)}
        delete = partial(self.engine.catalog.delete_table, database, table, HardDeletion.NOW)
        self.step(gone, delete)

    def create_trigger(self, name: str, table: str) -> None:
        create = partial(self.engine.triggers.create, "house", name, "derive.py", f"table:{table}")
        self.step({("house", "trigger", name): True}, create)

    def disable_trigger(self, name: str) -> None:
        disable = partial(self.engine.triggers.disable, "house", name)
        self.step({("house", "trigger", name): False}, disable)

    def delete_trigger(self, name: str) -> None:
        delete = partial(self.engine.triggers.delete, "house", name, force=True)
        self.step({("house", "trigger", name): None}, delete)

    def snapshot(self) -> None:
        self.step({}, self.engine.snapshot)
        self.engine.write_buffer.compact()  # lets replaced files go

    def refuse(self, site: str, code: int, action: Callable[[], object]) -> None:
        """Do something while the disk refuses the first call from a site."""
        refused, before = [], self.disk.fault

        def fault(call: Call) -> int | None:
            if refused or not call.site.startswith(site):
                return before(call) if before is not None else None
            refused.append(call)
            return code

        self.disk.fault = fault
        action()
        self.disk.fault = before
        assert refused or before is not None, f"there was no {site}"

    def step(self, facts: Mapping[Fact, object], action: Callable[[], object]) -> bool:
        """Do something and tell whether it was done; an error of procengine's own means that nothing has changed."""
        number = self._begin(facts)
        try:
            action()
        except ProcengineError as refusal:
            self.refusals.append(refusal)
            self._end(number, well=False)
            return False
        else:
            self._end(number, well=True)
            return True
        finally:
            self.step_ended()

    def _begin(self, facts: Mapping[Fact, object]) -> int:
        number = next(_NUMBERS)
        self.disk.mark(Begun(number, dict(facts)))
        return number

    def _end(self, number: int, *, well: bool) -> None:
        self.disk.mark(Ended(number, well))


class Expectation:
    """What may be found after the entries of a journal so far."""

    def __init__(self) -> None:
        self._allowed: dict[Fact, frozenset[object]] = {}
        self._begun: dict[int, tuple[Begun, dict[Fact, frozenset[object]]]] = {}
        self._tails: list[Tail] = []

    def take(self, entry: Call | Mark) -> None:
        """Take the journal's next entry into account."""
        match entry:
            case Mark(Begun() as begun):
                before = {
                    fact: self._allowed.get(fact, frozenset([None]))
                    for fact in begun.facts
                    if fact in self._allowed or not _may_be_there(fact)
                }
                self._begun[begun.number] = (begun, before)
                for fact, allowed in before.items():
                    self._allowed[fact] = allowed | {begun.facts[fact]}
            case Mark(Ended() as ended):
                begun, before = self._begun.pop(ended.number)
                for fact, allowed in before.items():
                    self._allowed[fact] = frozenset([begun.facts[fact]]) if ended.well else allowed
            case Mark(Tail() as tail):
                self._tails.append(tail)
            case Mark(Shown() as shown):
                self._begun.clear()
                for fact in {*self._allowed, *shown.state}:
                    self._allowed[fact] = frozenset([shown.state.get(fact)])

    def lost_tails(self, image: Image) -> Sequence[str]:
        """Return which tails are neither where they were nor kept aside."""
        return [
            f"{tail.path}: {len(tail.data)} bytes at {tail.offset} are lost"
            for tail in self._tails
            if (image.get(tail.path) or b"")[tail.offset :] != tail.data
            and image.get(tail.kept) != tail.data
        ]

    def faults(self, state: State) -> Sequence[str]:
        """Return what is wrong with a state, nothing when it is one of those that may be."""
        invented = {fact for fact in state if fact not in self._allowed and not _may_be_there(fact)}
        return [
            f"{'/'.join(fact)}: {state.get(fact)!r}, not {sorted(map(repr, allowed))}"
            for fact in sorted({*self._allowed, *invented})
            if state.get(fact) not in (allowed := self._allowed.get(fact, frozenset([None])))
        ]


def _may_be_there(fact: Fact) -> bool:
    """Tell whether something may be there unannounced: a table before its first row, even if that is refused."""
    return fact[-1] == "columns"


def state_of(engine: Engine, files: FileSystem = LOCAL) -> dict[Fact, object]:
    """Return what an engine holds. Rows are counted where they lie, so that one that is there twice is seen."""
    found: dict[Fact, object] = {}
    for database in engine.catalog.databases:
        if database.name == "_internal":
            continue
        found[database.name,] = True
        for trigger in database.triggers.values():
            found[database.name, "trigger", trigger.name] = not trigger.disabled
        for table in database.tables.values():
            found[database.name, table.name, "columns"] = len(table.schema.columns)
            view = engine.write_buffer.view(table.id)
            for batch in (*(read_parquet(files, file) for file in view.files), *view.batches()):
                for row in batch.select(["n", "time"]).to_pylist():
                    assert row["n"] == row["time"].value, "a row of two writes"
                    fact = (database.name, table.name, str(row["n"]))
                    count = found.get(fact, 0)
                    assert isinstance(count, int)
                    found[fact] = count + 1
    return found


def restarted_state(folder: Path) -> dict[Fact, object]:
    """Return what an engine finds in a folder."""
    with Engine(data_dir=folder, environ={}, file_system=UnsyncedFiles()) as engine:
        return state_of(engine)


def write_plugins(folder: Path) -> Path:
    """Make the plugins' folder."""
    folder.mkdir()
    (folder / "derive.py").write_text(PLUGIN)
    return folder


def tell_first(story: Story) -> None:
    """Tell a first lifetime that makes every kind of durable call."""
    story.start()
    tell_steps(story)
    story.stop()


def tell_steps(story: Story) -> None:
    """Tell what is in a first lifetime."""
    story.create_database("house")
    story.write("house", ("other", 1))
    story.create_trigger("derive", "home")
    story.create_trigger("spare", "nothing")
    story.disable_trigger("spare")
    story.write_home(10)
    story.snapshot()
    story.write("shed", ("tools", 20), ("nails", 21))
    story.write_home(11, 12)
    story.snapshot()
    story.delete_table("shed", "nails")
    story.create_database("scratch")
    story.write("scratch", ("paper", 30))
    story.write("house", ("other", 2))
    story.snapshot()
    story.delete_database("scratch")
    story.write_home(13)
    story.delete_trigger("spare")
    story.refuse("sync < Segments._append", errno.EIO, partial(story.write, "house", ("other", 90)))
    story.refuse("sync < EventLog.write", errno.EIO, partial(story.create_database, "refused"))
    story.snapshot()
    for number in (40, 41, 42):
        story.write("house", ("other", number), ("more", number))
    story.snapshot()
    story.write("house", ("more", 50))
    story.write_home(14)


def tell_second(story: Story) -> None:
    """Tell a lifetime after a crash."""
    story.start()
    story.write("house", ("other", 60))
    story.create_database("garden")
    story.snapshot()
    story.write("garden", ("trees", 61))
    story.stop()
