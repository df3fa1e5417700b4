"""When did which runs take place, and how did they end?

A few numbers a run, in arrays that grow: 100,000 runs are asked for a window of time within a millisecond. The rest
of a run is looked up when it is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from procengine.model.run import Run, RunOutcome

MOST_RUNS = 200_000
"""How many runs are known; the oldest go."""

OUTCOMES = tuple(RunOutcome)
_CODES = {outcome: code for code, outcome in enumerate(OUTCOMES)}
_CODE_OF_TEXT = {outcome.value: code for outcome, code in _CODES.items()}
_NUMBERS = ("run", "start", "end", "lane", "outcome")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """Some runs: ``run`` are their ids, ``start`` and ``end`` nanoseconds UTC, ``lane`` and ``outcome`` numbers."""

    run: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    lane: npt.NDArray[np.int64]
    outcome: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.run)

    def where(self, mask: npt.NDArray[np.bool_]) -> Placed:
        """Return those of the runs for which something is true."""
        return Placed(
            run=self.run[mask],
            start=self.start[mask],
            end=self.end[mask],
            lane=self.lane[mask],
            outcome=self.outcome[mask],
        )


class RunIndex:
    """Runs in the order in which they ended; a lane is a trigger, in the order of their first run."""

    def __init__(self) -> None:
        self.lanes: dict[tuple[str, str], int] = {}
        self._rows = np.zeros((len(_NUMBERS), 1_024), np.int64)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def runs(self) -> Placed:
        """All runs."""
        rows = self._rows[:, : self._length]
        return Placed(**dict(zip(_NUMBERS, rows, strict=True)))

    def by_name(self) -> tuple[Placed, list[tuple[str, str]]]:
        """Return all runs with their lanes in the order of the triggers' names, and the lanes in that order."""
        names = sorted(self.lanes, key=lambda lane: (_natural(lane[1]), lane[0]))
        place = np.zeros(max(1, len(names)), np.int64)
        for number, name in enumerate(names):
            place[self.lanes[name]] = number
        runs = self.runs
        return replace(runs, lane=place[runs.lane]), names

    def clear(self) -> None:
        """Forget the runs; lanes stay what they are."""
        self._length = 0

    def add(self, runs: Sequence[Run]) -> None:
        """Add runs that ended."""
        if not runs:
            return
        columns = (
            [run.run_id for run in runs],
            [run.started_ns for run in runs],
            [run.started_ns + run.duration_ns for run in runs],
            [self._lane(run.database, run.trigger) for run in runs],
            [_CODES[run.outcome] for run in runs],
        )
        self._append(np.array(columns, np.int64))

    def add_table(self, table: pa.Table) -> None:
        """Add the newest rows of `procengine.model.run_columns.RUN_COLUMNS`."""
        table = table.slice(max(0, table.num_rows - MOST_RUNS)).combine_chunks()
        if not table.num_rows:
            return
        start = table["start_time"].cast(pa.int64()).to_numpy()
        duration = table["duration"].cast(pa.int64()).to_numpy()
        self._append(
            np.array(
                [
                    table["run_id"].cast(pa.int64()).to_numpy(),
                    start,
                    start + duration,
                    self._lanes(table),
                    _codes(table["outcome"], _CODE_OF_TEXT),
                ]
            )
        )

    def _lane(self, database: str, trigger: str) -> int:
        return self.lanes.setdefault((database, trigger), len(self.lanes))

    def _lanes(self, table: pa.Table) -> npt.NDArray[np.int64]:
        """Return each row's lane; triggers are few, so that each is looked up once."""
        databases = table["database"].combine_chunks().dictionary_encode()
        triggers = table["trigger_name"].combine_chunks().dictionary_encode()
        pairs = (
            databases.indices.to_numpy(zero_copy_only=False).astype(np.int64) * len(triggers.dictionary)
        ) + triggers.indices.to_numpy(zero_copy_only=False)
        found, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
        lanes = np.zeros(len(found), np.int64)
        for place in np.argsort(first):
            database, trigger = divmod(int(found[place]), len(triggers.dictionary))
            lanes[place] = self._lane(
                databases.dictionary[database].as_py(), triggers.dictionary[trigger].as_py()
            )
        return lanes[inverse]

    def _append(self, rows: npt.NDArray[np.int64]) -> None:
        needed = self._length + rows.shape[1]
        if needed > self._rows.shape[1]:
            keep = min(self._length, max(0, MOST_RUNS - rows.shape[1]))
            room = np.zeros((len(_NUMBERS), max(1_024, 2 * (keep + rows.shape[1]))), np.int64)
            room[:, :keep] = self._rows[:, self._length - keep : self._length]
            self._rows, self._length = room, keep
        self._rows[:, self._length : self._length + rows.shape[1]] = rows
        self._length += rows.shape[1]


def _natural(text: str) -> list[tuple[str, int]]:
    """Return what sorts ``t2`` before ``t10``."""
    return [
        (word, int(digits or 0)) for word, digits in re.findall(r"([^0-9]*)([0-9]*)", text, re.ASCII)
    ]


def _codes(texts: pa.ChunkedArray, code_of: dict[str, int]) -> npt.NDArray[np.int64]:
    codes = pc.index_in(texts, pa.array(list(code_of)))
    values = np.array([*code_of.values(), 0], np.int64)
    found: npt.NDArray[np.int64] = values[pc.fill_null(codes, len(code_of)).to_numpy()]
    return found
