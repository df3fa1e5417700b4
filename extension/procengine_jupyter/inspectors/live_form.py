"""How does a page ask for what an action needs?

A form beneath the buttons, for one action at a time. What was typed is kept by the fields' names while a row stays
chosen, so that an event can be tried by a dry run and then sent. For the kernel's main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from procengine_jupyter.inspectors.actions import Action, Field, Said
from procengine_jupyter.inspectors.main_thread import on_main_thread

LABEL_WIDTH = "110px"


class LiveForm:
    """The form of one action, or none. ``on_said`` is called when its button is pressed."""

    def __init__(self, on_said: Callable[[Action, Said], None], *, loop: Any = None) -> None:
        """``loop`` is the kernel's."""
        self._on_said = on_said
        self._loop = loop
        self._action: Action | None = None
        self._fields: dict[str, Any] = {}
        self._typed: dict[str, str] = {}
        self.widget = ipywidgets.VBox([])
        self.widget.add_class("pe-form")

    @property
    def action(self) -> Action | None:
        """The action that is asked for."""
        return self._action

    def ask(self, action: Action) -> None:
        """Show the form of an action, with what was typed for it or another one before."""
        self.close()
        self._action = action
        self._fields = {field.name: _widget(field, self._typed) for field in action.fields}
        send = button(action.verb, "pe-form-send")
        send.button_style = "primary"
        cancel = button("close", "pe-form-close")
        send.on_click(on_main_thread(self._loop, lambda _button: self._send()))
        cancel.on_click(on_main_thread(self._loop, lambda _button: self.close()))
        rows = [
            ipywidgets.HBox([_label(field.label), self._fields[field.name]]) for field in action.fields
        ]
        self.widget.children = [*rows, ipywidgets.HBox([_label(""), send, cancel])]

    def close(self) -> None:
        """Show no form; what was typed is kept."""
        self._typed |= self._said()
        self._action = None
        self._fields = {}
        widgets, self.widget.children = self.widget.children, ()
        close_widgets(widgets)

    def forget(self) -> None:
        """Show no form, and forget what was typed: another row is chosen."""
        self.close()
        self._typed = {}

    def _said(self) -> dict[str, str]:
        return {name: str(widget.value) for name, widget in self._fields.items()}

    def _send(self) -> None:
        if self._action is not None:
            self._on_said(self._action, self._said())


def button(text: str, css: str, about: str = "") -> ipywidgets.Button:
    """Return a button as wide as its text."""
    made = ipywidgets.Button(description=text, tooltip=about, layout=ipywidgets.Layout(width="auto"))
    made.add_class(css)
    return made


def close_widgets(widgets: Any) -> None:
    """Let go of widgets that are shown no more, and of what is in them."""
    for widget in widgets:
        close_widgets(getattr(widget, "children", ()))
        widget.close()


def _label(text: str) -> ipywidgets.Label:
    return ipywidgets.Label(text, layout=ipywidgets.Layout(width=LABEL_WIDTH))


def _widget(field: Field, typed: dict[str, str]) -> Any:
    value = field.value if field.fresh else typed.get(field.name, field.value)
    made: Any
    if field.choices:
        made = ipywidgets.Dropdown(
            options=list(field.choices),
            value=value if value in field.choices else field.choices[0],
            layout=ipywidgets.Layout(width="140px"),
        )
    elif field.lines > 1:
        made = ipywidgets.Textarea(
            value=value,
            placeholder=field.example,
            rows=field.lines,
            layout=ipywidgets.Layout(width="560px"),
        )
    else:
        made = ipywidgets.Text(
            value=value, placeholder=field.example, layout=ipywidgets.Layout(width="560px")
        )
    made.add_class(f"pe-field-{field.name}")
    return made
