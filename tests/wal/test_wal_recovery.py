"""What comes back after a crash, a failed disk or damage: all that was acknowledged, or an error that says where."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from procengine.clock import VirtualClock
from procengine.errors import CorruptFileError, DataFormatError, WriteFailedError
from procengine.wal import Wal
from tests.journalling_files import Call, Crash, Fault, JournallingFiles
from tests.some_rows import some_rows, values

FOLDER = Path("/wal")


def wal_on(files: JournallingFiles, **options: int) -> Wal:
    return Wal(FOLDER, clock=VirtualClock(), flush_interval_seconds=0.0, file_system=files, **options)


def run(wal: Wal, after: int = 0) -> Wal:
    list(wal.open(after=after))
    wal.start(lambda contents: None, lambda contents: None)
    return wal


def write(wal: Wal, time: int) -> int:
    return wal.append([some_rows(("a", time, 0.0))]).wait(timeout=10)


def replayed(files: JournallingFiles, after: int = 0) -> list[tuple[int, object]]:
    """Return (sequence number, time) of what a restart replays."""
    contents = list(wal_on(files).open(after=after))
    return [(one.sequence_number, values(one.rows[0])[0]["time"]) for one in contents]


def fail_at(name: str, code: int, *, count: int = 1) -> Fault:
    """Refuse the next calls of one name."""
    left = itertools.count(count, -1)
    return lambda call: code if call.name == name and next(left) > 0 else None


@pytest.mark.parametrize("crash", Crash)
@pytest.mark.parametrize("segment_bytes", [1, 10**6])
def test_recovery_from_every_prefix(crash: Crash, segment_bytes: int) -> None:
    """Wherever a crash falls, what was acknowledged by then is replayed, and at most the write under way besides."""
    files = JournallingFiles()
    wal = run(wal_on(files, segment_bytes=segment_bytes))
    acknowledged = []
    for time in range(4):
        write(wal, time)
        acknowledged.append(len(files.calls))
    wal.close()
    for calls in range(len(files.calls) + 1):
        count = sum(position <= calls for position in acknowledged)
        found = replayed(files.crashed(crash, calls=calls))
        assert found in ([(n + 1, n) for n in range(count)], [(n + 1, n) for n in range(count + 1)])


@pytest.mark.parametrize("crash", Crash)
def test_recovery_goes_on_after_a_torn_tail(crash: Crash) -> None:
    """After a restart the log takes writes with the next number, and a second restart finds them as well."""
    files = JournallingFiles()
    wal = run(wal_on(files))
    write(wal, 1)
    whole = len(files.calls)
    write(wal, 2)
    wal.close()
    for calls in range(whole, len(files.calls)):
        again = files.crashed(crash, calls=calls)
        found = replayed(again)
        wal = run(wal_on(again))
        assert write(wal, 3) == len(found) + 1
        wal.close()
        assert replayed(again.crashed(Crash.LOST)) == [*found, (len(found) + 1, 3)]


def test_recovery_keeps_the_cut_bytes(caplog: pytest.LogCaptureFixture) -> None:
    """A torn tail is cut off, kept in a file of its own, and logged with its place."""
    files = JournallingFiles()
    wal = run(wal_on(files))
    write(wal, 1)
    whole = len(files.files()[FOLDER / f"00000001-{1:020}.wal"])
    write(wal, 2)
    wal.close()
    torn = files.crashed(Crash.TORN, calls=len(files.calls) - 1)
    assert replayed(torn) == [(1, 1)]
    [(path, kept)] = [(path, one) for path, one in torn.files().items() if path.parent.name == "damaged"]
    assert path.name == f"000001-wal-00000001-{1:020}.wal.at-{whole}"
    assert kept
    assert len(torn.files()[FOLDER / f"00000001-{1:020}.wal"]) == whole
    assert f"cut {len(kept)} bytes of an unfinished or damaged record" in caplog.text
    assert replayed(torn) == [(1, 1)]


FAULTS: dict[str, Callable[[], Fault]] = {
    "disk full": lambda: fail_at("write", errno.ENOSPC),
    "sync fails": lambda: fail_at("sync", errno.EIO),
    "short write, then full": lambda: _short_then_full(also=""),
    "sync and cut fail": lambda: _dead("sync", "truncate"),
    "write of half, cut fails": lambda: _short_then_full(also="truncate"),
}


def _short_then_full(also: str) -> Fault:
    steps = iter([-20, errno.ENOSPC])

    def fault(call: Call) -> int | None:
        if call.name == also:
            return errno.EIO
        return next(steps, None) if call.name == "write" else None

    return fault


def _dead(*names: str) -> Fault:
    return lambda call: errno.EIO if call.name in names else None


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("crash", Crash)
def test_recovery_of_the_disk(name: str, crash: Crash) -> None:
    """A failed flush is never acknowledged nor replayed once the log goes on; its number is used by the next."""
    files = JournallingFiles()
    wal = run(wal_on(files))
    write(wal, 1)
    files.fault = FAULTS[name]()
    with pytest.raises(WriteFailedError, match="the write was not acknowledged"):
        write(wal, 2)
    files.fault = None
    assert write(wal, 3) == 2
    assert write(wal, 4) == 3
    assert values(wal.contents(2).rows[0])[0]["time"] == 3
    wal.close()
    assert replayed(files.crashed(crash)) == [(1, 1), (2, 3), (3, 4)]


@pytest.mark.parametrize("crash", Crash)
@pytest.mark.parametrize("name", ["disk full", "sync fails", "short write, then full"])
def test_recovery_failed_write_does_not_come_back(name: str, crash: Crash) -> None:
    """Where the failed bytes could be cut off, a restart right after does not find them."""
    files = JournallingFiles()
    wal = run(wal_on(files))
    write(wal, 1)
    files.fault = FAULTS[name]()
    with pytest.raises(WriteFailedError):
        write(wal, 2)
    wal.close()
    assert replayed(files.crashed(crash)) == [(1, 1)]


@pytest.mark.parametrize("operation", ["create", "write", "sync", "sync_folder"])
def test_recovery_of_a_segment_that_cannot_be_made(operation: str) -> None:
    """When the new segment fails at any step, its write fails, and the next write makes another."""
    files = JournallingFiles()
    wal = run(wal_on(files, segment_bytes=1))
    write(wal, 1)
    files.fault = fail_at(operation, errno.ENOSPC)
    with pytest.raises(WriteFailedError):
        write(wal, 2)
    files.fault = None
    assert write(wal, 3) == 2
    wal.close()
    assert replayed(files.crashed(Crash.LOST)) == [(1, 1), (2, 3)]


def test_recovery_a_full_disk_gathers_no_files() -> None:
    """However often a write fails, no empty segment is left behind."""
    files = JournallingFiles()
    wal = run(wal_on(files))
    write(wal, 1)
    files.fault = lambda call: errno.ENOSPC if call.name == "write" and len(call.data) > 12 else None
    for _ in range(5):
        with pytest.raises(WriteFailedError):
            write(wal, 2)
    assert len(files.files()) == 1
    wal.close()


def test_recovery_refuses_damage_in_the_middle() -> None:
    """A bad record with a good one behind it is damage, not a crash: nothing is dropped in silence."""
    files = JournallingFiles()
    wal = run(wal_on(files))
    for time in range(3):
        write(wal, time)
    wal.close()
    path = FOLDER / f"00000001-{1:020}.wal"
    data = bytearray(files.files()[path])
    data[40] ^= 0xFF
    with pytest.raises(CorruptFileError, match=r"offset 12 is damaged.*restore the file") as caught:
        replayed(JournallingFiles({path: bytes(data)}))
    assert (caught.value.path, caught.value.offset) == (str(path), 12)


def test_recovery_refuses_a_missing_segment() -> None:
    """A gap in the numbers is an error, unless everything up to it is in Parquet files."""
    files = JournallingFiles()
    wal = run(wal_on(files, segment_bytes=1))
    for time in range(3):
        write(wal, time)
    wal.close()
    left = {path: data for path, data in files.files().items() if not path.name.startswith("00000002")}
    with pytest.raises(CorruptFileError, match="begins with record 3, and those from 2 on are missing"):
        replayed(JournallingFiles(left))
    assert replayed(JournallingFiles(left), after=2) == [(3, 2)]


def test_recovery_refuses_an_unknown_version() -> None:
    """A segment of another format version is named, not read."""
    path = FOLDER / f"00000001-{1:020}.wal"
    with pytest.raises(
        DataFormatError, match="it has format version 9; this procengine reads version 1"
    ):
        replayed(JournallingFiles({path: b"procewal" + (9).to_bytes(4, "little")}))


def test_recovery_numbers_go_on_above_the_snapshot() -> None:
    """When no segment is left, numbering goes on above what is in Parquet files."""
    files = JournallingFiles()
    wal = run(wal_on(files), after=41)
    assert write(wal, 1) == 42
    wal.close()
    assert replayed(files, after=41) == [(42, 1)]


def test_recovery_reads_old_contents_after_a_restart() -> None:
    """What was replayed can be looked up by its number."""
    files = JournallingFiles()
    wal = run(wal_on(files))
    write(wal, 7)
    wal.close()
    wal = run(wal_on(files))
    assert values(wal.contents(1).rows[0])[0]["time"] == 7
    wal.close()
