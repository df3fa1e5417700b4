"""What does ``%debug`` open?

The newest of what a cell raised, what a run under a cell failed with, and the breakpoints that runs met. What runs in
the background fail with comes only where no cell's own error would be lost by it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from IPython.core.error import UsageError

from procengine.model.run import Run
from procengine_jupyter.errors import offer_frames, offer_post_mortem


class PostMortem:
    """Hands runs to a shell's ``%debug``, from `attach` to `detach`.

    ``known_files`` are the files of plugin cells. Runs end on any thread; the shell is told on its own, before its
    next cell.
    """

    def __init__(self, shell: Any, known_files: Callable[[], set[str]]) -> None:
        self._shell = shell
        self._known_files = known_files
        self._newest: Run | None = None
        self._offered: BaseException | None = None

    def attach(self) -> None:
        """Look before each cell from now on."""
        self._shell.events.register("pre_run_cell", self._before_cell)

    def detach(self) -> None:
        """Look no more."""
        self._shell.events.unregister("pre_run_cell", self._before_cell)
        self._newest = None

    def run_finished(self, run: Run) -> None:
        """Note a run that a debugger could look into. Any thread; of two at once either may count as newer."""
        if exception_of(run) is not None:
            self._newest = run

    def offer(self, run: Run) -> None:
        """Make a run's frames those that ``%debug`` opens."""
        exception = exception_of(run)
        if exception is None:
            return
        self._offered = exception
        if run.outcome.is_failure:
            offer_post_mortem(self._shell, run.failure, self._known_files())
        else:
            offer_frames(self._shell, exception, exception.__traceback__)

    def _before_cell(self, info: object = None) -> None:  # noqa: ARG002 - IPython hands it over
        run, self._newest = self._newest, None
        if run is not None and (not run.outcome.is_failure or self._nothing_of_a_cell):
            self.offer(run)

    @property
    def _nothing_of_a_cell(self) -> bool:
        """Whether ``%debug`` would open no cell's error now."""
        last = getattr(sys, "last_value", None)
        return last is None or last is self._offered or isinstance(last, UsageError)


def exception_of(run: Run) -> BaseException | None:
    """Return what has the frames of a run to look into: its failure's, else its breakpoint's; None for none."""
    if run.outcome.is_failure:
        return run.failure.exception if run.failure is not None else None
    return run.breakpoint.exception if run.breakpoint is not None else None
