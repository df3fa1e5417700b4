"""How much processor time did a run take, when asking costs as much as a tenth of an empty one?

The system is asked for a thread's processor time by a call of its own, 0.5 to 1.5 us, where the time of day is read
from memory. So a short run is taken to have computed throughout, and a run that follows another within a moment, on
the same thread, counts from what was read there. What that adds to a run that waits is at most `MOMENT_NS`.
"""

from __future__ import annotations

import threading
import time
from typing import Final

MOMENT_NS: Final = 200_000
"""How old what was read of a thread may be when a run begins."""

SHORT_NS: Final = 100_000
"""Below which duration a run is taken to have computed throughout."""


class _Reading(threading.local):
    """What was last read of the calling thread: its processor time, and when, monotonic."""

    cpu_ns = 0
    at_ns = -2 * MOMENT_NS


_reading: Final = _Reading()


def processor_time_at(now_ns: int) -> int:
    """Return the calling thread's processor time, as of now (``time.perf_counter_ns``) or a moment ago."""
    reading = _reading
    if now_ns - reading.at_ns > MOMENT_NS:
        reading.cpu_ns, reading.at_ns = time.thread_time_ns(), now_ns
    return reading.cpu_ns


def processor_time_since(began_cpu_ns: int, began_ns: int, now_ns: int) -> int:
    """Return the processor time of the calling thread since `processor_time_at` returned so much at an instant.

    It is never more than the time that went by.
    """
    duration_ns = now_ns - began_ns
    if duration_ns < SHORT_NS:
        return duration_ns
    reading = _reading
    reading.cpu_ns, reading.at_ns = time.thread_time_ns(), now_ns
    return min(reading.cpu_ns - began_cpu_ns, duration_ns)
