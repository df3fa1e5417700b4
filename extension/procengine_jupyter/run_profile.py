"""Where did a run's time go?

Into the plugin's own functions, and into what they called: each call of ``influxdb3_local`` by its name, and each
function of a library or of Python. What such a function did inside is its own matter, and in its time.

Measured by the standard library's ``cProfile``, whose own cost makes small functions look slower than they are.
"""

from __future__ import annotations

import cProfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from IPython.core.error import UsageError

from procengine_jupyter.render.run_profile import ProfileRow, RunProfile, Whose

if TYPE_CHECKING:
    from procengine.processing.instrument import Hold

_ENGINE: Final = f"/{__name__.partition('_')[0]}/"

_SHOWN: Final = {
    "PyPluginCallApi": "influxdb3_local",
    "PyCache": "influxdb3_local.cache",
    "plugin_print": "print",
    "_cancellable_sleep.<locals>.cancellable_sleep": "time.sleep",
}
"""What a plugin knows some of the engine's functions and classes by."""


class Profiler:
    """Calls the entry point of one run, and measures. ``owns`` tells whether a file name is the plugin's.

    Raises: UsageError: another profiler is at work.
    """

    pauses: ClassVar[bool] = False

    def __init__(self, owns: Callable[[str], bool]) -> None:
        self._owns = owns
        self._measured = cProfile.Profile()
        try:
            self._measured.enable()
        except ValueError as error:
            raise UsageError(f"--profile cannot measure: {error}") from error
        self._measured.disable()

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], hold: Hold) -> Any:  # noqa: ARG002
        """Call the entry point."""
        self._measured.enable()
        try:
            return function(*arguments)
        finally:
            self._measured.disable()

    def meet(self, frame: FrameType, hold: Hold) -> bool:  # noqa: ARG002
        """Leave a ``breakpoint()`` to the engine."""
        return False

    def profile(self) -> RunProfile:
        """Return what was measured."""
        entries = [entry for entry in self._measured.getstats() if self._is_plugins(entry.code)]
        rows = [*map(_own_row, entries), *_called_rows(entries, self._is_plugins)]
        return RunProfile(
            total_ns=_nanoseconds(max((entry.totaltime for entry in entries), default=0.0)),
            rows=tuple(sorted(rows, key=lambda row: -row.time_ns)),
        )

    def _is_plugins(self, code: CodeType | str) -> bool:
        return isinstance(code, CodeType) and self._owns(code.co_filename)


def _own_row(entry: Any) -> ProfileRow:
    code = entry.code
    return ProfileRow(
        name=code.co_qualname,
        whose=Whose.PLUGIN,
        calls=entry.callcount,
        time_ns=_nanoseconds(entry.inlinetime),
        filename=code.co_filename,
        line_number=code.co_firstlineno,
    )


def _called_rows(
    entries: Iterable[Any], is_plugins: Callable[[CodeType | str], bool]
) -> list[ProfileRow]:
    """Return a row for each function outside the plugin that the plugin's functions called themselves."""
    found: dict[tuple[str, Whose], tuple[int, float]] = {}
    for entry in entries:
        for callee in entry.calls or ():
            if is_plugins(callee.code):
                continue
            key = _called_name(callee.code)
            calls, seconds = found.get(key, (0, 0.0))
            found[key] = (calls + callee.callcount, seconds + callee.totaltime)
    return [
        ProfileRow(name=name, whose=whose, calls=calls, time_ns=_nanoseconds(seconds))
        for (name, whose), (calls, seconds) in found.items()
    ]


def _called_name(code: CodeType | str) -> tuple[str, Whose]:
    """Return what a plugin calls a function that is not its own, and whose it is."""
    if isinstance(code, str):  # <built-in method time.perf_counter>, <method 'append' of 'list' objects>
        return code.strip("<>").removeprefix("built-in method ").removeprefix("builtins."), Whose.OTHER
    if _ENGINE not in code.co_filename:
        file = Path(code.co_filename)
        module = file.parent.name if file.stem == "__init__" else file.stem
        return f"{module}.{code.co_qualname}", Whose.OTHER
    if code.co_qualname in _SHOWN:
        return _SHOWN[code.co_qualname], Whose.ENGINE
    owner, dot, rest = code.co_qualname.removesuffix(".__init__").partition(".")
    return f"{_SHOWN.get(owner, owner)}{dot}{rest}", Whose.ENGINE


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
