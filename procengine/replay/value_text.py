"""What is in a value, told the same in each process?

Neither ``repr`` nor a pickle does: an object without a ``repr`` of its own gives its address, and the order of a set
goes by the process's hash seed. So values are taken apart here as pickling does, into what would be stored.

A class is told by its name alone, without its module: two versions of a plugin that keep equal values keep the same.
"""

from __future__ import annotations

import copyreg
import datetime
import decimal
import uuid
from types import FunctionType, ModuleType, NoneType
from typing import Any, Final

_TOLD_BY_REPR: Final = frozenset(
    {
        int,
        float,
        complex,
        str,
        bytes,
        bytearray,
        bool,
        range,
        NoneType,
        datetime.date,
        datetime.timedelta,
        decimal.Decimal,
        uuid.UUID,
    }
)
_PROTOCOL: Final = 4
"""Of the reduction: the newest whose buffers are bytes, and not views of memory."""


def value_text(value: object) -> str:
    """Return a text that is equal for values that hold equal things, in this process and in others.

    It has no addresses, and sets in the order of their members' texts. What cannot be pickled is told by its type and
    its attributes; of a value that is nested too deep to be taken apart, the type alone is told.

    Runs what pickling would run of a plugin's class: ``__reduce__``, ``__getstate__``.
    """
    try:
        return _Telling({}).text(value)
    except RecursionError:
        return f"<{type(value).__qualname__}, too deep to be told>"


class _Telling:
    """Tells values one after another; an object that was told before is told by its number."""

    def __init__(self, told: dict[int, tuple[int, object]]) -> None:
        # By address; the object is held, so that no other one comes to have it.
        self._told = told

    def text(self, value: Any) -> str:
        """Return the text of a value."""
        kind = type(value)
        if kind in _TOLD_BY_REPR:
            return repr(value)
        if kind is tuple:
            return f"({self._all(value)})"
        if isinstance(value, type | FunctionType):
            return value.__qualname__
        if isinstance(value, ModuleType):
            return f"module {value.__name__}"
        if kind is frozenset:
            return f"frozenset{self._members(value)}"
        known = self._told.get(id(value))
        if known is not None:
            return f"#{known[0]}"
        self._told[id(value)] = len(self._told), value
        if kind is list:
            return f"[{self._all(value)}]"
        if kind is dict:
            return self._mapping(value)
        if isinstance(value, set | frozenset):
            return f"{kind.__qualname__}{self._members(value)}{self._attributes(value)}"
        return self._object(value)

    def _all(self, values: Any) -> str:
        return ", ".join([self.text(one) for one in values])

    def _mapping(self, values: Any) -> str:
        return f"{{{self._pairs(values.items())}}}"

    def _pairs(self, pairs: Any) -> str:
        return ", ".join([f"{self.text(key)}: {self.text(one)}" for key, one in pairs])

    def _members(self, values: Any) -> str:
        """Return the members of a set, each told as if it came first: no order goes by that of the set."""
        return f"{{{', '.join(sorted(_Telling(dict(self._told)).text(one) for one in values))}}}"

    def _object(self, value: Any) -> str:
        name = type(value).__qualname__
        try:
            reduced = _reduced(value)
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - a plugin's own method, or what cannot be pickled
            return f"{name}({self._attributes(value)})"
        if isinstance(reduced, str):
            return reduced
        call, arguments = reduced[:2]
        state, members, pairs = (*reduced[2:5], None, None, None)[:3]
        if getattr(call, "__name__", "") == "__newobj__":  # as pickling tells it
            call, arguments = arguments[0], arguments[1:]
        parts = [self._all(arguments)] if arguments else []
        if state is not None:
            parts.append(self.text(state))
        if members is not None:
            parts.append(f"[{self._all(members)}]")
        if pairs is not None:
            parts.append(f"{{{self._pairs(pairs)}}}")
        return f"{self.text(call)}({', '.join(parts)})"

    def _attributes(self, value: object) -> str:
        """Return attributes, of slots as well, in braces, or nothing where there are none."""
        found = dict(getattr(value, "__dict__", {}))
        for kind in type(value).__mro__:
            named = kind.__dict__.get("__slots__", ())
            for name in (named,) if isinstance(named, str) else named:
                if name not in {"__dict__", "__weakref__"} and hasattr(value, name):
                    found[name] = getattr(value, name)
        return self._mapping(found) if found else ""


def _reduced(value: Any) -> str | tuple[Any, ...]:
    """Return what pickling takes a value for: a name, or a call, its arguments and what is put in afterwards."""
    reduce = copyreg.dispatch_table.get(type(value))
    found: str | tuple[Any, ...] = value.__reduce_ex__(_PROTOCOL) if reduce is None else reduce(value)
    return found
