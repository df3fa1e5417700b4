"""Is a replay to go on, to wait, or to end?

A `Pace` is asked before each step. It holds the replay while it is paused or ahead of its speed, and lets it take
single steps; whoever steers it is another thread.
"""

from __future__ import annotations

import threading
import time
from enum import Enum


class ReplayState(Enum):
    """How a replay stands."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    """It was stopped before its end; what it did until then stands."""
    FAILED = "failed"
    """The engine failed, not a plugin."""
    DONE = "done"


class Pace:
    """The steering of one replay. ``speed`` is virtual seconds a real one, None for as fast as it goes."""

    def __init__(self, speed: float | None, *, paused: bool = False) -> None:
        self._speed = speed
        # Guards the fields below; the replay waits on it.
        self._changed = threading.Condition()
        self._paused = paused
        self._stopped = False
        self._steps = 0
        self._origin: tuple[int, float] | None = None
        self._free = speed is None and not paused

    @property
    def stopped(self) -> bool:
        """Whether it is to end."""
        return self._stopped

    @property
    def paused(self) -> bool:
        """Whether it waits, or takes single steps."""
        return self._paused and not self._stopped

    def pause(self) -> None:
        """Wait before the next step."""
        with self._changed:
            self._paused, self._free = True, False
            self._changed.notify_all()

    def resume(self) -> None:
        """Go on."""
        with self._changed:
            self._paused, self._steps, self._origin = False, 0, None
            self._free = self._speed is None and not self._stopped
            self._changed.notify_all()

    def step(self) -> None:
        """Take one step, and wait again."""
        with self._changed:
            self._paused, self._free = True, False
            self._steps += 1
            self._changed.notify_all()

    def stop(self) -> None:
        """End before the next step."""
        with self._changed:
            self._stopped, self._free = True, False
            self._changed.notify_all()

    def go_on(self, instant_ns: int) -> bool:
        """Wait until the step at a virtual instant may be taken; False when none may any more. The replay's."""
        if self._free:
            return True
        with self._changed:
            while not self._stopped:
                if self._paused:
                    if self._steps:
                        self._steps -= 1
                        return True
                    self._changed.wait()
                    continue
                early = self._early_seconds(instant_ns)
                if early <= 0:
                    return True
                self._changed.wait(early)
            return False

    def _early_seconds(self, instant_ns: int) -> float:
        """Return how long it is until an instant comes at this speed; the first one asked for comes at once."""
        if self._speed is None:
            return 0.0
        if self._origin is None:
            self._origin = (instant_ns, time.monotonic())
        first_ns, began = self._origin
        return began + (instant_ns - first_ns) / 1e9 / self._speed - time.monotonic()
