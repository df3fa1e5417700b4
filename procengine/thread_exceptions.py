"""How is an exception raised in another thread, without harm to the others?

CPython 3.11 notes for the whole process that an exception was sent, until any thread meets one; taking one back notes
it, too. Meanwhile a function that is traced or profiled does not get past its first line, on any thread: a cell in
JupyterLab's debugger hangs. And a thread that waits in C does not meet its exception before it returns.

So whoever sends also meets one that it sends to itself, in the same frame, before any other function is entered: that
clears the note. The exception of the other thread stays, and is noted again when that thread takes the interpreter's
lock; nothing is lost.

In that moment a signal's handler that is written in Python would be hit in its place, at its entry. Ctrl-C's own
handler is not.

Source: CPython 3.11, Python/ceval.c, DO_TRACING and handle_eval_breaker; Python/ceval_gil.c, take_gil.
"""

from __future__ import annotations

import ctypes
import threading

# A prototype of our own: argument types set on ``ctypes.pythonapi`` itself would reach other libraries.
_set_async_exc = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.py_object)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)


class _Settled(BaseException):
    """Sent by a thread to itself."""


def raise_in_thread(ident: int, exception: type[BaseException]) -> None:
    """Raise an exception in a thread at its next line of bytecode, in place of one that it has not met yet.

    Nothing happens if the thread has ended. Sent to the calling thread, it is raised here.
    """
    own = threading.get_ident()
    try:
        _set_async_exc(ident, exception)
        _set_async_exc(own, _Settled)
        while True:  # Raised where the loop begins again, at the latest.
            pass
    except _Settled:
        return
    except (
        BaseException
    ):  # Ctrl-C's, or one for this thread: what it sent to itself must not come later.
        try:
            _set_async_exc(own, _Settled)
            while True:
                pass
        except _Settled:
            pass
        raise


def take_back_own() -> None:
    """Take back what was sent to the calling thread and not met yet, and the note of it."""
    raise_in_thread(threading.get_ident(), _Settled)
