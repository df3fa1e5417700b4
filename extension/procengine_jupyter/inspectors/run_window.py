"""What does a timeline draw of a window of time?

Each run where there is room for it; where a lane is denser than its pixels, bins that say how many runs they have and
how the worst of them ended. Pure: the same runs and window give the same marks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from procengine.model.run import RunOutcome
from procengine_jupyter.inspectors.run_index import OUTCOMES, Placed

MOST_MARKS_A_LANE = 400
"""A lane with more runs than this in a window is drawn as bins."""

MOST_BINS = 400
"""Into how many bins a window is parted at most."""

_WORSE = {
    RunOutcome.SUCCESS: 0,
    RunOutcome.CANCELLED: 1,
    RunOutcome.WRITE_ERROR: 2,
    RunOutcome.LIMIT_EXCEEDED: 3,
    RunOutcome.ERROR: 4,
}
_WEIGHTS = np.array([_WORSE[outcome] for outcome in OUTCOMES])
_BY_WEIGHT = np.argsort(_WEIGHTS)

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marks:
    """What is drawn: a mark is one run, or a bin of ``count`` runs, ``failed`` of which did not succeed.

    ``run`` is the id of a mark's run; of a bin, that of the newest of those that ended worst. ``start`` and ``end``
    are nanoseconds UTC, ``outcome`` is a place in `OUTCOMES`: of a bin, the worst.
    """

    run: Numbers
    start: Numbers
    end: Numbers
    lane: Numbers
    outcome: Numbers
    count: Numbers
    failed: Numbers

    def __len__(self) -> int:
        return len(self.run)


def marks(runs: Placed, from_ns: int, to_ns: int, *, bins: int = MOST_BINS) -> Marks:
    """Return what a window shows of runs, lane by lane."""
    seen = runs.where((runs.start < to_ns) & (runs.end >= from_ns))
    lanes = np.bincount(seen.lane) if len(seen) else np.zeros(0, np.int64)
    dense = lanes[seen.lane] > MOST_MARKS_A_LANE if len(seen) else np.zeros(0, np.bool_)
    single = seen.where(~dense)
    each = np.ones(len(single), np.int64)
    drawn = Marks(
        run=single.run,
        start=single.start,
        end=single.end,
        lane=single.lane,
        outcome=single.outcome,
        count=each,
        failed=(single.outcome != OUTCOMES.index(RunOutcome.SUCCESS)).astype(np.int64),
    )
    if not dense.any():
        return drawn
    return _joined(drawn, _binned(seen.where(dense), from_ns, to_ns, min(bins, MOST_BINS)))


def _binned(runs: Placed, from_ns: int, to_ns: int, bins: int) -> Marks:
    """Return the bins that have runs; a run is in the bin of its start.

    Bins keep their places as the window moves.
    """
    width = max(1, -(-(to_ns - from_ns) // bins))
    width = 1 << (width - 1).bit_length()
    place = runs.start // width
    key = runs.lane * (1 << 40) + (place - place.min())
    weight = _WEIGHTS[runs.outcome]
    # Sorted by bin, then by how they ended, then by their ids: a bin's last one is the newest of the worst.
    order = np.lexsort((runs.run, weight, key))
    key, weight, run = key[order], weight[order], runs.run[order]
    last = np.flatnonzero(np.append(key[1:] != key[:-1], True))
    first = np.append(0, last[:-1] + 1)
    failed = np.add.reduceat((weight > 0).astype(np.int64), first)
    start = place[order][last] * width
    return Marks(
        run=run[last],
        start=start,
        end=start + width,
        lane=runs.lane[order][last],
        outcome=_BY_WEIGHT[weight[last]],
        count=last - first + 1,
        failed=failed,
    )


def _joined(one: Marks, other: Marks) -> Marks:
    names = ("run", "start", "end", "lane", "outcome", "count", "failed")
    return Marks(**{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names})
