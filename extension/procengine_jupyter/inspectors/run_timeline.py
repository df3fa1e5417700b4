"""How does the timeline of the runs stand above their table?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from procengine_jupyter.inspectors.run_state import RunState
from procengine_jupyter.inspectors.timeline_widget import TimelineWidget

if TYPE_CHECKING:
    from procengine_jupyter.inspectors.inspector import Inspector


class RunTimeline:
    """The timeline of one live form: a run that is chosen in it is chosen in the table, and the other way round."""

    def __init__(self, inspector: Inspector, on_sight: Callable[[bool], None]) -> None:
        self._inspector = inspector
        self.widget = TimelineWidget(
            now_ns=self._now_ns,
            on_choice=inspector.choose_key,
            on_sight=on_sight,
            loop=inspector.loop,
        )
        self.widget.add_class("pe-timeline")

    def draw(self) -> None:
        """Show the runs of now, and which one is chosen."""
        state = self._inspector.inspected
        if isinstance(state, RunState):
            self.widget.show(state.index, hint=self._inspector.contents.hint)
        chosen = self._inspector.chosen_key
        self.widget.choose(chosen if isinstance(chosen, int) else None)

    def _now_ns(self) -> int:
        state = self._inspector.inspected
        return state.now_ns() if isinstance(state, RunState) else 0
