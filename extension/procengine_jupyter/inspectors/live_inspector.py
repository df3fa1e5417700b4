"""What does a page show of an inspector, and what can its reader press?

Controls are ipywidgets, the rows a `TableWidget`. The page says when the table comes into sight or leaves it; only
in between does the kernel's loop look for changes. For the kernel's main thread alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from procengine_jupyter.inspectors.table_widget import TableWidget
from procengine_jupyter.inspectors.ticker import Ticker
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import STYLE

if TYPE_CHECKING:
    from procengine_jupyter.inspectors.inspector import Inspector

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def live_bundle(inspector: Inspector) -> dict[str, Any]:
    """Return what makes a page show the live form of an inspector; each call makes one more."""
    live = LiveInspector(inspector)
    return {
        WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": live.widget.model_id},
    }


class LiveInspector:
    """The live form of one inspector, in one output."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._ticker = Ticker(inspector.loop, inspector.refresh_if_changed)
        self._confirming = False
        self.head = ipywidgets.HTML()
        self.filter = ipywidgets.Text(
            value=inspector.text_filter,
            placeholder="filter",
            continuous_update=True,
            layout=ipywidgets.Layout(width="220px"),
        )
        self.refresh = _button("refresh", "pe-refresh")
        self.delete = _button(inspector.deletes or "delete", "pe-delete")
        self.delete.layout.display = "" if inspector.deletes else "none"
        self.done = ipywidgets.HTML()
        self.table = TableWidget(on_order=self._order, on_choice=self._choose, on_sight=self._sight)
        self.filter.add_class("pe-filter")
        self.filter.observe(self._filter, names="value")
        self.refresh.on_click(lambda _button: inspector.refresh())
        self.delete.on_click(lambda _button: self._delete())
        controls = ipywidgets.HBox([self.filter, self.refresh, self.delete, self.done])
        self.detail = ipywidgets.HTML()
        self.widget = ipywidgets.VBox([self.head, controls, self.table, self.detail])
        self.widget.add_class("pe-inspector")
        inspector.subscribe(self._draw)
        self._draw()

    @property
    def is_watching(self) -> bool:
        """Whether the kernel's loop looks for changes."""
        return self._ticker.is_running

    def _draw(self) -> None:
        """Show the inspector as it is; what is the same as before is not sent again."""
        inspector = self._inspector
        self.head.value = _head(inspector.contents.title, inspector.facts, inspector.problem)
        self.done.value = element("span", inspector.done, css="pe-inspector-done")
        chosen = inspector.chosen
        self._confirming = False
        self.delete.description = inspector.deletes or "delete"
        self.delete.button_style = ""
        self.delete.disabled = chosen is None
        self.table.show(
            inspector.selection,
            order=inspector.order,
            hint=inspector.hint,
            tones=inspector.contents.tones,
        )
        self.table.choose(chosen)
        self.detail.value = inspector.detail or ""

    def _filter(self, change: Any) -> None:
        self._inspector.text_filter = change["new"]

    def _order(self, order: Any) -> None:
        self._inspector.order = order

    def _choose(self, row: int | None) -> None:
        self._inspector.choose(row)

    def _sight(self, in_sight: bool) -> None:
        if in_sight:
            self._inspector.refresh_if_changed()
            self._ticker.start()
        else:
            self._ticker.stop()

    def _delete(self) -> None:
        """Delete at the second press: the first one asks."""
        if self._confirming:
            self._inspector.delete()
            return
        self._confirming = True
        self.delete.description = "press again to delete"
        self.delete.button_style = "danger"


def _button(text: str, css: str) -> ipywidgets.Button:
    button = ipywidgets.Button(description=text, layout=ipywidgets.Layout(width="auto"))
    button.add_class(css)
    return button


def _head(title: str, facts: list[str], problem: str) -> Html:
    parts = [
        element("span", title, css="pe-title"),
        element("span", " · ".join(facts), css="pe-soft"),
    ]
    if problem:
        parts.append(element("span", problem, css="pe-text-warn"))
    return Html(STYLE + element("div", element("div", *parts, css="pe-head"), css="pe-card"))
