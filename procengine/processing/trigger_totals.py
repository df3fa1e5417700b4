"""What is known of a trigger's runs, although their rows are gone?

How many there were, how many failed, how the last one ended and why the last failure happened, by trigger id, over
all files of the history that grow no more. Written to a file of its own now and then, and always before the rows go;
what was added since is counted again from the rows that are still there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from procengine.errors import DataFormatError
from procengine.file_system import FileSystem, write_durably
from procengine.history.history_files import encode_stream
from procengine.model.framing import FileFormat, Record, decode_record, encode_record
from procengine.model.run import RunFailure, RunOutcome
from procengine.model.run_columns import FAILURE_COLUMNS, decode_failure, encode_failures
from procengine.processing.trigger_statistics import TriggerTotal

logger = logging.getLogger(__name__)

TOTALS_NAME = "totals"
FILE_FORMAT = FileFormat(kind="file of totals", magic=b"procetot")
ADDED_FILES = 8
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


class TriggerTotals:
    """The totals of a history's files. One thread's."""

    def __init__(self, folder: Path, *, file_system: FileSystem) -> None:
        self._path = folder / TOTALS_NAME
        self._files = file_system
        self._by_trigger: dict[int, _Total] = {}
        self._covered = 0
        self._saved = 0

    @property
    def covered(self) -> int:
        """The ordinal of the last file whose rows are counted."""
        return self._covered

    def load(self) -> None:
        """Read what was written; where it cannot be read, what the rows say is all there is."""
        try:
            data = self._files.read(self._path)
            record = decode_record(data, FILE_FORMAT.check(data, str(self._path)))
        except FileNotFoundError:
            return
        except DataFormatError as error:
            logger.warning("totals of triggers passed over: %s", error)
            return
        if not isinstance(record, Record):
            logger.warning("totals of triggers passed over: path=%s is damaged", self._path)
            return
        rows = pa.ipc.open_stream(record.payload).read_all()
        self._covered = self._saved = int(rows.schema.metadata[_COVERED])
        self._by_trigger = _decode(rows)

    def add(self, ordinal: int, rows: pa.Table) -> None:
        """Count the rows of a file that grows no more; write the totals if that is long ago."""
        self._by_trigger = self._counted(rows)
        self._covered = ordinal
        if len(self._by_trigger) > MOST_TRIGGERS:
            self._drop_oldest()
        if self._covered >= self._saved + ADDED_FILES:
            self.save()

    def save(self) -> None:
        """Write the totals, if rows were counted since; where that fails, the log of Python says so."""
        if self._saved == self._covered:
            return
        try:
            payload = _encode(self._by_trigger, self._covered)
            write_durably(self._files, self._path, FILE_FORMAT.header + encode_record(payload))
        except OSError as error:
            logger.warning("totals of triggers not written: path=%s, error=%s", self._path, error)
            return
        self._saved = self._covered

    def with_rows(self, rows: pa.Table) -> Mapping[int, TriggerTotal]:
        """Return what the totals are once some rows are counted, too; they stay as they are."""
        return {trigger_id: _total(one) for trigger_id, one in self._counted(rows).items()}

    def _counted(self, rows: pa.Table) -> dict[int, _Total]:
        totals = dict(self._by_trigger)
        failures = _failures(rows)
        columns = (
            rows["trigger_id"].to_numpy().tolist(),
            rows["start_time"].cast(pa.int64()).to_numpy().tolist(),
            rows["duration"].cast(pa.int64()).to_numpy().tolist(),
            rows["outcome"].to_pylist(),
        )
        for place, (trigger_id, start_ns, duration_ns, outcome) in enumerate(zip(*columns, strict=True)):
            runs, errors, _, _, _, failure = totals.get(trigger_id, _NONE)
            if RunOutcome(outcome).is_failure:
                errors, failure = errors + 1, failures.get(place)
            totals[trigger_id] = (runs + 1, errors, start_ns, duration_ns, outcome, failure)
        return totals

    def _drop_oldest(self) -> None:
        by_start = sorted(self._by_trigger.items(), key=lambda item: item[1][2])
        self._by_trigger = dict(by_start[-MOST_TRIGGERS:])


_Total = tuple[int, int, int, int, str, RunFailure | None]
"""The fields of a `TriggerTotal`; a tuple, because one is made for each run."""

_NONE: _Total = (0, 0, 0, 0, "", None)


def _total(values: _Total) -> TriggerTotal:
    runs, errors, start_ns, duration_ns, outcome, failure = values
    return TriggerTotal(
        runs=runs,
        errors=errors,
        last_start_ns=start_ns,
        last_duration_ns=duration_ns,
        last_outcome=RunOutcome(outcome),
        last_failure=failure,
    )


def _failures(rows: pa.Table) -> dict[int, RunFailure]:
    """Return the failures in some rows by the rows' places."""
    if rows["error_type"].null_count == rows.num_rows:
        return {}
    columns = [rows[name].to_pylist() for name in FAILURE_COLUMNS.names]
    found = ((place, decode_failure(*values)) for place, values in enumerate(zip(*columns, strict=True)))
    return {place: failure for place, failure in found if failure is not None}


def _encode(totals: Mapping[int, _Total], covered: int) -> bytes:
    columns = zip(*totals.values(), strict=True) if totals else ([],) * len(_NONE)
    *values, failures = ([*totals], *columns)
    arrays = [pa.array(column, field.type) for column, field in zip(values, _COLUMNS, strict=True)]
    schema = pa.schema([*_COLUMNS, *FAILURE_COLUMNS], metadata={_COVERED: str(covered)})
    rows = pa.Table.from_arrays([*arrays, *encode_failures(failures)], schema=schema)
    return encode_stream(rows)


def _decode(rows: pa.Table) -> dict[int, _Total]:
    failures = _failures(rows)
    columns = [
        rows.column(place).cast(pa.int64()).to_pylist()
        if pa.types.is_temporal(field.type)
        else rows.column(place).to_pylist()
        for place, field in enumerate(_COLUMNS)
    ]
    return {
        trigger_id: (*values, failures.get(place))
        for place, (trigger_id, *values) in enumerate(zip(*columns, strict=True))
    }
