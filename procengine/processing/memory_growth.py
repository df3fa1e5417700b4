"""By how much has the process grown?

The resident memory of the process, from ``/proc/self/statm`` where there is one, and the bytes that Arrow's pool has
given out: the larger growth of the two counts, as a run may fill memory that the process already had. What the
notebook or another thread allocates meanwhile is counted too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pyarrow as pa

STATM: Final = Path("/proc/self/statm")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class MemoryGrowth:
    """Growth since it was made, and the largest that was seen. One thread's at a time."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._resident = resident_bytes()
        self._arrow = int(pa.total_allocated_bytes())

    def sample(self) -> int:
        """Return by how many bytes memory has grown; less than 0 is 0."""
        arrow = int(pa.total_allocated_bytes()) - self._arrow
        growth = max(resident_bytes() - self._resident, arrow, 0)
        self.peak_bytes = max(self.peak_bytes, growth)
        return growth


def resident_bytes() -> int:
    """Return the resident memory of the process; 0 where the system does not tell."""
    try:
        return int(STATM.read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
