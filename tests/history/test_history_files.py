"""Files of rows: growing, sealed, bounded, torn, refused."""

from __future__ import annotations

import errno
from pathlib import Path

import pyarrow as pa
import pytest

from procengine.history.history_files import CUT_NAME, HistoryFiles, Segments, within
from tests.crash.forms import LONG
from tests.history.numbers import FOLDER, SCHEMA, batch, everything, history, times
from tests.journalling_files import Call, Crash, JournallingFiles

SMALL = 16 * 1_000
"""Total bytes with which a file is full after a few hundred bytes."""


def written(files: JournallingFiles, count: int, *, total_bytes: int = 1 << 20) -> Segments:
    """Write so many rows, each in a record of its own; return the files."""
    kept = history(files, total_bytes=total_bytes)
    segments = kept.open()
    for time in range(count):
        segments = kept.append(segments, batch(time))
        kept.tidy()
    kept.close()
    return segments


def reopened(files: JournallingFiles, *, total_bytes: int = 1 << 20) -> list[int]:
    kept = history(files, total_bytes=total_bytes)
    return everything(kept, kept.open())


def names(files: JournallingFiles) -> list[str]:
    return sorted(path.name for path in files.files())


def test_rows_are_there_again_after_the_process_was_killed() -> None:
    """Nothing is synced record by record: what was written outlives the process, and goes on in the same file."""
    files = JournallingFiles()
    written(files, 3)
    after = files.crashed(Crash.KEPT)
    kept = history(after)
    segments = kept.append(kept.open(), batch(3, 4))
    assert everything(kept, segments) == [0, 1, 2, 3, 4]
    assert names(after) == ["00000001.rows"]


def test_a_full_file_is_written_anew_smaller() -> None:
    """A file that is full is sealed as one compressed batch, under a name that tells bytes, rows and times."""
    files = JournallingFiles()
    segments = written(files, 40, total_bytes=SMALL)
    sealed = [one for one in segments if one.sealed]
    assert len(sealed) >= 2
    first = sealed[0]
    assert first.path.name == f"00000001-{first.size_bytes}-{first.rows}-0-{first.rows - 1}.rows"
    assert len(files.files()[first.path]) == first.size_bytes < SMALL // 16
    assert reopened(files, total_bytes=SMALL) == list(range(40))
    assert len(names(files)) == len(segments)


def test_the_oldest_files_go_when_all_are_too_large() -> None:
    """The bytes of all files are bounded; what is left is the newest rows, without a gap."""
    files = JournallingFiles()
    written(files, 3_000, total_bytes=SMALL)
    left = reopened(files, total_bytes=SMALL)
    assert left[0] > 0
    assert left == list(range(left[0], 3_000))
    assert sum(len(data) for data in files.files().values()) <= SMALL


@pytest.mark.parametrize("total_bytes", [1 << 20, SMALL])
def test_rows_from_before_a_column_was_added_have_null_in_it(total_bytes: int) -> None:
    """A file that an engine before has begun goes on, and is sealed, with both kinds of rows in it."""
    files = JournallingFiles()
    written(files, 40, total_bytes=total_bytes)
    schema = pa.schema([*SCHEMA, pa.field("version", pa.utf8())])
    kept = HistoryFiles(
        FOLDER,
        schema=schema,
        time_column="time",
        total_bytes=total_bytes,
        file_system=files,
        added_columns=1,
    )
    segments = kept.open()
    for time in range(40, 80):
        row = pa.record_batch([pa.array([time], pa.timestamp("ns")), pa.array([f"v{time}"])], schema)
        segments = kept.append(segments, row)
        kept.tidy()
    rows = pa.concat_tables(kept.read(segment) for segment in segments)
    assert times(rows) == list(range(80))
    assert rows["version"].to_pylist() == [None] * 40 + [f"v{time}" for time in range(40, 80)]


@pytest.mark.parametrize("lost", [1, 12, 40])
def test_a_torn_tail_is_cut_and_kept_aside(lost: int, caplog: pytest.LogCaptureFixture) -> None:
    """A record that was being written is cut off, kept, and named; the rows before it are whole."""
    files = JournallingFiles()
    written(files, 3)
    path = FOLDER / "00000001.rows"
    data = files.files()[path]
    torn = JournallingFiles({path: data[:-lost]})
    assert reopened(torn) == [0, 1]
    kept = torn.files()[FOLDER / CUT_NAME]
    assert torn.files()[path] + kept == data[:-lost]
    assert f"bytes of an unfinished or damaged record off {path} at offset" in caplog.text


def test_every_crash_leaves_a_prefix_of_the_rows() -> None:
    """Whatever call the machine stops at, and whatever it loses: the rows that come back are the first so many."""
    files = JournallingFiles()
    written(files, 12, total_bytes=SMALL)
    for calls in range(len(files.calls) + 1):
        for crash in Crash:
            rows = reopened(files.crashed(crash, calls=calls), total_bytes=SMALL)
            assert rows == list(range(len(rows))), (calls, crash)


def test_a_sealed_file_outlives_the_machine() -> None:
    """What was sealed is synced, name and all, before the file that it replaces goes."""
    files = JournallingFiles()
    segments = written(files, 40, total_bytes=SMALL)
    sealed = sum(one.rows for one in segments if one.sealed)
    assert len(reopened(files.crashed(Crash.LOST), total_bytes=SMALL)) >= sealed > 0


def test_a_damaged_sealed_file_is_passed_over_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    """Damage costs the rows of its file and nothing else; reading goes on with a warning, the first time."""
    files = JournallingFiles()
    segments = written(files, 40, total_bytes=SMALL)
    data = files.files()
    path = segments[0].path
    data[path] = data[path][:40] + b"?" + data[path][41:]
    kept = history(JournallingFiles(data), total_bytes=SMALL)
    found = kept.open()
    assert everything(kept, found) == everything(kept, found) == list(range(segments[0].rows, 40))
    assert caplog.text.count(f"history file passed over: path={path}") == 1


def test_damage_before_the_end_costs_its_record_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The rows before and after it are read; the file stays as it is, and rows go into another."""
    path = FOLDER / "00000001.rows"
    files = JournallingFiles()
    written(files, 5)
    data = files.files()[path]
    broken = _turned(data, 8 * (len(data) // 2))
    disk = JournallingFiles({path: broken})
    kept = history(disk)
    segments = kept.append(kept.open(), batch(5))
    assert everything(kept, segments) == [0, 1, 3, 4, 5]
    assert disk.files()[path] == broken
    assert f"history file passed over: path={path}, reason=damaged at offset" in caplog.text


def test_no_bit_of_a_history_turns_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever bit of whichever file turns: no other rows come back, few are lost; the file is named and kept."""
    files = JournallingFiles()
    segments = written(files, 25, total_bytes=SMALL)
    assert {one.sealed for one in segments} == {True, False}
    for path, data in files.files().items():
        [rows] = [one.rows for one in segments if one.path == path]
        for bit in range(len(data) * 8) if LONG else range(0, len(data) * 8, 9):
            caplog.clear()
            disk = JournallingFiles({**files.files(), path: _turned(data, bit)})
            found = reopened(disk, total_bytes=SMALL)
            assert sorted(found) == found
            assert set(found) < set(range(25))
            assert len(found) >= 25 - rows
            assert str(path) in caplog.text
            left = disk.files()
            assert left[path] + left.get(FOLDER / CUT_NAME, b"") == _turned(data, bit)


def test_a_history_that_ends_early_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """A sealed file says how long it was: one that is shorter is passed over, and named, down to no bytes at all."""
    files = JournallingFiles()
    segments = written(files, 25, total_bytes=SMALL)
    path = segments[0].path
    data = files.files()[path]
    for end in range(len(data)):
        caplog.clear()
        disk = JournallingFiles({**files.files(), path: data[:end]})
        assert reopened(disk, total_bytes=SMALL) == list(range(segments[0].rows, 25))
        assert f"history file passed over: path={path}" in caplog.text


def test_a_file_that_turned_bad_while_it_grew_is_not_sealed() -> None:
    """What is left of its rows, and its bytes, stay: sealing would take the damaged ones away."""
    files = JournallingFiles()
    kept = history(files, total_bytes=SMALL)
    segments = kept.append(kept.open(), batch(0))
    path = segments[0].path
    spoilt = _turned(files.files()[path], 8 * 40)
    files.do(Call("truncate", path))
    files.do(Call("write", path, spoilt))
    for time in range(1, 40):
        segments = kept.append(segments, batch(time))
        kept.tidy()
    assert everything(kept, segments) == list(range(1, 40))
    assert path in files.files()


def test_ordinals_begin_after_those_that_were_counted() -> None:
    """Rows go into no file that the totals take for counted, even where all files are gone."""
    kept = history(JournallingFiles(), totals=CountedRows(covered=7))
    segments = kept.append(kept.open(), batch(1))
    assert [one.ordinal for one in segments] == [8]


def _turned(data: bytes, bit: int) -> bytes:
    turned = bytearray(data)
    turned[bit // 8] ^= 1 << bit % 8
    return bytes(turned)


def test_a_file_of_another_version_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A file that a later version wrote is named and not touched; rows go into another."""
    path = FOLDER / "00000001.rows"
    data = b"procehst\x09\x00\x00\x00strange"
    files = JournallingFiles({path: data})
    kept = history(files)
    segments = kept.append(kept.open(), batch(1))
    assert everything(kept, segments) == [1]
    assert files.files()[path] == data
    assert "it has format version 9; this procengine reads version 1" in caplog.text


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("name", ["create", "write", "sync", "replace", "sync_folder"])
def test_a_refused_call_loses_nothing_that_was_taken(name: str, error: int) -> None:
    """Each call may fail once: the append then raises, or what it could not tidy up stays; no row comes twice."""
    total = sum(call.name == name for call in _calls_of_a_history())
    for number in range(total):
        files = JournallingFiles()
        kept = history(files, total_bytes=SMALL)
        segments = kept.open()
        files.fault = _fault(name, number, error)
        taken = []
        for time in range(30):
            try:
                segments = kept.append(segments, batch(time))
            except OSError:
                continue
            taken.append(time)
            kept.tidy()
        assert everything(kept, segments) == taken, number
        assert reopened(files.crashed(Crash.KEPT), total_bytes=SMALL) == taken, number
        assert len(taken) >= 29


def test_short_writes_are_continued() -> None:
    """A write that takes a part of the bytes is no error."""
    files = JournallingFiles()
    files.fault = lambda call: -3 if call.name == "write" and len(call.data) > 3 else None
    kept = history(files)
    assert everything(kept, kept.append(kept.open(), batch(7))) == [7]


def test_where_a_failed_record_cannot_be_cut_another_file_goes_on() -> None:
    """What a refused write left in a file is not read, and the rows after it go into the next."""
    files = JournallingFiles()
    kept = history(files)
    segments = kept.append(kept.open(), batch(1))
    half = iter([-20, errno.ENOSPC])

    def fault(call: Call) -> int | None:
        return errno.EIO if call.name == "truncate" else next(half) if call.name == "write" else None

    files.fault = fault
    with pytest.raises(OSError, match="No space left"):
        kept.append(segments, batch(2))
    files.fault = None
    segments = kept.append(segments, batch(3))
    assert everything(kept, segments) == [1, 3]
    assert reopened(files.crashed(Crash.KEPT)) == [1, 3]


def test_a_reader_opens_no_file_from_before_the_time_it_asks_for() -> None:
    """Files tell the times of their rows by name."""
    segments = written(JournallingFiles(), 40, total_bytes=SMALL)
    last = segments[0].max_ns
    assert [*within(segments, last + 1)] == [*segments[1:]]
    assert [*within(segments, last)] == [*within(segments, None)] == [*segments]


class CountedRows:
    """Totals that remember what they were given."""

    def __init__(self, covered: int = 0) -> None:
        self.covered = covered
        self.rows: list[int] = []
        self.saved = 0

    def load(self) -> None:
        pass

    def add(self, ordinal: int, rows: pa.Table) -> None:
        self.covered = ordinal
        self.rows += times(rows)

    def save(self) -> None:
        self.saved = self.covered


def test_rows_are_counted_before_they_go() -> None:
    """Each row of a file that grows no more is counted once, and the count is written before the file goes."""
    files, totals = JournallingFiles(), CountedRows()
    kept = history(files, total_bytes=SMALL, totals=totals)
    segments = kept.open()
    for time in range(1_500):
        segments = kept.append(segments, batch(time))
        gone = segments[0].ordinal - 1
        assert totals.saved >= gone
        kept.tidy()
    grows = segments[-1].rows if not segments[-1].sealed else 0
    assert totals.rows == list(range(1_500 - grows))


def test_rows_that_were_not_counted_are_counted_at_the_next_start() -> None:
    """Totals that lag behind the files catch up with them."""
    files = JournallingFiles()
    segments = written(files, 40, total_bytes=SMALL)
    totals = CountedRows(covered=1)
    history(files, total_bytes=SMALL, totals=totals).open()
    sealed = sum(one.rows for one in segments if one.sealed)
    assert totals.rows == list(range(segments[0].rows, sealed))


def _calls_of_a_history() -> list[Call]:
    files = JournallingFiles()
    written(files, 30, total_bytes=SMALL)
    return files.calls


def _fault(name: str, number: int, error: int) -> object:
    seen = iter(range(1_000_000))

    def fault(call: Call) -> int | None:
        return error if call.name == name and next(seen) == number else None

    return fault


def test_what_a_crash_left_half_written_is_removed() -> None:
    """A part of a sealed file, and a file that was sealed and not yet removed, are gone after the next start."""
    files = JournallingFiles()
    segments = written(files, 40, total_bytes=SMALL)
    part = Path(f"{segments[0].path}.part")
    left = {part: b"half", FOLDER / "00000001.rows": b"procehst\x01\x00\x00\x00"}
    again = JournallingFiles({**files.files(), **left})
    assert reopened(again, total_bytes=SMALL) == list(range(40))
    assert names(again) == names(files)
