"""Whatever byte of a data folder goes bad, the engine says so or has the same rows; it never has others.

For each file of a stopped engine and for its bytes in turn: one bit is turned, and an engine is started on them.
Allowed are the same state; a tail that was cut off, is named and kept, while all before it is there; and an error of
procengine that names the file and says how to go on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from procengine_jupyter.status import engine_card

from procengine import Engine
from procengine.errors import CorruptFileError, DataFormatError, ProcengineError
from procengine.file_system import LOCAL
from procengine.recovery import KEPT_BYTES, KEPT_FILES, Recovery
from tests.crash.forms import LONG
from tests.crash.recording_disk import RecordingDisk
from tests.crash.story import DATA, Story, small_files, state_of, tell_first, write_plugins
from tests.crash.unsynced_files import UnsyncedFiles

FLIPS = 100_000 if LONG else 40
"""How many bytes of a file are turned at most; the first and last sixteen are always among them."""

FILES = 100 if LONG else 3
"""How many files of a kind are damaged in turn."""

UNCHECKED = ("lock", "state")
"""What this test leaves out: the lock holds a process id, and what is in ``state`` has tests of its own."""


@pytest.fixture(scope="module")
def folder(quick_folder: Path) -> Path:
    """A data folder with files of every kind."""
    (quick_folder / "disk").mkdir()
    story = Story(RecordingDisk(quick_folder / "disk"), write_plugins(quick_folder / "plugins"))
    with small_files():
        tell_first(story)
    return quick_folder / "disk" / DATA


def kinds(folder: Path) -> Mapping[str, list[Path]]:
    """Return the files by kind."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        short = path.relative_to(folder)
        if path.is_file() and short.parts[0] not in UNCHECKED:
            kind = path.suffix or path.name
            found.setdefault("catalog log" if kind == ".log" else kind, []).append(short)
    return found


KINDS = (".checkpoint", ".json", ".parquet", ".wal", "catalog log", "index")


def places(size: int) -> Iterator[int]:
    """Yield the bytes to turn."""
    step = max(1, (size - 32) // FLIPS)
    yield from (place for place in range(size) if place < 16 or place >= size - 16 or place % step == 0)


@pytest.mark.timeout(3600 if LONG else 120)
@pytest.mark.parametrize("kind", KINDS)
def test_damage_of_one_bit(folder: Path, quick_folder: Path, kind: str) -> None:
    """Each turned bit gives the same state, a tail that is cut and named, or an error that names the file."""
    with Engine(data_dir=folder, environ={}, file_system=UnsyncedFiles()) as engine:
        good = state_of(engine)
    outcomes = set()
    for short in kinds(folder)[kind][-FILES:]:
        data = (folder / short).read_bytes()
        for place in places(len(data)):
            turned = bytearray(data)
            turned[place] ^= 1 << place % 8
            copy = quick_folder / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder, copy)
            (copy / short).write_bytes(turned)
            outcomes.add(outcome(copy, short, bytes(turned), good))
    assert outcomes <= {"same", "cut", "error"}
    assert outcomes & {"cut", "error"}


def rows_by_sql(engine: Engine) -> set[tuple[str, ...]]:
    """Return the rows as queries see them: the first that reads the files."""
    return {
        (database.name, table, str(row["n"]))
        for database in engine.catalog.databases
        if database.name != "_internal"
        for table in database.tables
        for row in engine.query(f"SELECT n FROM {table}", database.name).to_pylist()
    }


def outcome(copy: Path, short: Path, turned: bytes, good: Mapping[tuple[str, ...], object]) -> str:
    """Start an engine on a damaged folder; return what became of it."""
    try:
        with Engine(data_dir=copy, environ={}, file_system=UnsyncedFiles()) as engine:
            by_sql = rows_by_sql(engine)
            found = state_of(engine)
            assert by_sql == {fact for fact in found if fact[-1].isdecimal()}
            assert engine.recovery is not None
            cuts = engine.recovery.cuts
    except ProcengineError as error:
        check_error(error, copy, short, len(turned))
        return "error"
    if not cuts:
        assert found == good, f"{short} has other rows"
        return "same"
    (cut,) = cuts
    assert cut.path == str(copy / short)
    assert Path(cut.kept).read_bytes() == turned[cut.offset :]
    assert found.items() <= good.items(), "there is something else"
    return "cut"


def check_error(error: ProcengineError, copy: Path, short: Path, size: int) -> None:
    """See that an error is one about a file, names it, and says how to go on."""
    assert isinstance(error, CorruptFileError | DataFormatError), repr(error)
    path = str(copy / short)
    assert f"{path!r}" in str(error) or (short.name == "format.json" and f"{str(copy)!r}" in str(error))
    if isinstance(error, CorruptFileError):
        assert error.path == path
        assert 0 <= error.offset <= size
        assert any(word in str(error) for word in ("restore", "give")), f"{error} says no way on"


def test_damage_is_shown(folder: Path, quick_folder: Path) -> None:
    """A tail that the start cut off is named by the engine and on the notebook's status card, with its copy."""
    copy = quick_folder / "shown"
    shutil.copytree(folder, copy)
    segment = max(copy.glob("wal/*.wal"))
    segment.write_bytes(segment.read_bytes()[:-1])
    with Engine(data_dir=copy, environ={}, file_system=UnsyncedFiles()) as engine:
        assert engine.recovery is not None
        (cut,) = engine.recovery.cuts
        card = engine_card(engine)
    assert (cut.path, cut.cut_bytes) == (str(segment), len(Path(cut.kept).read_bytes()))
    for text in (card.plain(), str(card.html())):
        assert f"{cut.cut_bytes} bytes of an unfinished or damaged record were cut off at offset" in text
        assert Path(cut.kept).name in text


def test_damage_keeps_few_tails(quick_folder: Path) -> None:
    """However often tails are cut off, a bounded number of copies is kept, the newest; each has a bounded size."""
    recovery = Recovery(quick_folder / "few", file_system=LOCAL)
    for number in range(KEPT_FILES + 5):
        recovery.keep(Path("/data/wal/file"), number, bytes(KEPT_BYTES + 1 if number == 20 else 1))
    kept = sorted((quick_folder / "few").iterdir())
    assert len(kept) == KEPT_FILES
    assert kept[-1].name == f"{KEPT_FILES + 5:06}-wal-file.at-{KEPT_FILES + 4}"
    assert max(one.stat().st_size for one in kept) == KEPT_BYTES


def test_damage_has_files_of_every_kind(folder: Path) -> None:
    """No kind of file is left out."""
    assert tuple(sorted(kinds(folder))) == KINDS
