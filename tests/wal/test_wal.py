"""When writes are flushed, in which order they are passed on, and who can read them later."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from procengine.clock import VirtualClock
from procengine.errors import InvalidInputError, StoppedError, WalContentsGoneError, WriteFailedError
from procengine.model.table_rows import WalContents
from procengine.wal import Wal
from tests.some_rows import some_rows, values

NEVER = 3600.0


def wal_of(folder: Path | None, **options: object) -> Wal:
    return Wal(folder, clock=VirtualClock(5), **{"flush_interval_seconds": 0.0, **options})  # type: ignore[arg-type]


def started(wal: Wal, seen: list[WalContents] | None = None) -> Wal:
    list(wal.open())
    wal.start((seen if seen is not None else []).append, lambda contents: None)
    return wal


@pytest.mark.parametrize("stored", [True, False])
def test_wal_first_write_is_flushed_at_once(tmp_path: Path, stored: bool) -> None:
    """The first write after a quiet time does not wait for the interval (group commit, leading edge)."""
    wal = started(wal_of(tmp_path if stored else None, flush_interval_seconds=NEVER))
    assert wal.append([some_rows(("a", 1, 1.0))]).wait(timeout=10) == 1
    wal.close()


def test_wal_writes_within_the_interval_share_a_flush(tmp_path: Path) -> None:
    """Writes that arrive within the interval of the last flush share the next one, in their order."""
    seen: list[WalContents] = []
    wal = started(wal_of(tmp_path, flush_interval_seconds=NEVER), seen)
    wal.append([some_rows(("a", 0, 0.0))]).wait()
    pending = [wal.append([some_rows(("a", time, 0.0))]) for time in range(1, 4)]
    wal.flush()
    assert [one.wait(timeout=10) for one in pending] == [2, 2, 2]
    assert [[values(rows)[0]["time"] for rows in contents.rows] for contents in seen] == [[0], [1, 2, 3]]
    wal.close()


def test_wal_waits_no_longer_than_the_interval(tmp_path: Path) -> None:
    """A write within the interval is flushed when the interval is over, without anyone asking."""
    wal = started(wal_of(tmp_path, flush_interval_seconds=0.02))
    wal.append([some_rows(("a", 0, 0.0))]).wait()
    assert wal.append([some_rows(("a", 1, 0.0))]).wait(timeout=10) == 2
    wal.close()


def test_wal_passes_on_in_order_before_it_answers(tmp_path: Path) -> None:
    """Section 2: apply, then offer, then the writer's answer."""
    order: list[str] = []
    wal = wal_of(tmp_path)
    list(wal.open())
    pending_holder = []

    def offer(contents: WalContents) -> None:
        order.append("offer")
        with pytest.raises(TimeoutError):
            pending_holder[0].wait(timeout=0)
        order.append("unanswered")

    ready = threading.Event()

    def apply(contents: WalContents) -> None:
        assert ready.wait(10)
        order.append("apply")

    wal.start(apply, offer)
    pending_holder.append(wal.append([some_rows(("a", 1, 1.0))]))
    ready.set()
    pending_holder[0].wait(timeout=10)
    assert order == ["apply", "offer", "unanswered"]
    wal.close()


def test_wal_goes_on_when_apply_raises(tmp_path: Path) -> None:
    """Rows whose application fails are durable all the same: the writer is answered and the thread lives."""
    wal = wal_of(tmp_path)
    list(wal.open())
    offered: list[int] = []
    wal.start(lambda contents: 1 / 0, lambda contents: offered.append(contents.sequence_number))  # type: ignore[arg-type,return-value]
    assert wal.append([some_rows(("a", 1, 1.0))]).wait(timeout=10) == 1
    assert wal.append([some_rows(("a", 2, 1.0))]).wait(timeout=10) == 2
    assert offered == [1, 2]
    wal.close()


def test_wal_close_flushes_what_is_pending(tmp_path: Path) -> None:
    """Closing loses nothing that was appended, and ends the thread."""
    wal = started(wal_of(tmp_path, flush_interval_seconds=NEVER))
    pending = [wal.append([some_rows(("a", time, 0.0))]) for time in range(3)]
    wal.close()
    assert [one.wait(timeout=0) for one in pending][-1] == wal.last_sequence_number
    assert not [one for one in threading.enumerate() if one.name == "procengine-flush"]


def test_wal_refuses_writes_after_close(tmp_path: Path) -> None:
    """A closed log takes no write, and closing twice is allowed."""
    wal = started(wal_of(tmp_path))
    wal.close()
    wal.close()
    with pytest.raises(StoppedError, match="the write-ahead log is closed"):
        wal.append([some_rows(("a", 1, 1.0))])


def test_wal_closed_before_start_answers_its_writers() -> None:
    """No writer is left waiting by a log that never ran."""
    wal = wal_of(None)
    pending = wal.append([some_rows(("a", 1, 1.0))])
    wal.close()
    with pytest.raises(StoppedError):
        pending.wait(timeout=10)


def test_wal_wait_ends_by_its_time() -> None:
    """A wait with a time-out raises TimeoutError, and the write goes on."""
    wal = wal_of(None)
    pending = wal.append([some_rows(("a", 1, 1.0))])
    with pytest.raises(TimeoutError):
        pending.wait(timeout=0.001)
    started(wal)
    assert pending.wait(timeout=10) == 1
    wal.close()


@pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="signals cannot be sent to a thread here"
)
def test_wal_wait_can_be_interrupted() -> None:
    """An interrupt of the kernel ends a writer's wait on the main thread at once; the write goes on."""
    wal = wal_of(None)
    pending = wal.append([some_rows(("a", 1, 1.0))])
    main = threading.main_thread().ident
    assert main is not None
    interrupt = threading.Thread(target=signal.pthread_kill, args=(main, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        interrupt.start()
        pending.wait(timeout=10)
    interrupt.join()
    started(wal)
    assert pending.wait(timeout=10) == 1
    wal.close()


def test_wal_contents_are_shared_while_recent(tmp_path: Path) -> None:
    """Recent contents are the very rows that were written, not copies."""
    wal = started(wal_of(tmp_path))
    rows = some_rows(("a", 1, 1.0))
    number = wal.append([rows]).wait()
    assert wal.contents(number).rows[0] is rows
    wal.close()


def test_wal_contents_beyond_memory_are_read_from_disk(tmp_path: Path) -> None:
    """With a folder, contents that left memory come from their file, over segment ends too."""
    wal = started(wal_of(tmp_path, retained_bytes=1, segment_bytes=2000))
    for time in range(10):
        wal.append([some_rows(("a", time, float(time)))]).wait()
    assert wal.statistics().segment_count > 2
    assert [values(wal.contents(number).rows[0])[0]["time"] for number in range(1, 11)] == list(
        range(10)
    )
    wal.close()


def test_wal_memory_store_lets_the_oldest_go() -> None:
    """Without a folder the log is a bounded ring; what left it is gone, and says so."""
    wal = started(wal_of(None, retained_bytes=1))
    for time in range(3):
        wal.append([some_rows(("a", time, 0.0))]).wait()
    assert wal.contents(3).sequence_number == 3
    with pytest.raises(WalContentsGoneError, match="WAL contents 1 are not there: the log has let go"):
        wal.contents(1)
    with pytest.raises(LookupError, match="the last flush is 3"):
        wal.contents(4)
    wal.close()


def test_wal_counts_what_contents_take_in_memory() -> None:
    """A write of one row is counted with the objects that hold it, which are most of it."""
    wal = started(wal_of(None, retained_bytes=100_000))
    for time in range(100):
        wal.append([some_rows(("a", time, 0.0))]).wait()
    assert wal.contents(100).size_bytes > 3_000
    assert wal.statistics().recent_bytes <= 100_000
    with pytest.raises(WalContentsGoneError):
        wal.contents(60)
    wal.contents(90)
    wal.close()


def test_wal_retain_from_removes_segments_wholly_below(tmp_path: Path) -> None:
    """Segments go when all their records are below the number, and the others stay readable."""
    wal = started(wal_of(tmp_path, retained_bytes=1, segment_bytes=1))
    for time in range(5):
        wal.append([some_rows(("a", time, 0.0))]).wait()
    wal.retain_from(4)
    assert wal.statistics().segment_count == len(list(tmp_path.iterdir())) == 2
    assert wal.contents(4).sequence_number == 4
    with pytest.raises(WalContentsGoneError):
        wal.contents(3)
    wal.close()


def test_wal_many_writers_are_all_acknowledged(tmp_path: Path) -> None:
    """Concurrent writers share flushes; each row is in exactly one, and numbers have no gaps."""
    seen: list[WalContents] = []
    wal = started(wal_of(tmp_path), seen)

    def write(first: int) -> None:
        for time in range(first, first + 25):
            wal.append([some_rows(("a", time, 0.0))]).wait(timeout=10)

    writers = [threading.Thread(target=write, args=(100 * one,)) for one in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    wal.close()
    times = [values(rows)[0]["time"] for contents in seen for rows in contents.rows]
    assert sorted(times) == sorted(100 * one + offset for one in range(4) for offset in range(25))
    assert [contents.sequence_number for contents in seen] == list(range(1, len(seen) + 1))


def test_wal_refuses_a_write_larger_than_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that no record can hold is refused before anything is stored."""
    monkeypatch.setattr("procengine.wal.wal.MAX_APPEND_BYTES", 10)
    wal = wal_of(None)
    with pytest.raises(InvalidInputError, match="the limit is 10; split the write"):
        wal.append([some_rows(("a", 1, 1.0))])


def test_wal_large_writes_do_not_share_a_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush takes no more than its limit of bytes; what is over goes into the next, in order."""
    monkeypatch.setattr("procengine.wal.wal.MAX_FLUSH_BYTES", 1)
    wal = wal_of(None)
    pending = [wal.append([some_rows(("a", time, 0.0))]) for time in range(3)]
    started(wal)
    wal.flush()
    assert [one.wait(timeout=10) for one in pending] == [1, 2, 3]
    wal.close()


def test_wal_failure_says_why(tmp_path: Path) -> None:
    """The writer learns the cause of a failed flush."""
    wal = wal_of(tmp_path / "gone")
    list(wal.open())
    (tmp_path / "gone").rmdir()
    wal.start(lambda contents: None, lambda contents: None)
    with pytest.raises(WriteFailedError, match=r"not acknowledged: .*No such file or directory"):
        wal.append([some_rows(("a", 1, 1.0))]).wait(timeout=10)
    wal.close()
