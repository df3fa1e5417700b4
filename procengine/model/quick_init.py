"""How is a frozen record of many fields made quickly?

The ``__init__`` of a frozen dataclass calls ``object.__setattr__`` once a field; a run's record has 25 fields and its
two log lines 8 each, which together cost a quarter of what the engine does around an empty plugin. `quick_init`
replaces it by one that fills the slots with plain assignments, while the record is of a class of the same layout
that is not frozen. Everything else is the dataclass's own: whoever has the record finds it frozen.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quick_init(cls: type[T]) -> type[T]:
    """Give a dataclass that is ``frozen, slots, kw_only``, derived from nothing, an ``__init__`` that is quick.

    Its signature stays. A ``__post_init__`` is not called.
    """
    replaced: Any = cls.__init__
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    filling = type(f"{cls.__name__}BeingFilled", (), {"__slots__": tuple(names)})
    known: dict[str, Any] = {"set_class": object.__setattr__, "Filling": filling, "Frozen": cls}
    lines = [f"def __init__(self, *, {', '.join(names)}):", " set_class(self, '__class__', Filling)"]
    for field in fields(cls):  # type: ignore[arg-type]
        if field.default_factory is MISSING:
            lines.append(f" self.{field.name} = {field.name}")
            continue
        known[f"make_{field.name}"] = field.default_factory
        known[f"no_{field.name}"] = replaced.__kwdefaults__[field.name]
        lines.append(
            f" self.{field.name} = make_{field.name}() if {field.name} is no_{field.name} else {field.name}"
        )
    lines.append(" self.__class__ = Frozen")
    made: dict[str, Any] = {}
    exec("\n".join(lines), known, made)  # as the standard library makes those of dataclasses
    init = made["__init__"]
    init.__kwdefaults__, init.__annotations__ = replaced.__kwdefaults__, replaced.__annotations__
    init.__qualname__, init.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    cls.__init__ = init  # type: ignore[method-assign]
    return cls
