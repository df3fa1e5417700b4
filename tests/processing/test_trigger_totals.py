"""What outlives the rows of the run history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from procengine.model.run import Cause, CauseKind, Run, RunFailure, RunOutcome
from procengine.model.run_columns import RUN_COLUMNS, encode_runs
from procengine.model.trigger import TriggerKind
from procengine.processing import trigger_totals
from procengine.processing.trigger_statistics import TriggerTotal
from procengine.processing.trigger_totals import ADDED_FILES, TriggerTotals
from tests.journalling_files import Crash, JournallingFiles

FOLDER = Path("/state/runs")
NO_ROWS = RUN_COLUMNS.empty_table()
FAILURE = RunFailure(
    type_name="ValueError",
    message="ValueError: no",
    traceback_text="...",
    filename="p.py",
    line_number=3,
)


def a_run(trigger_id: int, start_ns: int, failure: RunFailure | None = None) -> Run:
    return Run(
        run_id=start_ns,
        trigger_id=trigger_id,
        database="db",
        trigger="t",
        plugin_filename="p.py",
        kind=TriggerKind.SCHEDULE,
        cause=Cause(kind=CauseKind.TICK),
        started_ns=start_ns,
        queue_wait_ns=0,
        duration_ns=start_ns * 10,
        cpu_ns=0,
        outcome=RunOutcome.SUCCESS if failure is None else RunOutcome.ERROR,
        failure=failure,
    )


def rows(*runs: Run) -> pa.Table:
    return pa.Table.from_batches([encode_runs(runs)], RUN_COLUMNS)


def loaded(files: JournallingFiles) -> TriggerTotals:
    totals = TriggerTotals(FOLDER, file_system=files)
    totals.load()
    return totals


def test_totals_count_by_trigger_and_keep_the_last_failure() -> None:
    """Counts, the last run, and why the last failure happened, though runs have succeeded since."""
    totals = TriggerTotals(FOLDER, file_system=JournallingFiles())
    totals.add(1, rows(a_run(7, 1), a_run(7, 2, FAILURE), a_run(8, 3)))
    totals.add(2, rows(a_run(7, 4)))
    assert totals.with_rows(NO_ROWS) == {
        7: TriggerTotal(
            runs=3,
            errors=1,
            last_start_ns=4,
            last_duration_ns=40,
            last_outcome=RunOutcome.SUCCESS,
            last_failure=FAILURE,
        ),
        8: TriggerTotal(
            runs=1, errors=0, last_start_ns=3, last_duration_ns=30, last_outcome=RunOutcome.SUCCESS
        ),
    }


def test_rows_that_still_grow_are_counted_beside_the_totals() -> None:
    """They are in the answer, and not in what is kept."""
    totals = TriggerTotals(FOLDER, file_system=JournallingFiles())
    totals.add(1, rows(a_run(7, 1)))
    assert totals.with_rows(rows(a_run(7, 2), a_run(7, 3)))[7].runs == 3
    assert totals.with_rows(NO_ROWS)[7].runs == 1


@pytest.mark.parametrize("crash", Crash)
def test_totals_that_were_written_are_there_again(crash: Crash) -> None:
    """They come back as they were, with the last file that they cover, after whatever crash."""
    files = JournallingFiles()
    totals = TriggerTotals(FOLDER, file_system=files)
    totals.add(5, rows(a_run(7, 1), a_run(9, 2, FAILURE)))
    totals.save()
    again = loaded(files.crashed(crash))
    assert (again.covered, again.with_rows(NO_ROWS)) == (5, totals.with_rows(NO_ROWS))


def test_totals_are_written_after_some_files() -> None:
    """Not at each file, so that many triggers cost little; what is missing is counted from rows."""
    files = JournallingFiles()
    totals = TriggerTotals(FOLDER, file_system=files)
    for ordinal in range(1, ADDED_FILES):
        totals.add(ordinal, rows(a_run(1, ordinal)))
    assert loaded(files).covered == 0
    totals.add(ADDED_FILES, rows(a_run(1, ADDED_FILES)))
    assert loaded(files).covered == ADDED_FILES


def damaged(data: bytes) -> Sequence[bytes]:
    return data[:-3], data[:30] + b"?" + data[31:], b"something else", b""


def test_totals_that_cannot_be_read_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """The rows that are left are then all that counts; the log of Python says so."""
    files = JournallingFiles()
    totals = TriggerTotals(FOLDER, file_system=files)
    totals.add(1, rows(a_run(1, 1)))
    totals.save()
    [(path, data)] = files.files().items()
    for number, broken in enumerate(damaged(data), 1):
        again = loaded(JournallingFiles({path: broken}))
        assert (again.covered, again.with_rows(NO_ROWS)) == (0, {})
        assert caplog.text.count("totals of triggers passed over") == number


def test_no_bit_of_the_totals_turns_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever bit turns, or wherever the file ends: nothing of it is counted, it is named, and kept as it was."""
    files = JournallingFiles()
    totals = TriggerTotals(FOLDER, file_system=files)
    totals.add(1, rows(a_run(1, 1), a_run(2, 2, FAILURE)))
    totals.save()
    [(path, data)] = files.files().items()
    flips = [_turned(data, bit) for bit in range(8 * len(data))]
    for broken in (*flips, *(data[:end] for end in range(len(data)))):
        caplog.clear()
        disk = JournallingFiles({path: broken})
        again = loaded(disk)
        assert (again.covered, again.with_rows(NO_ROWS)) == (0, {})
        assert f"it is kept in {path}.damaged" in caplog.text
        assert disk.files()[Path(f"{path}.damaged")] == broken


def _turned(data: bytes, bit: int) -> bytes:
    turned = bytearray(data)
    turned[bit // 8] ^= 1 << bit % 8
    return bytes(turned)


def test_a_refusing_disk_is_told_of_and_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    """The totals stay in memory until they can be written."""
    files = JournallingFiles()
    totals = TriggerTotals(FOLDER, file_system=files)
    totals.add(1, rows(a_run(1, 1)))
    files.fault = lambda call: 28
    totals.save()
    assert "totals of triggers not written" in caplog.text
    files.fault = None
    totals.save()
    assert loaded(files).covered == 1


def test_totals_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past a number of triggers those that ran longest ago go."""
    monkeypatch.setattr(trigger_totals, "MOST_TRIGGERS", 2)
    totals = TriggerTotals(FOLDER, file_system=JournallingFiles())
    totals.add(1, rows(a_run(1, 30), a_run(2, 10), a_run(3, 20)))
    assert set(totals.with_rows(NO_ROWS)) == {1, 3}


def test_cancelled_runs_and_rejected_lines_are_no_errors() -> None:
    """An error is a run whose plugin raised, or that went past a limit."""
    others = [replace(a_run(1, n), outcome=outcome) for n, outcome in enumerate(RunOutcome)]
    totals = TriggerTotals(FOLDER, file_system=JournallingFiles())
    total = totals.with_rows(rows(*others))[1]
    assert (total.runs, total.errors) == (len(RunOutcome), 2)
