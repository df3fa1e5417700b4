"""Does a traced function still get past its first line, on another thread?"""

from __future__ import annotations

import sys
import threading
from types import FrameType

from procengine.thread_exceptions import take_back_own


def traced_call_returns(seconds: float = 5.0) -> bool:
    """Tell whether a function that a debugger traces returns, within some seconds; do no harm if it does not."""
    returned = threading.Event()

    def trace(_frame: FrameType, _event: str, _argument: object) -> None:
        return None

    def nothing() -> None:
        return None

    def call() -> None:
        sys.settrace(trace)
        nothing()
        sys.settrace(None)
        returned.set()

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    result = returned.wait(seconds)
    while not returned.wait(0.1):
        take_back_own()
    thread.join()
    return result
