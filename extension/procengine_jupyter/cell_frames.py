"""Which frames of a cell's traceback are the engine's, although the cell called nothing of it?

While an engine runs, waits of the standard library go through functions of ours (see
`procengine.processing.interpreter_hooks`): a cell that was interrupted in ``time.sleep`` would show one. Such frames
are taken out before the shell shows the traceback.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Final

_WAITS: Final = frozenset(
    {"procengine.processing.interpreter_hooks", "procengine.processing.sliced_waits"}
)
"""The modules whose functions stand in for those of the standard library."""


class CellFrames:
    """Stands before a shell's ``showtraceback`` from `attach` to `detach`."""

    def attach(self, shell: Any) -> None:
        """Take our frames out of what a shell shows from now on."""
        show = shell.showtraceback

        def showtraceback(exc_tuple: Any = None, *args: Any, **options: Any) -> Any:
            error = (exc_tuple or sys.exc_info())[1]
            if error is not None:
                leave_out_waits(error.__traceback__)
            return show(exc_tuple, *args, **options)

        self._ours = shell.showtraceback = showtraceback

    def detach(self, shell: Any) -> None:
        """Leave a shell as it was; unless somebody else stands before it since, who then still calls us."""
        if vars(shell).get("showtraceback") is self._ours:
            del shell.showtraceback


def leave_out_waits(frames: TracebackType | None) -> None:
    """Take the frames of our waits out of a traceback; its first frame, which is the shell's own, stays."""
    while frames is not None:
        following = frames.tb_next
        while following is not None and following.tb_frame.f_globals.get("__name__") in _WAITS:
            following = following.tb_next
        frames.tb_next = following
        frames = following
