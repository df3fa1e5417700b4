"""How does a plugin of one file run?

Compiled once, executed anew for every call in globals of its own, which vanish after it: no module state, no
``__file__``, and ``__name__`` is what the builtins have.

Source: influxdb3_py_api/src/system_py.rs, load_plugin_function.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable
from types import CodeType
from typing import Any

from procengine.errors import PluginSourceError
from procengine.model.trigger import TriggerKind
from procengine.processing.entry_point import check_entry_point, find_entry_point
from procengine.processing.plugin_builtins import Mentions, Namespace, plugin_builtins
from procengine.processing.plugin_source import PluginSource
from procengine.processing.plugin_versions import version_of

CompileError = SyntaxError | PluginSourceError | RecursionError | MemoryError
"""What can be wrong with a text before it runs."""


class SingleFilePlugin:
    """A compiled text. Never changes; a changed file makes another one.

    `lasting_names` are the globals of an execution beside those of runs, for classes of stored objects.
    """

    def __init__(self, filename: str, source: PluginSource) -> None:
        self.filename = filename
        self.source = source
        self.texts = {filename: source.text}
        self.version = version_of(self.texts)
        self._mentions = Mentions.of((source.text,))
        self._code: CodeType | None = None
        self._error: CompileError | None = None
        self._lasting: Namespace | None = None
        # Guards the choice between two executions at the same time; the text is executed outside it.
        self._lock = threading.Lock()
        try:
            self._code = source.compiled()
        except (SyntaxError, PluginSourceError, RecursionError, MemoryError) as error:
            self._error = error

    def entry_point(self, kind: TriggerKind, opened: Callable[[Namespace], None] | None = None) -> Any:
        """Execute the text in new globals, which ``opened`` is told of; return its entry point.

        Raises:
            PluginSourceError, SyntaxError: the text cannot be compiled, or has no entry point.
            BaseException: whatever the text itself raises.
        """
        namespace = self._executed()
        if opened is not None:
            opened(namespace)
        return find_entry_point(namespace, kind)

    def lasting_names(self) -> Namespace:
        """Return the globals of one execution of the text that belongs to no run: the same ones each time.

        Raises:
            PluginSourceError, SyntaxError: the text cannot be compiled.
            BaseException: whatever the text itself raises; the next call tries again.
        """
        if self._lasting is None:
            namespace = self._executed()
            with self._lock:
                if self._lasting is None:
                    self._lasting = namespace
        return self._lasting

    def _executed(self) -> Namespace:
        if self._code is None:
            raise self._compile_error()
        namespace: Namespace = {"__builtins__": plugin_builtins(self._mentions)}
        exec(self._code, namespace)
        return namespace

    def check(self, kind: TriggerKind) -> None:
        """Accept a text that can be compiled and called as far as it shows; run nothing.

        Raises:
            PluginSourceError: otherwise, with the line.
        """
        source = self.source
        if self._code is None:
            raise source_error(self._compile_error(), source.display_filename)
        tree = ast.parse(source.text, source.display_filename)
        check_entry_point(tree, kind, filename=source.display_filename, first_line=source.first_line)

    def owns(self, filename: str) -> bool:
        """Tell whether code with a file name is the plugin's own."""
        return filename == self.source.display_filename

    def close(self) -> None:
        """Nothing stays behind."""

    def _compile_error(self) -> CompileError:
        # A new object for each run: raising one object again would pile up tracebacks on it.
        error = self._error
        assert error is not None
        copy = type(error)(*error.args)
        if isinstance(error, PluginSourceError) and isinstance(copy, PluginSourceError):
            copy.filename, copy.line_number = error.filename, error.line_number
        return copy


def source_error(error: BaseException, filename: str) -> PluginSourceError:
    """Return the error that refuses a text which cannot be compiled, the compiler's words in it."""
    if isinstance(error, PluginSourceError):
        return error
    made = PluginSourceError(
        f"{type(error).__qualname__}: {error}",
        filename=getattr(error, "filename", None) or filename,
        line_number=getattr(error, "lineno", None),
    )
    made.__cause__ = error
    return made
