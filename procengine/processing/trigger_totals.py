"""What is known of a trigger's runs, although their rows are gone?

How many there were, how many failed, how the last one ended and why the last failure happened, by trigger id, over
all files of the history that grow no more. Written to a file of its own now and then, and always before the rows go;
what was added since is counted again from the rows that are still there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from procengine.errors import DataFormatError
from procengine.file_system import FileSystem, write_durably
from procengine.history import keep_aside
from procengine.history.history_files import decode_stream, encode_stream
from procengine.model.arrow_text import array_of, numbers_of, text_column
from procengine.model.framing import FileFormat, Record, decode_record, encode_record
from procengine.model.run import RunFailure, RunOutcome
from procengine.model.run_columns import FAILURE_COLUMNS, decode_failure, encode_failures
from procengine.processing.trigger_statistics import TriggerTotal

logger = logging.getLogger(__name__)

TOTALS_NAME = "totals"
FILE_FORMAT = FileFormat(kind="file of totals", magic=b"procetot")
ADDED_FILES = 16
"""After how many files of rows the totals are written."""

MOST_TRIGGERS = 100_000
"""How many triggers have totals, deleted ones included; those that ran longest ago go first."""

_COVERED = b"covered"
_COLUMNS = pa.schema(
    {
        "trigger_id": pa.uint64(),
        "runs": pa.uint64(),
        "errors": pa.uint64(),
        "start_time": pa.timestamp("ns"),
        "duration": pa.duration("ns"),
        "outcome": pa.utf8(),
    }
)
_OUTCOMES = tuple(RunOutcome)


def _outcome_names() -> pa.Array:
    """Return the names of outcomes."""
    return text_column([outcome.value for outcome in _OUTCOMES])


def _outcome_places(rows: pa.Table) -> npt.NDArray[np.int32]:
    """Return where in `_OUTCOMES` each row's is; that of a later version counts as the first."""
    places = pc.index_in(rows["outcome"], value_set=_outcome_names())
    return numbers_of(places.fill_null(0) if places.null_count else places, np.int32)


_FAILED = np.array([outcome.is_failure for outcome in _OUTCOMES])

_NUMBERS = ("trigger_id", "runs", "errors", "start_ns", "duration_ns")
_COUNTS = np.dtype(
    [
        ("trigger_id", np.uint64),
        ("runs", np.uint64),
        ("errors", np.uint64),
        ("start_ns", np.int64),
        ("duration_ns", np.int64),
        ("outcome", np.uint8),
    ]
)
"""One trigger's totals but for its last failure; ``outcome`` is a place in `_OUTCOMES`."""

_Counts = npt.NDArray[np.void]
_Failures = dict[int, RunFailure]


class TriggerTotals:
    """The totals of a history's files. One thread's."""

    def __init__(self, folder: Path, *, file_system: FileSystem) -> None:
        self._path = folder / TOTALS_NAME
        self._files = file_system
        # By trigger id, ascending: with thousands of triggers a record for each would cost as much as their runs.
        self._counts: _Counts = np.empty(0, _COUNTS)
        self._failures: _Failures = {}
        self._covered = 0
        self._saved = 0

    @property
    def covered(self) -> int:
        """The ordinal of the last file whose rows are counted."""
        return self._covered

    @property
    def saved(self) -> int:
        """The ordinal of the last file whose rows are counted in what is written."""
        return self._saved

    def load(self) -> None:
        """Read what was written; where it cannot be read it is kept aside, and what the rows say is all there is.

        Raises: OSError.
        """
        try:
            data = self._files.read(self._path)
        except FileNotFoundError:
            return
        try:
            record = decode_record(data, FILE_FORMAT.check(data, str(self._path)))
        except DataFormatError as error:
            self._pass_over(data, str(error))
            return
        if not isinstance(record, Record):
            self._pass_over(data, f"{self._path} is damaged")
            return
        rows = decode_stream(record.payload)
        self._covered = self._saved = int(rows.schema.metadata[_COVERED])
        self._counts, self._failures = _decode(rows)

    def _pass_over(self, data: bytes, reason: str) -> None:
        kept = keep_aside(self._files, self._path, data)
        logger.warning("totals of triggers passed over: %s; it is kept in %s", reason, kept)

    def add(self, ordinal: int, rows: pa.Table) -> None:
        """Count the rows of a file that grows no more; write the totals if that is long ago."""
        self._counts, self._failures = self._with(rows)
        self._covered = ordinal
        if len(self._counts) > MOST_TRIGGERS:
            newest = np.argsort(self._counts["start_ns"], kind="stable")[-MOST_TRIGGERS:]
            self._counts = self._counts[np.sort(newest)]
            kept = set(self._counts["trigger_id"].tolist())
            self._failures = {one: failure for one, failure in self._failures.items() if one in kept}
        if self._covered >= self._saved + ADDED_FILES:
            self.save()

    def save(self) -> None:
        """Write the totals, if rows were counted since; where that fails, the log of Python says so."""
        if self._saved == self._covered:
            return
        try:
            payload = encode_stream(_encode(self._counts, self._failures, self._covered))
            write_durably(self._files, self._path, FILE_FORMAT.header + encode_record(payload))
        except OSError as error:
            logger.warning("totals of triggers not written: path=%s, error=%s", self._path, error)
            return
        self._saved = self._covered

    def with_rows(self, rows: pa.Table) -> Mapping[int, TriggerTotal]:
        """Return what the totals are once some rows are counted, too; they stay as they are."""
        counts, failures = self._with(rows)
        return {
            trigger_id: TriggerTotal(
                runs=runs,
                errors=errors,
                last_start_ns=start_ns,
                last_duration_ns=duration_ns,
                last_outcome=_OUTCOMES[outcome],
                last_failure=failures.get(trigger_id),
            )
            for trigger_id, runs, errors, start_ns, duration_ns, outcome in counts.tolist()
        }

    def _with(self, rows: pa.Table) -> tuple[_Counts, _Failures]:
        if not rows.num_rows:  # as at the first start, which would import pandas for nothing
            return self._counts, self._failures
        found = _count(rows)
        ids = np.union1d(self._counts["trigger_id"], found["trigger_id"])
        counts = np.zeros(len(ids), _COUNTS)
        counts[np.searchsorted(ids, self._counts["trigger_id"])] = self._counts
        places = np.searchsorted(ids, found["trigger_id"])
        found["runs"] += counts["runs"][places]
        found["errors"] += counts["errors"][places]
        counts[places] = found
        return counts, {**self._failures, **_last_failures(rows)}


def _count(rows: pa.Table) -> _Counts:
    """Return what some rows add up to, by trigger id, ascending."""
    newest_first = numbers_of(rows["trigger_id"], np.uint64)[::-1]
    ids, places, of_row, runs = np.unique(
        newest_first, return_index=True, return_inverse=True, return_counts=True
    )
    last = len(newest_first) - 1 - places
    outcomes = _outcome_places(rows)
    counts = np.empty(len(ids), _COUNTS)
    counts["trigger_id"], counts["runs"] = ids, runs
    counts["errors"] = np.bincount(of_row, weights=_FAILED[outcomes[::-1]], minlength=len(ids))
    counts["start_ns"] = numbers_of(rows["start_time"], np.int64)[last]
    counts["duration_ns"] = numbers_of(rows["duration"], np.int64)[last]
    counts["outcome"] = outcomes[last]
    return counts


def _last_failures(rows: pa.Table) -> _Failures:
    """Return the last failure of each trigger that some rows tell of."""
    failed = rows.filter(pc.is_valid(rows["error_type"]))
    columns = [failed[name].to_pylist() for name in ("trigger_id", *FAILURE_COLUMNS.names)]
    found = {trigger_id: decode_failure(*values) for trigger_id, *values in zip(*columns, strict=True)}
    return {trigger_id: failure for trigger_id, failure in found.items() if failure is not None}


def _encode(counts: _Counts, failures: _Failures, covered: int) -> pa.Table:
    numbers = [
        array_of(counts[name]).cast(column.type)
        for name, column in zip(_NUMBERS, _COLUMNS, strict=False)
    ]
    outcomes = _outcome_names().take(array_of(counts["outcome"]))
    told = [failures.get(trigger_id) for trigger_id in counts["trigger_id"].tolist()]
    schema = pa.schema([*_COLUMNS, *FAILURE_COLUMNS], metadata={_COVERED: str(covered)})
    return pa.Table.from_arrays([*numbers, outcomes, *encode_failures(told)], schema=schema)


def _decode(rows: pa.Table) -> tuple[_Counts, _Failures]:
    counts = np.empty(rows.num_rows, _COUNTS)
    for name, column in zip(_NUMBERS, _COLUMNS, strict=False):
        counts[name] = numbers_of(rows[column.name], counts.dtype[name])
    counts["outcome"] = _outcome_places(rows)
    return counts, _last_failures(rows)
