"""What does a page show of a replay in the background, and what can its reader press?

A bar that is looked at again four times a second, while it is in sight and no cell runs, and buttons. For the
kernel's main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from procengine.errors import ProcengineError
from procengine.replay import Replay, ReplayState
from procengine_jupyter.inspectors.live_form import button
from procengine_jupyter.inspectors.live_inspector import WIDGET_VIEW
from procengine_jupyter.inspectors.main_thread import on_main_thread
from procengine_jupyter.inspectors.sight_widget import SightWidget
from procengine_jupyter.inspectors.ticker import Ticker
from procengine_jupyter.render.markup import element
from procengine_jupyter.render.replay_card import ReplayCard, ReplayProgressCard
from procengine_jupyter.render.style import STYLE

SECONDS = 0.25


class ReplayPanel:
    """The live form of one replay, in one output."""

    def __init__(self, replay: Replay, *, loop: Any, cell_names: Mapping[str, str]) -> None:
        self._replay = replay
        self._cell_names = cell_names
        self._loop = loop
        self._ticker = Ticker(loop, self._look, SECONDS)
        # The sheet is sent once: a page that is given one anew styles everything in it again.
        self.sheet = ipywidgets.HTML(STYLE, layout=ipywidgets.Layout(display="none"))
        self.body = ipywidgets.HTML()
        self.sight = SightWidget(on_sight=self._sight, loop=loop)
        self.pause = self._button("pause", self._pause)
        self.step = self._button("step", replay.step)
        self.stop = self._button("stop", replay.stop)
        self.buttons = ipywidgets.HBox([self.pause, self.step, self.stop])
        self.widget = ipywidgets.VBox([self.sheet, self.body, self.sight, self.buttons])
        self.widget.add_class("pe-replay")
        self._draw()

    def bundle(self) -> dict[str, Any]:
        """Return what makes a page show it."""
        return {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}}

    def _sight(self, shown: bool) -> None:
        """Follow the replay as long as somebody sees it."""
        if shown:
            self._ticker.start()
            self._look()
        else:
            self._ticker.stop()

    def _look(self) -> None:
        if not self._replay.is_running:
            self._ticker.stop()
        self._draw()

    def _draw(self) -> None:
        """Show how far it is; once it has ended, what came of it."""
        if self._replay.is_running:
            progress = self._replay.progress
            self.body.value = ReplayProgressCard(progress).html().removeprefix(STYLE)
            self.pause.description = "go on" if progress.state is ReplayState.PAUSED else "pause"
            return
        self.buttons.layout.display = "none"
        try:
            self.body.value = ReplayCard(self._replay.wait(), self._cell_names).html()
        except ProcengineError as error:
            self.body.value = STYLE + element("div", str(error), css="pe-card pe-bad")

    def _pause(self) -> None:
        paused = self._replay.progress.state is ReplayState.PAUSED
        (self._replay.resume if paused else self._replay.pause)()

    def _button(self, text: str, act: Callable[[], None]) -> ipywidgets.Button:
        made = button(text, f"pe-replay-{text}")

        def press() -> None:
            act()
            self._draw()

        made.on_click(on_main_thread(self._loop, lambda _button: press()))
        return made
