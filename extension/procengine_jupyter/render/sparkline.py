"""How do a few runs look in the space of a word?

As blocks that rise with the duration, and a cross for a run that failed: readable as text, drawn as bars in a page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

BLOCKS = "▁▂▃▄▅▆▇█"
FAILED = "✗"
DECADES = math.log(10_000)
"""What has the lowest block is so much shorter than the longest, or still shorter."""


def sparkline(runs: Iterable[tuple[int, bool]]) -> str:
    """Return the bars of runs, given their durations (ns) and whether they failed.

    The longest has the highest block. Heights are logarithms: one slow run leaves differences among the others.
    """
    runs = list(runs)
    top = math.log1p(max((duration for duration, failed in runs if not failed), default=0))
    return "".join(FAILED if failed else _block(duration, top) for duration, failed in runs)


def _block(duration_ns: int, top: float) -> str:
    height = max(0.0, 1 - (top - math.log1p(duration_ns)) / DECADES)
    return BLOCKS[round(height * (len(BLOCKS) - 1))]
