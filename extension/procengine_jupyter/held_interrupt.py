"""How is an interrupt kept from landing in the middle of a step?"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class HeldInterrupt:
    """Within its ``with`` block a first interrupt only sets `arrived`; a second one is raised at once.

    Only the main thread is interrupted; on others the block does nothing.
    """

    def __init__(self) -> None:
        self.arrived = False
        self._before: signal._HANDLER = None

    def __enter__(self) -> HeldInterrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._hold)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _hold(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.arrived:
            raise KeyboardInterrupt
        self.arrived = True
