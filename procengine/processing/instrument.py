"""Under what may a fired run be made?

A debugger, or a profiler: it calls the entry point in the engine's place, on the thread that fires, and hears of each
``breakpoint()`` that the plugin meets there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, ClassVar, Protocol

Hold = Callable[[], AbstractContextManager[object]]
"""Keeps a cancellation of the run waiting while the block lasts; its end raises KeyboardInterrupt if one came."""


class Instrument(Protocol):
    """Stands between the engine and an entry point, for one run."""

    pauses: ClassVar[bool]
    """Whether somebody may look around meanwhile: the limits of the trigger are then off."""

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], hold: Hold) -> Any:
        """Call the entry point; return what it returns. What it raises is raised.

        A KeyboardInterrupt cancels the run.
        """
        ...

    def meet(self, frame: FrameType, hold: Hold) -> bool:
        """Stop at a ``breakpoint()`` of the run's thread, called by a frame; tell whether that is seen to.

        It may come before `call`, from the file's top level.
        """
        ...
