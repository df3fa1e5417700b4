"""How does a panel of plain controls learn whether it is in sight? By a widget that shows nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget

from procengine_jupyter.inspectors.main_thread import on_main_thread
from procengine_jupyter.inspectors.sight import Sight

FOLDER = Path(__file__).parent


class SightWidget(anywidget.AnyWidget):  # type: ignore[misc]
    """Tells ``on_sight``, on the kernel's main thread, whether it is in sight anywhere.

    Once the kernel was restarted it says in the page that the panel is dead.
    """

    _esm = (FOLDER / "sight.js").read_text("utf-8") + (FOLDER / "sight_widget.js").read_text("utf-8")
    _css = FOLDER / "sight_widget.css"

    def __init__(self, *, on_sight: Callable[[bool], None], loop: Any = None) -> None:
        super().__init__()
        self._sight = Sight(on_sight)
        self.on_msg(on_main_thread(loop, self._message))

    def _message(self, _widget: object, content: Any, _buffers: object) -> None:
        """Take what the page says; what is not understood is passed over."""
        match content:
            case {"kind": "sight", "in_sight": bool(in_sight), "place": str(place)}:
                self._sight.tell(place, in_sight)
