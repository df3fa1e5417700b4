"""Where is done what may take long, while the page goes on being answered?

On a thread of its own, which touches no widget: what came of it is handed to the kernel's loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

THREAD_NAME = "procengine-action"

T = TypeVar("T")


def in_background(loop: Any, work: Callable[[], T], then: Callable[[T], None]) -> None:
    """Do ``work`` apart, and call ``then`` with its result on the loop's thread.

    ``work`` must not raise. Without a loop (a terminal) both are done here and now.
    The thread is a daemon: it may be in a run that nothing can interrupt, and must not keep the process.
    """
    if loop is None:
        then(work())
        return

    def run() -> None:
        result = work()
        loop.add_callback(then, result)

    threading.Thread(target=run, name=THREAD_NAME, daemon=True).start()
