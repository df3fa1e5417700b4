"""How does a value of the plugin cache become bytes, and a value again?

By pickle, with one addition: a class or function of a plugin is written as its `PluginName`.

Bytes are compared to see whether an object was changed in place. So an object that came from bytes is pickled once
again at once: what it shares inside may differ, and so its bytes, without any change.

Unpickling calls what the bytes name. They come from the user's own data folder; who can write there can write
plugins as well.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from types import NoneType
from typing import Any, Final

from procengine.processing.plugin_classes import CLASS_OR_FUNCTION, Home, PluginClasses, PluginName

PROTOCOL: Final = 5
"""Read by every Python that this version runs on."""

LONGEST_COMPARED_BYTES: Final = 256
"""Longer pickles are told apart by a digest, so that they need not stay in memory beside the object."""

_ATOMS: Final = frozenset({str, int, float, bool, NoneType, bytes, complex})
_DEEPEST_TUPLE: Final = 4


def plugin_object(filename: str, module: str, qualname: str) -> Any:
    """Stand in a pickle for a plugin's class; read by `ValuePickles.load` only."""
    raise pickle.UnpicklingError(
        f"{qualname} of plugin {filename} {module}: not read by the plugin cache"
    )


def is_immutable(value: object, depth: int = _DEEPEST_TUPLE) -> bool:
    """Tell whether a value is sure to stay as it is, all that it holds included."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind not in (tuple, frozenset) or depth == 0:
        return False
    return all(is_immutable(each, depth - 1) for each in value)  # type: ignore[attr-defined]


def fingerprint(data: bytes) -> bytes:
    """Return what tells a pickle from others of its length."""
    return (
        data if len(data) <= LONGEST_COMPARED_BYTES else hashlib.blake2b(data, digest_size=16).digest()
    )


class ValuePickles:
    """Pickles and unpickles values of one plugin directory's plugins. Any thread."""

    def __init__(self, classes: PluginClasses) -> None:
        self._classes = classes

    def dumper(self, home: Home | None) -> Callable[[Any], bytes]:
        """Return a call that pickles values one after another, at the end of a run of ``home``. One thread's.

        It raises whatever pickling raises.
        """
        buffer = io.BytesIO()
        pickler = _Pickler(buffer, self._classes, home)

        def dump(value: Any) -> bytes:
            if type(value) in _ATOMS:
                return pickle.dumps(value, PROTOCOL)
            buffer.seek(0)
            buffer.truncate()
            pickler.clear_memo()
            pickler.dump(value)
            return buffer.getvalue()

        return dump

    def load(self, data: bytes) -> Any:
        """Return the value of a pickle; raises whatever unpickling raises."""
        return _Unpickler(io.BytesIO(data), self._classes).load()


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, classes: PluginClasses, home: Home | None) -> None:
        super().__init__(buffer, PROTOCOL)
        self._classes = classes
        self._home = home

    def reducer_override(self, obj: Any) -> Any:
        """Write a plugin's class or function as its name; leave all else to pickle."""
        if isinstance(obj, CLASS_OR_FUNCTION):
            name = self._classes.name_of(obj, self._home)
            if name is not None:
                return plugin_object, tuple(name)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, classes: PluginClasses) -> None:
        super().__init__(buffer)
        self._classes = classes

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Return what the pickle names: for the mark of a plugin's class, the call that finds it."""
        # Wherever the mark stood when it was written.
        if global_name == plugin_object.__name__ and module_name.startswith("procengine."):
            return lambda *where: self._classes.find(PluginName(*where))
        return super().find_class(module_name, global_name)
