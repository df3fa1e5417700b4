"""What does a page show of a plan, and what do its buttons do?

Pressed, the first one looks at the server once more: what was agreed to is done, and nothing else. That is done on a
thread of its own, as it may take long; the other one stops it before the next step, and what was done is put back.
For the kernel's main thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets

from procengine.deploy import Deployed, Plan
from procengine.errors import ProcengineError
from procengine_jupyter.inspectors.background import in_background
from procengine_jupyter.inspectors.live_form import button
from procengine_jupyter.inspectors.live_inspector import WIDGET_VIEW
from procengine_jupyter.inspectors.main_thread import on_main_thread
from procengine_jupyter.inspectors.sight_widget import SightWidget
from procengine_jupyter.render.deploy_card import DeployedCard, PlanCard
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import STYLE, card

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Came:
    """What came of a press: another plan to be agreed to, or what is shown at the end."""

    plan: Plan | None = None
    shown: Html = Html("")


class DeployPanel:
    """A plan with a button, in one output.

    ``look`` makes the plan anew, ``carry_out`` does it and tells its steps; both are called on another thread.
    ``loop`` is the kernel's; without one (a terminal) a press returns when all is done.
    """

    def __init__(
        self,
        plan: Plan,
        look: Callable[[], Plan],
        carry_out: Callable[[Plan, Callable[[str], None]], Deployed],
        *,
        loop: Any = None,
    ) -> None:
        self._plan = plan
        self._look = look
        self._carry_out = carry_out
        self._loop = loop
        # Read on the thread that deploys, between two steps.
        self._stopping = False
        self._stopped = False
        self.body = ipywidgets.HTML(str(PlanCard(plan).html()))
        self.deploy = button(f"deploy to {plan.url}", "pe-deploy-do")
        self.deploy.button_style = "primary"
        self.deploy.layout = ipywidgets.Layout(width="max-content", max_width="100%")
        self.stop = button(
            "stop", "pe-deploy-stop", "stop before the next step, and put back what was done"
        )
        self.stop.layout.display = "none"
        self.deploy.on_click(on_main_thread(loop, lambda _button: self.press()))
        self.stop.on_click(on_main_thread(loop, lambda _button: self._stop()))
        self.buttons = ipywidgets.HBox([self.deploy, self.stop])
        # Nothing is looked at by itself; it says that the panel is dead when the kernel was restarted.
        sight = SightWidget(on_sight=lambda _shown: None, loop=loop)
        self.widget = ipywidgets.VBox([self.body, sight, self.buttons])

    def bundle(self) -> dict[str, Any]:
        """Return what makes a page show it."""
        return {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}}

    def press(self) -> None:
        """Deploy what is shown; where the server, or what is here, has changed since, show what it would be now."""
        if self.deploy.disabled:
            return
        self.deploy.disabled = True
        self._stopping = self._stopped = False
        self.stop.layout.display, self.stop.disabled = "", False
        self._say("looking at the server")
        in_background(self._loop, self._deploy, self._came)

    def _deploy(self) -> _Came:
        """Do it; return what came of it, whatever that is. On the thread that deploys."""
        try:
            now = self._look()
            if _said(now) != _said(self._plan):
                return _Came(plan=now)
            return _Came(shown=DeployedCard(self._carry_out(now, self._tell)).html())
        except (ProcengineError, KeyboardInterrupt) as error:
            text = str(error) or "stopped; the server is as it was"
        except Exception as error:
            logger.exception("a deployment failed: url=%s", self._plan.url)
            text = f"{type(error).__name__}: {error}"
        why = element("div", text, css="pe-long pe-part")
        return _Came(shown=card("not deployed", why, details=f"to {self._plan.url}", tone="bad"))

    def _tell(self, step: str) -> None:
        """Say the step that is next, or end before it. On the thread that deploys.

        Raises: KeyboardInterrupt: the stop button was pressed; once, as putting back tells its steps, too.
        """
        if self._stopping and not self._stopped:
            self._stopped = True
            raise KeyboardInterrupt("stopped")
        on_main_thread(self._loop, self._say)(step)

    def _say(self, step: str) -> None:
        self.deploy.description = step

    def _stop(self) -> None:
        self._stopping = True
        self.stop.disabled = True

    def _came(self, came: _Came) -> None:
        self.stop.layout.display = "none"
        if came.plan is None:
            self.body.value = str(came.shown)
            self.deploy.layout.display = "none"
            return
        self._plan = came.plan
        note = element(
            "div", "This has changed since it was shown; it is up to date now.", css="pe-part"
        )
        self.body.value = (
            str(PlanCard(came.plan).html()) + STYLE + element("div", note, css="pe-card pe-warn")
        )
        self._say(f"deploy to {came.plan.url}")
        self.deploy.disabled = bool(came.plan.problems) or came.plan.is_empty


def _said(plan: Plan) -> tuple[object, ...]:
    """Return what a reader agrees to: the rows that a dry run takes may be others by then."""
    bundle = plan.bundle
    return plan.items, plan.problems, bundle.files, bundle.triggers, bundle.caches
