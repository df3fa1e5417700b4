"""Rows in memory and on disk."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

import pytest

from procengine.history.history_writer import Written
from procengine.history.journal import Journal
from tests.history.numbers import history, journal, number_format, times
from tests.journalling_files import Call, Crash, JournallingFiles


def add(made: Journal[int], *rows: int) -> None:
    for row in rows:
        made.add(row)


def test_a_reader_finds_each_row_once_wherever_it_is() -> None:
    """Rows on disk come first, then those that wait."""
    made = journal(JournallingFiles())
    add(made, 1, 2)
    made.write_waiting()
    add(made, 3)
    assert times(made.table()) == [1, 2, 3]
    assert made.newest() == (1, 2, 3)


def test_rows_are_there_again_and_the_newest_are_in_memory() -> None:
    """A journal that is opened has the newest rows in memory, and all of them on disk."""
    files = JournallingFiles()
    made = journal(files)
    add(made, *range(10))
    made.write_waiting()
    again = journal(files.crashed(Crash.KEPT), capacity=4)
    assert again.newest() == (6, 7, 8, 9)
    assert times(again.table()) == list(range(10))
    assert (again.is_whole, journal(files.crashed(Crash.KEPT)).is_whole) == (False, True)


def test_without_files_the_ring_is_all() -> None:
    """Object store memory: the newest rows, and nothing waits."""
    made = journal(None, capacity=3)
    add(made, *range(5))
    assert times(made.table()) == [2, 3, 4]
    assert (made.is_whole, made.write_waiting(), made.waiting) == (True, Written.NOTHING, 0)


def test_a_follower_gets_each_row_once() -> None:
    """Who begins with all rows and goes on with those added since misses none, wherever they are by then."""
    made = journal(JournallingFiles(), capacity=3)
    add(made, 1, 2)
    made.write_waiting()
    add(made, 3)
    seen, rows = made.counted_table()
    assert (seen, times(rows)) == (3, [1, 2, 3])
    assert made.added_since(seen) == (3, ())
    add(made, 4, 5)
    assert made.added_since(seen) == (5, (4, 5))
    add(made, 6, 7)
    assert made.added_since(seen) == (7, None)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_rows_hurts_nobody(error: int, caplog: pytest.LogCaptureFixture) -> None:
    """The rows wait, are found, and are written once the disk takes them; it is said once."""
    files = JournallingFiles()
    made = journal(files)
    files.fault = lambda call: error if call.name in ("create", "write") else None
    add(made, 1, 2)
    assert made.write_waiting() is Written.REFUSED
    add(made, 3)
    assert made.write_waiting() is Written.REFUSED
    assert times(made.table()) == [1, 2, 3]
    statistics = made.statistics()
    assert (statistics.waiting_rows, statistics.lost_rows, statistics.last_error is None) == (
        3,
        0,
        False,
    )
    files.fault = None
    assert made.write_waiting() is Written.DONE
    assert times(made.table()) == [1, 2, 3]
    assert made.statistics().last_error is None
    assert caplog.text.count("the disk refuses them") == 1
    assert journal(files.crashed(Crash.KEPT)).newest() == (1, 2, 3)


def test_only_as_many_refused_rows_wait_as_the_ring_holds() -> None:
    """Memory is bounded: of refused rows the oldest are lost, and counted."""
    files = JournallingFiles()
    made = journal(files, capacity=3)
    files.fault = lambda call: errno.ENOSPC
    add(made, *range(5))
    made.write_waiting()
    assert times(made.table()) == [2, 3, 4]
    assert made.statistics().lost_rows == 2


def test_a_folder_that_cannot_be_read_leaves_the_ring(caplog: pytest.LogCaptureFixture) -> None:
    """Where the history cannot be opened the engine runs on, with what is in memory."""

    class Unreadable(JournallingFiles):
        def names(self, folder: object) -> Sequence[str]:
            raise OSError(errno.EIO, "Input/output error")

    made = journal(Unreadable())
    add(made, 1)
    assert times(made.table()) == [1]
    assert made.statistics().last_error is not None
    assert "history cannot be read or kept" in caplog.text


def test_rows_that_this_version_cannot_tell_leave_the_ring(caplog: pytest.LogCaptureFixture) -> None:
    """A history that cannot be decoded is left as it is, and keeps no engine from starting."""
    files = JournallingFiles()
    made = journal(files)
    add(made, 1)
    made.write_waiting()
    before = files.files()

    def decode(rows: object) -> list[int]:
        raise ValueError("'strange' is not a valid RunOutcome")

    again = Journal(number_format(decode), 10, files=history(files))
    again.open()
    add(again, 2)
    assert again.write_waiting() is Written.NOTHING
    assert (times(again.table()), files.files()) == ([2], before)
    assert "history cannot be read or kept: 'strange'" in caplog.text


def test_rows_that_cannot_be_encoded_are_kept_in_memory(caplog: pytest.LogCaptureFixture) -> None:
    """A row that has no columns is a fault of ours: it is logged, and the next rows are written."""
    made = journal(JournallingFiles())
    made.add(1 << 70)
    made.write_waiting()
    made.clear()
    made.add(5)
    made.write_waiting()
    assert times(made.table()) == [5]
    assert "history rows are kept in memory alone: count=1" in caplog.text


def test_a_reader_begins_again_when_files_go_meanwhile() -> None:
    """A file that goes between the look at the list and the reading costs no row that is still kept."""
    files = JournallingFiles()
    made = journal(files, total_bytes=16 * 500)
    add(made, *range(3))
    made.write_waiting()
    real, read = files.read, []

    def reading(path: object, offset: int = 0, size_bytes: int = -1) -> bytes:
        if not read:
            read.append(path)
            add(made, *range(3, 100))
            while len([call for call in files.calls if call.name == "remove"]) < 1:
                add(made, 100)
                made.write_waiting()
            raise FileNotFoundError(str(path))
        return real(path, offset, size_bytes)  # type: ignore[arg-type]

    files.read = reading  # type: ignore[method-assign, assignment]
    assert times(made.table())[:100] == list(range(100))


@pytest.mark.parametrize("how", ["removed", "unreadable"])
def test_a_reader_passes_over_a_file_that_it_cannot_have(how: str) -> None:
    """A file that is gone, though nobody here removed it, or that the disk refuses, costs its own rows alone."""
    files = JournallingFiles()
    made = journal(files, total_bytes=16)  # each record fills a file
    for number in range(2):
        add(made, number)
        made.write_waiting()
    made = journal(files, total_bytes=1 << 20)
    add(made, 9)
    [kept] = [path for path in files.files() if path.name.startswith("00000002")]
    add(made, 10)
    made.write_waiting()
    real = files.read

    def reading(path: Path, offset: int = 0, size_bytes: int = -1) -> bytes:
        if path == kept:
            raise OSError(errno.EIO, "Input/output error")
        return real(path, offset, size_bytes)

    if how == "removed":
        files.do(Call("remove", kept))
    else:
        files.read = reading  # type: ignore[method-assign]
    add(made, 11)
    assert times(made.table()) == [9, 10, 11]
