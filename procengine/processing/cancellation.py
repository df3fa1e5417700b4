"""How is a running plugin stopped?

A `CancelToken` belongs to a trigger (or to one fired run) and may be cancelled from any thread. A run with limits
has a token of its own, a child of its trigger's, so that it can be ended alone. From the cancellation on
the plugin's calls of ``influxdb3_local`` raise KeyboardInterrupt, and a run that is busy with Python code of its
own is interrupted where it stands.

Interrupting means `raise_in_thread`: the interpreter raises at the next line of bytecode. Two things follow. Code
of the engine must never be hit, or a half-made commit could stay behind: a `PluginThread` knows whether plugin or
engine code is on top, and only plugin code is hit. And a plugin may swallow the exception, so it is sent again
until the run ends. A call into C that never returns cannot be interrupted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Final, TypeVar

from procengine.model.run import CANCELLED_TEXT
from procengine.thread_exceptions import raise_in_thread, take_back_own

T = TypeVar("T")

RESEND_SECONDS: Final = 0.5
"""How long a plugin has for its ``finally`` clauses before it is interrupted again."""


class PluginInterrupt(KeyboardInterrupt):
    """Sent into a running plugin; the interpreter makes it without arguments, so its class brings the text along."""

    text: ClassVar[str] = CANCELLED_TEXT

    def __init__(self) -> None:
        super().__init__(self.text)


# What plugins and logs see has the name that the original's exception has.
PluginInterrupt.__name__ = PluginInterrupt.__qualname__ = KeyboardInterrupt.__name__
PluginInterrupt.__module__ = "builtins"


class CancelToken:
    """Whether runs shall end, and which threads are inside one.

    Each of ten thousand triggers has one, so what only waits and cancellations need is made for them.
    """

    __slots__ = (
        "_all_left",
        "_cancelled",
        "_children",
        "_exceeded",
        "_interrupt",
        "_lock",
        "_on_entry",
        "_threads",
        "_wakes",
        "because",
    )

    def __init__(self) -> None:
        # Guards the fields below, and each thread's standing; held for container operations only.
        self._lock = threading.Lock()
        self._cancelled = False
        self._threads: dict[PluginThread, None] = {}
        self._children: dict[CancelToken, None] = {}
        self._wakes: threading.Event | None = None
        self._all_left: threading.Condition | None = None
        self._interrupt = PluginInterrupt
        self._exceeded: str | None = None
        self._on_entry: Callable[[], None] | None = None
        self.because: str | None = None
        """What `cancel` was called for, for records; plugins see the original's text."""

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` or `exceed` was called."""
        return self._cancelled

    @property
    def exceeded(self) -> str | None:
        """What `exceed` was called with, if that ended the run; which limit, its value, and what was measured."""
        return self._exceeded

    def cancel(self, because: str | None = None) -> None:
        """End what runs under this token, and whatever would start under it; from any thread, any number of times.

        Returns at once. While runs are left, a thread ``procengine-interrupt`` sends the interrupt again every
        half second; it ends with the last of them.
        """
        self._end(PluginInterrupt, None, because)

    def exceed(self, text: str) -> None:
        """Do as `cancel` does, because a limit was exceeded: the plugin sees a KeyboardInterrupt with this text."""
        # Name and module are what a traceback shows of the class.
        body = {"text": text, "__module__": PluginInterrupt.__module__}
        self._end(type(KeyboardInterrupt.__name__, (PluginInterrupt,), body), text, None)

    @contextmanager
    def child(self, on_entry: Callable[[], None]) -> Iterator[CancelToken]:
        """Give a token of one run inside the block: it is cancelled with this one, but not the other way round.

        ``on_entry`` is called on the run's thread just before its plugin code.
        """
        child = CancelToken()
        child._on_entry = on_entry
        with self._lock:
            self._children[child] = None
        if self._cancelled:
            child.cancel(self.because)
        try:
            yield child
        finally:
            with self._lock:
                self._children.pop(child, None)

    def check(self) -> None:
        """Raise KeyboardInterrupt if the token was cancelled."""
        if self._cancelled:
            raise KeyboardInterrupt(self._interrupt.text)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until the token is cancelled, at most so long; tell whether it was."""
        with self._lock:
            if self._cancelled:
                return True
            if self._wakes is None:
                self._wakes = threading.Event()
            wakes = self._wakes
        return wakes.wait(timeout_seconds)

    def guard(self, call: Callable[[PluginThread], T]) -> T:
        """Call plugin code on this thread so that `cancel` can interrupt it; return what it returns.

        However the call ends, no interrupt is pending afterwards.

        Raises:
            KeyboardInterrupt: the token is or was cancelled; and whatever the call raises.
        """
        if self._on_entry is not None:
            self._on_entry()
        return self._guarded(self.check, call)

    def guard_rest(self, call: Callable[[], T]) -> T:
        """Call what is left to do of plugin code after a run, cancelled or not; return what it returns.

        A cancellation interrupts it, one from before when it takes longer than `RESEND_SECONDS`.

        Raises:
            KeyboardInterrupt: it was interrupted; and whatever the call raises.
        """

        def begin() -> None:
            if self._cancelled:
                # The thread that insisted may have ended with the run itself.
                threading.Thread(target=self._insist, name="procengine-interrupt", daemon=True).start()

        return self._guarded(begin, lambda _: call())

    def _guarded(self, begin: Callable[[], None], call: Callable[[PluginThread], T]) -> T:
        thread = PluginThread(self, self._lock)
        with self._lock:
            self._threads[thread] = None
        try:
            thread.interruptible = True
            begin()
            return call(thread)
        finally:
            # The loop stands here, not in a function: an interrupt can arrive at the entry of any call
            # until the thread has left, and has then come too late to matter.
            while True:
                try:
                    self._leave(thread)
                    break
                except PluginInterrupt:
                    continue

    def _leave(self, thread: PluginThread) -> None:
        with self._lock:
            thread.withdraw()
            self._threads.pop(thread, None)
            if self._all_left is not None:
                self._all_left.notify_all()

    def _end(self, interrupt: type[PluginInterrupt], exceeded: str | None, because: str | None) -> None:
        with self._lock:
            if self._cancelled:
                return
            self._interrupt, self._exceeded, self.because = interrupt, exceeded, because
            self._all_left = threading.Condition(self._lock)
            self._cancelled = True
            if self._wakes is not None:
                self._wakes.set()
            left = self._interrupt_all()
            children = tuple(self._children)
        if left:
            threading.Thread(target=self._insist, name="procengine-interrupt", daemon=True).start()
        for child in children:
            child.cancel(because)

    def _interrupt_all(self) -> bool:
        """Interrupt each thread that is in plugin code; tell whether any is left. The caller holds the lock."""
        for thread in self._threads:
            thread.send(self._interrupt)
        return bool(self._threads)

    def _insist(self) -> None:
        assert self._all_left is not None  # made by the cancellation
        with self._lock:
            while not self._all_left.wait_for(lambda: not self._threads, RESEND_SECONDS):
                self._interrupt_all()


class PluginThread:
    """A thread while it is inside one run; knows whether plugin or engine code is on top."""

    __slots__ = ("_ident", "_lock", "_sent", "_token", "interruptible")

    def __init__(self, token: CancelToken, lock: threading.Lock) -> None:
        self._token = token
        self._lock = lock
        self._ident = threading.get_ident()
        self._sent = False
        self.interruptible = False

    def send(self, interrupt: type[PluginInterrupt]) -> None:
        """Raise an interrupt in the thread if plugin code is on top. The caller holds the lock."""
        if self.interruptible:
            self._sent = True
            raise_in_thread(self._ident, interrupt)

    def withdraw(self) -> None:
        """Let no further interrupt reach the thread, nor one under way.

        On the thread itself; the caller holds the lock.
        """
        self.interruptible = False
        if self._sent:
            self._sent = False
            take_back_own()

    @property
    def is_interruptible_here(self) -> bool:
        """Whether the calling thread is this one, with plugin code on top."""
        return self.interruptible and threading.get_ident() == self._ident

    def check(self) -> None:
        """Raise KeyboardInterrupt if the run is cancelled; on any thread."""
        self._token.check()

    def sleep(self, seconds: float) -> None:
        """Sleep so long, or until the run is cancelled; on any thread.

        Raises:
            KeyboardInterrupt: the run is cancelled.
        """
        if self._token.wait(seconds):
            self._token.check()

    def enter_engine(self) -> bool:
        """Keep interrupts away while engine code runs; tell whether `leave_engine` is owed.

        It is not on a thread that the plugin started itself, nor inside another engine call.
        """
        if not self.interruptible or threading.get_ident() != self._ident:
            return False
        with self._lock:
            self.withdraw()
        return True

    def leave_engine(self) -> None:
        """Let interrupts through again.

        Raises:
            KeyboardInterrupt: the token was cancelled in the meantime.
        """
        with self._lock:
            self.interruptible = True
        self._token.check()
