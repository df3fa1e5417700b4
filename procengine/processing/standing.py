"""Where does a thread stand that does not end?"""

from __future__ import annotations

import sys
import threading
from types import FrameType

from procengine.processing.failure import ENGINE_FOLDER


def standing(thread: threading.Thread) -> str:
    """Return where a thread stands: ``at line 3 of process_writes in sum.py``, the innermost line of no engine code.

    Another thread's frames are read while it goes on: what is said was so at one moment.
    """
    frame: FrameType | None = None
    if thread.ident is not None:
        frame = sys._current_frames().get(thread.ident)
    while frame is not None and frame.f_code.co_filename.startswith(ENGINE_FOLDER):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename == threading.__file__:
        return "inside the engine"
    return f"at line {frame.f_lineno} of {frame.f_code.co_name} in {frame.f_code.co_filename}"
