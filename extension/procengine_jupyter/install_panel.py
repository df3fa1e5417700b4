"""What does a page offer where a plugin lacks packages?

A button below the card: pressed, they are installed as by ``%influxdb3 install package``, planned before and undone
when that fails, while cells can run; a second button ends it. The installer's lines come as they are printed. For the
kernel's main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import ipywidgets

from procengine.errors import ProcengineError
from procengine.model.installation import InstallPlan, InstallWatch
from procengine_jupyter.inspectors.background import in_background
from procengine_jupyter.inspectors.live_inspector import WIDGET_VIEW
from procengine_jupyter.inspectors.main_thread import on_main_thread
from procengine_jupyter.inspectors.sight_widget import SightWidget
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import card
from procengine_jupyter.render.view import View

MOST_LINES: Final = 200

Install = Callable[[InstallWatch], object]
"""Installs, and returns what is to be said of it; raises ProcengineError."""


class _AskError(Exception):
    """There are conflicts, and nobody has agreed to them."""

    def __init__(self, plan: InstallPlan) -> None:
        super().__init__(plan)
        self.plan = plan


def offer(loop: Any, packages: tuple[str, ...], install: Install, stop: Callable[[], None]) -> Offer:
    """Return what puts a button below a card."""

    def bundle(shown: View) -> Mapping[str, Any]:
        return InstallPanel(loop, shown, packages, install, stop).bundle()

    return bundle


Offer = Callable[[View], Mapping[str, Any]]
"""Returns what makes a page show a card with something to press; made anew for each page."""


class InstallPanel:
    """A card, and a button that installs packages. ``stop`` ends an installation, from any thread."""

    def __init__(
        self,
        loop: Any,
        shown: View,
        packages: tuple[str, ...],
        install: Install,
        stop: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._install = install
        self._stop = stop
        self._agreed = False
        self._lines: list[str] = []
        self.body = ipywidgets.HTML(str(shown.html()))
        self.course = ipywidgets.HTML()
        self.button = _button(f"install {' '.join(packages)}", "primary")
        self.button.add_class("pe-install-do")
        self.button.on_click(on_main_thread(loop, lambda _button: self.press()))
        self.stop_button = _button("stop", "")
        self.stop_button.layout.display = "none"
        self.stop_button.on_click(lambda _button: self._stop())
        buttons = ipywidgets.HBox([self.button, self.stop_button])
        # Nothing is looked at by itself; it says that the panel is dead when the kernel was restarted.
        sight = SightWidget(on_sight=lambda _shown: None, loop=loop)
        self.widget = ipywidgets.VBox([self.body, self.course, sight, buttons])

    def bundle(self) -> Mapping[str, Any]:
        """Return what makes a page show it."""
        return {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}}

    def press(self) -> None:
        """Install, or, where there were conflicts, install all the same."""
        self.button.disabled = True
        self.stop_button.layout.display = ""
        self._lines = []
        watch = InstallWatch(tell=self._tell, accept=None if self._agreed else self._accept)
        in_background(self._loop, lambda: self._outcome(watch), self._ended)

    def _outcome(self, watch: InstallWatch) -> object:
        """Return what came of it; on a thread of its own."""
        try:
            return self._install(watch)
        except (ProcengineError, _AskError, OSError) as error:
            return error

    def _accept(self, plan: InstallPlan) -> None:
        if plan.conflicts:
            raise _AskError(plan)

    def _tell(self, line: str) -> None:
        self._loop.add_callback(self._show_line, line)

    def _show_line(self, line: str) -> None:
        self._lines = [*self._lines, line][-MOST_LINES:]
        self._show("installing", tone="")

    def _ended(self, outcome: object) -> None:
        self.stop_button.layout.display = "none"
        self.button.disabled = False
        match outcome:
            case _AskError(plan=plan):
                self._agreed = True
                self.button.description = "install all the same"
                self._lines = [f"conflict: {text}" for text in plan.conflicts]
                self._show("these would not fit together; nothing was installed", tone="warn")
            case Exception():
                said = frozenset(self._lines)
                self._lines += [line for line in str(outcome).splitlines() if line not in said]
                self._show("not installed; everything is as it was", tone="bad")
            case _:
                self.button.layout.display = "none"
                self._show(str(outcome or "nothing was to be done"), tone="good")

    def _show(self, title: str, *, tone: str) -> None:
        lines: Html | str = element("pre", "\n".join(self._lines)) if self._lines else ""
        self.course.value = str(card(title, lines, tone=tone))


def _button(description: str, style: str) -> ipywidgets.Button:
    layout = ipywidgets.Layout(width="auto")
    return ipywidgets.Button(description=description, button_style=style, layout=layout)
