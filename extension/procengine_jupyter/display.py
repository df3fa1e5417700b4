"""How does a card get below the running cell? For the kernel's main thread."""

from __future__ import annotations

from typing import Any

from procengine_jupyter.render.view import View


def show(view: View) -> None:
    """Show a card."""
    from IPython import display

    display.display(view)  # type: ignore[no-untyped-call]


def new_handle() -> Any:
    """Return a handle of which nothing is shown yet: ``display`` shows a card, ``update`` another in its place."""
    from IPython import display

    return display.DisplayHandle()  # type: ignore[no-untyped-call]


def show_updatable(view: View) -> Any:
    """Show a card and return its handle, whose ``update`` shows another one in its place.

    None outside of IPython.
    """
    from IPython import display

    return display.display(view, display_id=True)  # type: ignore[no-untyped-call]
