"""What does a page show of an inspector, and what can its reader press?

Controls are ipywidgets, the rows a `TableWidget`. The page says when the table comes into sight or leaves it; only
in between does the kernel's loop look for changes. For the kernel's main thread alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets

from procengine_jupyter.inspectors.actions import Action, Said
from procengine_jupyter.inspectors.live_form import LiveForm, button, close_widgets
from procengine_jupyter.inspectors.main_thread import on_main_thread
from procengine_jupyter.inspectors.table_widget import TableWidget
from procengine_jupyter.inspectors.ticker import Ticker
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import STYLE

if TYPE_CHECKING:
    from procengine_jupyter.inspectors.inspector import Inspector
    from procengine_jupyter.render.view import View

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
        # What has to be pressed once more to be done, and to which row.
        self._confirming: tuple[str, object] | None = None
        self._actions: list[Action] = []
        self._below: View | None = None
        self._live_below: LiveInspector | None = None
        # The sheet is sent once: a page that is given one anew styles everything in it again.
        self.sheet = ipywidgets.HTML(STYLE, layout=ipywidgets.Layout(display="none"))
        self.head = ipywidgets.HTML()
        self.filter = ipywidgets.Text(
            value=inspector.text_filter,
            placeholder="filter",
            continuous_update=True,
            layout=ipywidgets.Layout(width="220px"),
        )
        self.refresh = button("refresh", "pe-refresh")
        self.delete = button(inspector.deletes or "delete", "pe-delete")
        self.delete.layout.display = "" if inspector.deletes else "none"
        self.done = ipywidgets.HTML()
        self._in_sight: set[str] = set()
        self.table = TableWidget(
            on_order=self._order,
            on_choice=self._choose,
            on_sight=lambda shown: self._sight("table", shown),
            loop=inspector.loop,
            on_toggle=inspector.toggle,
        )
        self.filter.add_class("pe-filter")
        self.filter.observe(self._on_main(self._filter), names="value")
        self.refresh.on_click(self._on_main(lambda _button: inspector.refresh()))
        self.delete.on_click(self._on_main(lambda _button: self._delete()))
        self.tabs = ipywidgets.HBox([])
        self.tabs.add_class("pe-tabs")
        self.picture = ipywidgets.HTML()
        inspected = inspector.inspected
        self.instrument = (
            inspected.instrument(inspector, lambda shown: self._sight("instrument", shown))
            if inspected is not None
            else None
        )
        self.actions = ipywidgets.HBox([])
        self.actions.add_class("pe-actions")
        self.form = LiveForm(self._said, loop=inspector.loop)
        self.detail = ipywidgets.HTML()
        self.below = ipywidgets.VBox([])
        controls = ipywidgets.HBox([self.tabs, self.filter, self.refresh, self.delete])
        self.widget = ipywidgets.VBox(
            [
                self.sheet,
                self.head,
                self.picture if self.instrument is None else self.instrument.widget,
                controls,
                self.table,
                self.actions,
                self.form.widget,
                self.done,
                self.below,
                self.detail,
            ]
        )
        self.widget.add_class("pe-inspector")
        inspector.subscribe(self._draw)
        self._draw()

    @property
    def is_watching(self) -> bool:
        """Whether the kernel's loop looks for changes."""
        return self._ticker.is_running

    def close(self) -> None:
        """Look no more, and let go of the widgets."""
        self._ticker.stop()
        self._inspector.unsubscribe(self._draw)
        close_widgets([self.widget])

    def _on_main(self, call: Callable[..., object]) -> Callable[..., None]:
        return on_main_thread(self._inspector.loop, call)

    def _draw(self) -> None:
        """Show the inspector as it is; what is the same as before is not sent again."""
        inspector = self._inspector
        self.head.value = _head(inspector.contents.title, inspector.facts, inspector.problem)
        if self.instrument is None:
            self.picture.value = _plain(inspector.contents.drawn)
        else:
            self.instrument.draw()
        tone = "pe-text-bad" if inspector.failed else ""
        self.done.value = _line(inspector.done, f"pe-inspector-done {tone}".strip())
        chosen = inspector.chosen
        if self._confirming is not None and self._confirming[1] != inspector.chosen_key:
            self._confirming = None
        self._label(self.delete, "delete", inspector.deletes or "delete")
        self.delete.disabled = chosen is None
        self._draw_tabs()
        self.table.show(
            inspector.selection, inspector.contents, order=inspector.order, hint=inspector.hint
        )
        self.table.choose(chosen)
        self._draw_actions()
        self.detail.value = inspector.detail or ""
        self._draw_below()

    def _draw_tabs(self) -> None:
        """Show the parts with their counts; the buttons stay as long as the parts do."""
        counts = self._inspector.tabs
        if len(self.tabs.children) != len(counts):
            close_widgets(self.tabs.children)
            self.tabs.children = [self._tab_button(name) for name in counts]
        for each, (name, count) in zip(self.tabs.children, counts.items(), strict=True):
            each.description = f"{name} {count:,}"
            _mark(each, "pe-tab-chosen", name == self._inspector.tab)

    def _tab_button(self, name: str) -> ipywidgets.Button:
        made = button(name, "pe-tab")
        made.on_click(self._on_main(lambda _button: setattr(self._inspector, "tab", name)))
        return made

    def _draw_actions(self) -> None:
        """Show a button for each action; the buttons stay as long as the actions are called the same."""
        actions = list(self._inspector.actions)
        looks = [(one.name, one.label, one.about) for one in actions]
        if looks != [(one.name, one.label, one.about) for one in self._actions]:
            close_widgets(self.actions.children)
            self.actions.children = [
                self._action_button(place, one) for place, one in enumerate(actions)
            ]
        self._actions = actions
        for each, one in zip(self.actions.children, actions, strict=True):
            self._label(each, one.name, one.label)
        asked = self.form.action
        if asked is not None and asked.name not in {one.name for one in actions}:
            self.form.forget()

    def _action_button(self, place: int, action: Action) -> ipywidgets.Button:
        made = button(action.label, f"pe-action-{action.name}", action.about)
        made.on_click(self._on_main(lambda pressed: self._press(pressed, place)))
        return made

    def _press(self, pressed: ipywidgets.Button, place: int) -> None:
        """Do an action, or first show its form, or ask whether it is meant."""
        action = self._actions[place]
        if action.asks and not self._confirmed(action.name):
            self._label(pressed, action.name, action.label)
        elif not action.fields:
            self._inspector.act(action)
        elif self.form.action is not None and self.form.action.name == action.name:
            self.form.close()
        else:
            self.form.ask(action)

    def _said(self, action: Action, said: Said) -> None:
        """Do what the form is for, as it can be done by now: the row may have changed since the form was opened."""
        now = next((one for one in self._actions if one.name == action.name), action)
        self._inspector.act(now, said)

    def _draw_below(self) -> None:
        """Show what an action brought: an inspector live, anything else as it is."""
        view = self._inspector.below
        if view is self._below:
            return
        self._below = view
        if self._live_below is not None:
            self._live_below.close()
            self._live_below = None
        widgets, self.below.children = self.below.children, ()
        close_widgets(widgets)
        if view is None:
            return
        closing = button("close", "pe-below-close")
        closing.layout.align_self = "flex-start"
        closing.on_click(self._on_main(lambda _button: self._inspector.close_below()))
        self.below.children = [closing, self._shown(view)]

    def _shown(self, view: View) -> ipywidgets.Widget:
        from procengine_jupyter.inspectors.inspector import Inspector

        if not isinstance(view, Inspector):
            return ipywidgets.HTML(view.html())
        self._live_below = LiveInspector(view)
        return self._live_below.widget

    def _filter(self, change: Any) -> None:
        self._inspector.text_filter = change["new"]

    def _order(self, order: Any) -> None:
        self._inspector.order = order

    def _choose(self, row: int | None) -> None:
        self.form.forget()
        self._inspector.choose(row)

    def _sight(self, part: str, shown: bool) -> None:
        """Look for changes as long as a part of the form is in sight."""
        (self._in_sight.add if shown else self._in_sight.discard)(part)
        if not self._in_sight:
            self._ticker.stop()
        elif not self._ticker.is_running:
            self._ticker.start()
            self._inspector.refresh_if_changed()

    def _delete(self) -> None:
        """Delete at the second press: the first one asks."""
        if self._confirmed("delete"):
            self._inspector.delete()
        else:
            self._label(self.delete, "delete", self._inspector.deletes or "delete")

    def _confirmed(self, name: str) -> bool:
        """Tell whether something was asked for before; else it is by now, until another row is chosen."""
        confirming, key = self._confirming, self._inspector.chosen_key
        self._confirming = None if confirming == (name, key) else (name, key)
        return self._confirming is None

    def _label(self, pressed: ipywidgets.Button, name: str, text: str) -> None:
        """Let a button say what it does, or what pressing it again does."""
        asking = self._confirming is not None and self._confirming[0] == name
        pressed.description = f"press again to {text.split(maxsplit=1)[0]}" if asking else text
        pressed.button_style = "danger" if asking else ""


def _mark(widget: ipywidgets.Widget, css: str, marked: bool) -> None:
    if marked != (css in widget._dom_classes):
        (widget.add_class if marked else widget.remove_class)(css)


def _line(text: str, css: str) -> Html:
    """Return a sentence in the manner of the cards, and nothing for none."""
    return _plain(element("span", text, css=css) if text else None)


def _plain(content: Html | None) -> Html:
    """Return content in the colours of the cards, without their frame."""
    return Html("") if content is None else element("div", content, css="pe-card pe-plain")


def _head(title: str, facts: list[str], problem: str) -> Html:
    parts = [
        element("span", title, css="pe-title"),
        element("span", " · ".join(facts), css="pe-soft"),
    ]
    if problem:
        parts.append(element("span", problem, css="pe-text-warn"))
    return element("div", element("div", *parts, css="pe-head"), css="pe-card")
