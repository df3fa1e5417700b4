"""What does a page show of a plan, and what does its button do?

Pressed, it looks at the server once more: what was agreed to is done, and nothing else. For the kernel's main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from procengine.deploy import Deployed, Plan
from procengine.errors import ProcengineError
from procengine_jupyter.inspectors.live_inspector import WIDGET_VIEW
from procengine_jupyter.render.deploy_card import DeployedCard, PlanCard
from procengine_jupyter.render.markup import element
from procengine_jupyter.render.style import STYLE, card


class DeployPanel:
    """A plan with a button, in one output.

    ``look`` makes the plan anew, ``carry_out`` does it and tells its steps.
    """

    def __init__(
        self,
        plan: Plan,
        look: Callable[[], Plan],
        carry_out: Callable[[Plan, Callable[[str], None]], Deployed],
    ) -> None:
        self._plan = plan
        self._look = look
        self._carry_out = carry_out
        self.body = ipywidgets.HTML(str(PlanCard(plan).html()))
        self.button = ipywidgets.Button(
            description=f"deploy to {plan.url}",
            button_style="primary",
            layout=ipywidgets.Layout(width="max-content", max_width="100%"),
        )
        self.button.add_class("pe-deploy-do")
        self.button.on_click(lambda _button: self.press())
        self.widget = ipywidgets.VBox([self.body, self.button])

    def bundle(self) -> dict[str, Any]:
        """Return what makes a page show it."""
        return {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}}

    def press(self) -> None:
        """Deploy what is shown; where the server, or what is here, has changed since, show what it would be now."""
        self.button.disabled = True
        try:
            now = self._look()
            if _said(now) != _said(self._plan):
                self._plan = now
                note = element(
                    "div", "This has changed since it was shown; it is up to date now.", css="pe-part"
                )
                self.body.value = (
                    str(PlanCard(now).html()) + STYLE + element("div", note, css="pe-card pe-warn")
                )
                self.button.disabled = bool(now.problems) or now.is_empty
                return
            self.body.value = str(DeployedCard(self._carry_out(now, self._tell)).html())
        except (ProcengineError, KeyboardInterrupt) as error:
            text = element("span", str(error) or "interrupted; nothing was changed", css="pe-long")
            self.body.value = str(card("not deployed", text, tone="bad"))
        self.button.layout.display = "none"

    def _tell(self, step: str) -> None:
        self.button.description = step


def _said(plan: Plan) -> tuple[object, ...]:
    """Return what a reader agrees to: the rows that a dry run takes may be others by then."""
    bundle = plan.bundle
    return plan.items, plan.problems, bundle.files, bundle.triggers, bundle.caches
