"""Each row is in exactly one place at every instant, for readers and over crashes."""

from __future__ import annotations

import errno
import gc
import io
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from procengine.clock import VirtualClock
from procengine.errors import CorruptFileError, DataFormatError, StorageError
from procengine.file_system import LOCAL
from procengine.wal import Wal
from procengine.write.file_index import FileIndex
from procengine.write.parquet_file import ParquetFile
from procengine.write.snapshot import absorbable
from procengine.write.snapshot_tracker import SnapshotPolicy
from procengine.write.snapshots import Snapshots
from procengine.write.write_buffer import WriteBuffer
from tests.journalling_files import Call, Crash, JournallingFiles
from tests.some_rows import some_rows
from tests.write.buffers import FOLDER, MINUTE_NS, SmallCatalog, apply, contents, merged, stored

LOG = Path("/wal")


def buffer_on(files: JournallingFiles, **policy: int) -> WriteBuffer:
    return WriteBuffer(
        FOLDER, catalog=SmallCatalog(), file_system=files, policy=SnapshotPolicy(**policy)
    )


def loaded(files: JournallingFiles) -> WriteBuffer:
    buffer = buffer_on(files)
    buffer.load()
    return buffer


def test_snapshot_moves_rows_to_a_sorted_file() -> None:
    """A file is sorted by series key and time, has no duplicates, and keeps the Arrow types."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    apply(buffer, 1, ("b", 1, 1.0), ("a", 2, 2.0), ("a", 1, 3.0))
    apply(buffer, 2, ("b", 1, 4.0))
    made = buffer.snapshot()
    assert made is not None
    assert (made.wal_sequence_number, made.row_count) == (2, 3)
    view = buffer.view(1)
    assert stored(view, files) == [[("a", 3.0, 1), ("a", 2.0, 2), ("b", 4.0, 1)]]
    (file,) = view.files
    assert (file.min_time_ns, file.max_time_ns, file.sort_key) == (1, 2, ("room", "time"))
    content = files.read(Path(file.path))
    assert file.size_bytes == len(content)
    assert pq.read_schema(io.BytesIO(content)).equals(view.arrow_schema)


def test_snapshot_row_groups_have_the_tags_that_they_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group stores no tag values but its own: not those of all series of the file."""
    monkeypatch.setattr("procengine.write.parquet_writer.ROW_GROUP_ROWS", 2)
    files = JournallingFiles()
    buffer = buffer_on(files)
    apply(buffer, 1, ("c", 1, 1.0), ("a", 1, 2.0), ("b", 1, 3.0), ("a", 2, 4.0), ("c", 2, 5.0))
    buffer.snapshot()
    (file,) = buffer.view(1).files
    content = pq.ParquetFile(io.BytesIO(files.read(Path(file.path))))
    groups = [content.read_row_group(number)["room"] for number in range(content.num_row_groups)]
    assert [group.to_pylist() for group in groups] == [["a", "a"], ["b", "c"], ["c"]]
    dictionaries = [group.combine_chunks().dictionary.to_pylist() for group in groups]
    assert dictionaries == [["a"], ["b", "c"], ["c"]]


def test_snapshot_with_nothing_new_does_nothing() -> None:
    """A second snapshot without writes in between leaves everything as it is."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    assert buffer.snapshot() is None
    apply(buffer, 1, ("a", 1, 1.0))
    assert buffer.snapshot() is not None
    calls = len(files.calls)
    assert buffer.snapshot() is None
    assert len(files.calls) == calls


def test_snapshot_splits_files_between_gen1_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files hold whole gen1 chunks, do not overlap in time, and few chunks share one."""
    monkeypatch.setattr("procengine.write.parquet_writer.FILE_ROWS", 3)
    files = JournallingFiles()
    buffer = buffer_on(files)
    apply(buffer, 1, *(("a", minute * MINUTE_NS, 0.0) for minute in (25, 0, 9, 10, 11, 31)))
    buffer.snapshot()
    view = buffer.view(1)
    times = [[cell[2] // MINUTE_NS for cell in piece] for piece in stored(view, files)]
    assert times == [[0, 9], [10, 11, 25], [31]]
    assert view.overlaps == ()


def test_snapshot_rows_before_1970_have_their_chunk() -> None:
    """Times before the epoch are rows like others."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    apply(buffer, 1, ("a", -1, 1.0), ("a", 0, 2.0))
    buffer.snapshot()
    assert merged(buffer.view(1), files) == [("a", 1.0, -1), ("a", 2.0, 0)]


def test_snapshot_marks_where_buffer_and_files_overlap() -> None:
    """Rows that come after the snapshot of their time overlap the file; the next snapshot makes one file of both."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    apply(buffer, 1, ("a", 10, 1.0), ("a", 20, 1.0))
    buffer.snapshot()
    apply(buffer, 2, ("a", 20, 2.0), ("a", 30, 2.0))
    view = buffer.view(1)
    assert view.overlaps == ((20, 20),)
    buffer.snapshot()
    assert buffer.view(1).overlaps == ()
    assert merged(buffer.view(1), files) == [("a", 1.0, 10), ("a", 2.0, 20), ("a", 2.0, 30)]


def test_snapshot_files_are_there_after_a_restart() -> None:
    """Loading gives the files and the flush up to which they are complete; the log's replay adds nothing twice."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    apply(buffer, 1, ("a", 1, 1.0))
    apply(buffer, 2, ("a", 2, 2.0), table_id=2)
    buffer.snapshot()
    again = buffer_on(files)
    assert again.load() == 2
    assert again.files() == buffer.files()
    apply(again, 2, ("a", 2, 2.0), table_id=2)
    apply(again, 3, ("a", 3, 3.0), table_id=2)
    assert merged(again.view(2), files) == [("a", 2.0, 2), ("a", 3.0, 3)]


@pytest.mark.parametrize("crash", Crash)
def test_snapshot_survives_a_crash_anywhere(crash: Crash) -> None:
    """Wherever a crash falls, files and log together hold each acknowledged row once, and no file is left over."""
    files = JournallingFiles()
    wal = Wal(LOG, clock=VirtualClock(), flush_interval_seconds=0, file_system=files, segment_bytes=1)
    buffer = buffer_on(files)
    list(wal.open())
    wal.start(buffer.apply, lambda flushed: None)
    acknowledged: list[tuple[int, int]] = []
    for number in range(1, 5):
        wal.append([some_rows(("a", number, float(number)))]).wait(timeout=10)
        acknowledged.append((len(files.calls), number))
        if number % 2 == 0:
            made = buffer.snapshot()
            assert made is not None
            wal.retain_from(made.wal_sequence_number + 1)
    wal.close()
    for calls in range(len(files.calls) + 1):
        disk = files.crashed(crash, calls=calls)
        restarted = buffer_on(disk)
        after = restarted.load()
        for one in Wal(LOG, clock=VirtualClock(), file_system=disk).open(after=after):
            restarted.apply(one)
        restarted.loaded()
        view = restarted.view(1)
        numbers = sorted(cell[2] for piece in stored(view, disk) for cell in piece)
        count = sum(position <= calls for position, _ in acknowledged)
        assert numbers in (list(range(1, count + 1)), list(range(1, count + 2)))
        left = [path for path in disk.files() if path.suffix in (".parquet", ".part")]
        assert len([path for path in left if path.suffix == ".parquet"]) == len(view.files)


@pytest.mark.parametrize("name", ["create", "write", "sync", "replace", "sync_folder"])
@pytest.mark.parametrize("skip", [0, 1])
def test_snapshot_that_fails_loses_nothing(name: str, skip: int) -> None:
    """Whichever call the disk refuses, for a Parquet file or the index, the next snapshot has all rows."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    apply(buffer, 1, ("a", 1, 1.0))
    left = [skip]

    def fault(call: Call) -> int | None:
        if call.name != name:
            return None
        left[0] -= 1
        return errno.ENOSPC if left[0] == -1 else None

    files.fault = fault
    with pytest.raises(StorageError, match=r"snapshot failed, and nothing is lost: .*No space left"):
        buffer.snapshot()
    files.fault = None
    apply(buffer, 2, ("a", 2, 2.0))
    assert merged(buffer.view(1), files) == [("a", 1.0, 1), ("a", 2.0, 2)]
    assert buffer.snapshot() is not None
    for view, disk in ((buffer.view(1), files), (loaded(files).view(1), files)):
        assert stored(view, disk) == [[("a", 1.0, 1), ("a", 2.0, 2)]]


def test_snapshot_readers_see_each_row_once() -> None:
    """While snapshots are made and rows come in, every view holds a prefix of the writes, each row once."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    done = threading.Event()
    problems: list[object] = []

    def read() -> None:
        while not done.is_set():
            view = buffer.view(1)
            times = sorted(cell[2] for piece in stored(view, files) for cell in piece)
            if times != list(range(1, len(times) + 1)):
                problems.append(times)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 121):
        apply(buffer, number, ("a", number, 0.0))
        if number % 20 == 0:
            buffer.snapshot()
    done.set()
    for reader in readers:
        reader.join()
    assert problems == []
    assert buffer.statistics().buffered_row_count == 0


def test_snapshot_view_outlives_the_deletion_of_its_table(tmp_path: Path) -> None:
    """A deleted table's files go when the last view that names them does, and not before."""
    buffer = WriteBuffer(tmp_path, catalog=SmallCatalog(), retired_file_seconds=0)
    buffer.load()
    apply(buffer, 1, ("a", 1, 1.0))
    buffer.snapshot()
    view = buffer.view(1).prune(0, 10)
    path = Path(view.files[0].path)
    buffer.delete_table(1)
    assert buffer.view(1).files == ()
    buffer.compact()
    assert merged(view, LOCAL) == [("a", 1.0, 1)]
    del view
    gc.collect()
    buffer.compact()
    assert not path.exists()


def test_snapshot_replaced_files_stay_for_a_while(tmp_path: Path) -> None:
    """A query may open a file later by its path: a replaced file outlives its last view for some time."""
    buffer = WriteBuffer(tmp_path, catalog=SmallCatalog(), retired_file_seconds=3600)
    buffer.load()
    apply(buffer, 1, ("a", 1, 1.0))
    buffer.snapshot()
    path = Path(buffer.files()[0].path)
    apply(buffer, 2, ("a", 2, 1.0))
    buffer.snapshot()
    buffer.compact()
    assert path.exists()
    assert path not in [Path(file.path) for file in buffer.files()]
    again = WriteBuffer(tmp_path, catalog=SmallCatalog())
    again.load()
    assert path.exists()
    again.loaded()
    assert not path.exists()
    assert again.files() == buffer.files()


def test_snapshot_keeps_files_few() -> None:
    """However many small snapshots there are, few files are left, each row in one of them."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    for number in range(1, 41):
        apply(buffer, number, ("a", number, 0.0), ("b", 50 - number, 0.0))
        buffer.snapshot()
    view = buffer.view(1)
    assert len(view.files) <= 6
    assert len(merged(view, files)) == 80
    assert view.files == tuple(sorted(view.files, key=lambda file: file.number))


def test_snapshot_rewritten_files_keep_the_order_of_age() -> None:
    """A value in a file that was written again is still older than one written after it, and newer than before."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    for number in range(1, 12):
        apply(
            buffer,
            number,
            ("a", 1, float(number)),
            *(("b", 100 * number + n, 0.0) for n in range(12 - number)),
        )
        buffer.snapshot()
        assert merged(buffer.view(1), files)[0] == ("a", float(number), 1)


def test_snapshot_leaves_an_unreadable_file_alone() -> None:
    """A damaged file does not keep later rows out of Parquet; it stays for its reader to report."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    apply(buffer, 1, ("a", 1, 1.0))
    buffer.snapshot()
    (damaged,) = buffer.files()
    content = files.files() | {Path(damaged.path): b"PAR1 no more"}
    buffer = loaded(JournallingFiles(content))
    apply(buffer, 2, ("a", 2, 1.0))
    assert buffer.snapshot() is not None
    assert len(buffer.files()) == 2


@pytest.mark.parametrize(
    ("sizes", "new", "count"),
    [((100, 10), 3, 0), ((100, 6), 3, 1), ((100, 8, 6), 3, 2), ((5,), 1_000_000, 0), ((), 5, 0)],
)
def test_absorbable_files(sizes: tuple[int, ...], new: int, count: int) -> None:
    """The newest files are written again while each is at most twice as large as what is added to it."""
    files = [file_of(number, size) for number, size in enumerate(sizes)]
    assert absorbable(files, new) == tuple(files[len(files) - count :])


def file_of(number: int, row_count: int, *, size_bytes: int = 1) -> ParquetFile:
    return ParquetFile(
        path="",
        number=number,
        database_id=1,
        table_id=1,
        size_bytes=size_bytes,
        checksum=0,
        row_count=row_count,
        min_time_ns=0,
        max_time_ns=0,
        sort_key=("time",),
    )


def test_snapshot_deleted_table_stays_deleted() -> None:
    """After a restart neither files nor the log bring a deleted table's rows back."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    apply(buffer, 1, ("a", 1, 1.0))
    buffer.snapshot()
    buffer.delete_table(1)
    again = buffer_on(files.crashed(Crash.LOST))
    assert again.load() == 1
    apply(again, 2, ("a", 2, 2.0))
    assert again.view(1).files == again.view(1).batches() == ()


def test_snapshot_leftovers_are_removed_at_load() -> None:
    """Files that the index does not name, finished or not, go at the next start, once the log was read as well."""
    left = FOLDER / "1" / "1"
    index = snapshot_index()
    leftovers = {left / "0000000009.parquet": b"x", left / "0000000010.parquet.part": b"y"}
    files = JournallingFiles({FOLDER / "index": index, **leftovers})
    buffer = loaded(files)
    assert files.files().keys() == {FOLDER / "index", *leftovers}
    buffer.loaded()
    assert files.files() == {FOLDER / "index": index}


def snapshot_index() -> bytes:
    """Return an index that names no file."""
    files = JournallingFiles()
    FileIndex(FOLDER, file_system=files).ensure()
    return files.read(FOLDER / "index")


def test_snapshot_files_without_an_index_are_left_alone() -> None:
    """Before the first Parquet file there is an index: one that is missing later is named, and no file is removed."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    apply(buffer, 1, ("a", 1, 1.0))
    buffer.snapshot()
    files.remove(FOLDER / "index")
    before = files.files()
    with pytest.raises(
        CorruptFileError, match=r"file index '/tables/index' is missing, though .*1\.parquet"
    ):
        loaded(files)
    assert files.files() == before


def test_snapshot_missing_file_is_named() -> None:
    """A Parquet file that is gone is an error that names it, not a table with fewer rows."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    apply(buffer, 1, ("a", 1, 1.0))
    buffer.snapshot()
    path = Path(buffer.files()[0].path)
    files.remove(path)
    with pytest.raises(CorruptFileError, match=r"0000000001\.parquet' is missing"):
        loaded(files)


def test_snapshot_index_of_another_version_is_refused() -> None:
    """An index of a later format is named, not read."""
    with pytest.raises(DataFormatError, match="file index '/tables/index': it has format version 2"):
        loaded(JournallingFiles({FOLDER / "index": b"procfile" + (2).to_bytes(4, "little")}))


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:20] + b"!" + data[21:], lambda data: data[:5]]
)
def test_snapshot_damaged_index_is_refused(damage: Callable[[bytes], bytes]) -> None:
    """A damaged index is an error: to go on without it would drop rows in silence."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    apply(buffer, 1, ("a", 1, 1.0))
    buffer.snapshot()
    content = files.files()
    content[FOLDER / "index"] = damage(content[FOLDER / "index"])
    with pytest.raises(CorruptFileError, match="cannot read file index"):
        loaded(JournallingFiles(content))


def test_snapshots_thread_lets_the_log_go() -> None:
    """When the policy says so the thread makes a snapshot, then tells the log; stopping ends it."""
    files = JournallingFiles()
    buffer = buffer_on(files, rows=2)
    told = threading.Event()
    numbers: list[int] = []

    def persisted(number: int) -> None:
        numbers.append(number)
        told.set()

    snapshots = Snapshots(buffer, persisted=persisted, expire=nothing)
    snapshots.start()
    apply(buffer, 1, ("a", 1, 1.0), ("a", 2, 1.0))
    assert told.wait(10)
    snapshots.stop()
    snapshots.stop()
    assert numbers == [1]
    assert not [one for one in threading.enumerate() if one.name == "procengine-snapshot"]


def test_snapshots_thread_tries_again_after_a_failure() -> None:
    """A failed snapshot is made again by itself, without another write."""
    files = JournallingFiles()
    buffer = buffer_on(files, rows=1)
    steps = iter([errno.ENOSPC])
    files.fault = lambda call: next(steps, None)
    told = threading.Event()
    snapshots = Snapshots(
        buffer, persisted=lambda number: told.set(), expire=nothing, retry_seconds=0.01
    )
    snapshots.start()
    apply(buffer, 1, ("a", 1, 1.0))
    assert told.wait(10)
    snapshots.stop()
    assert len(buffer.files()) == 1


def test_snapshot_writes_tables_without_tags() -> None:
    """A table without tags is sorted by time alone."""
    files = JournallingFiles()
    buffer = buffer_on(files)
    rows = some_rows(("a", 1, 1.0))
    batch = pa.record_batch({"temp": [2.0, 1.0], "time": pa.array([2, 1], pa.timestamp("ns"))})
    plain = type(rows)(
        database_id=1, table_id=1, database="db", table="t", batch=batch, shapes=(("temp",),)
    )
    buffer.apply(contents(1, plain))
    buffer.snapshot()
    assert merged(buffer.view(1), files) == [(None, 1.0, 1), (None, 2.0, 2)]
    assert buffer.files()[0].sort_key == ("time",)


def nothing() -> None:
    """Remove nothing."""
