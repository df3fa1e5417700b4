"""What does a page show of a replay in the background, and what can its reader press?

A bar that is looked at again four times a second while no cell runs, and buttons. For the kernel's main thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets

from procengine.errors import ProcengineError
from procengine.replay import Replay, ReplayState
from procengine_jupyter.inspectors.live_inspector import WIDGET_VIEW
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
        self._ticker = Ticker(loop, self._look, SECONDS)
        self.body = ipywidgets.HTML()
        self.pause = _button("pause", "pe-replay-pause")
        self.step = _button("step", "pe-replay-step")
        self.stop = _button("stop", "pe-replay-stop")
        self.pause.on_click(lambda _button: self._pause())
        self.step.on_click(lambda _button: self._do(replay.step))
        self.stop.on_click(lambda _button: self._do(replay.stop))
        self.buttons = ipywidgets.HBox([self.pause, self.step, self.stop])
        self.widget = ipywidgets.VBox([self.body, self.buttons])
        self.widget.add_class("pe-replay")
        self._draw()
        if replay.is_running:
            self._ticker.start()

    def bundle(self) -> dict[str, Any]:
        """Return what makes a page show it."""
        return {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}}

    def _look(self) -> None:
        if not self._replay.is_running:
            self._ticker.stop()
        self._draw()

    def _draw(self) -> None:
        """Show how far it is; once it has ended, what came of it."""
        if self._replay.is_running:
            progress = self._replay.progress
            self.body.value = ReplayProgressCard(progress).html()
            self.pause.description = "go on" if progress.state is ReplayState.PAUSED else "pause"
            return
        self.buttons.layout.display = "none"
        try:
            self.body.value = ReplayCard(self._replay.wait(), self._cell_names).html()
        except ProcengineError as error:
            self.body.value = STYLE + element("div", str(error), css="pe-card pe-bad")

    def _pause(self) -> None:
        paused = self._replay.progress.state is ReplayState.PAUSED
        self._do(self._replay.resume if paused else self._replay.pause)

    def _do(self, action: Any) -> None:
        action()
        self._draw()


def _button(text: str, css: str) -> ipywidgets.Button:
    button = ipywidgets.Button(description=text, layout=ipywidgets.Layout(width="auto"))
    button.add_class(css)
    return button
