"""On which thread is done what a page asks for?

On the kernel's main thread, always. A page may send its messages by a subshell, as JupyterLab does: they are then
handled on a thread of that subshell, while the main thread looks for changes or runs a cell. What comes there is
handed to the kernel's loop, and so waits for the cell that runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def on_main_thread(loop: Any, call: Callable[..., object]) -> Callable[..., None]:
    """Return a call that is made on the loop's thread: at once by that thread, and else as soon as it is free.

    Without a loop (a terminal) it is made at once, whoever asks.
    """

    def made(*arguments: object) -> None:
        if loop is None or threading.current_thread() is threading.main_thread():
            call(*arguments)
        else:
            loop.add_callback(call, *arguments)

    return made
