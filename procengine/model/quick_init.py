"""How is a frozen record of many fields made quickly?

The ``__init__`` of a frozen dataclass calls ``object.__setattr__`` once a field; a run's record has 29 fields and its
two log lines 8 each, which together cost a quarter of what the engine does around an empty plugin. `quick_init`
replaces it by one that fills the slots with plain assignments, while the record is of a class of the same layout
that is not frozen. Everything else is the dataclass's own: whoever has the record finds it frozen.

Calling any class with keywords puts them into a dictionary first and takes them out again, which costs more than the
filling. `quick_maker` returns a function that does without: a log line takes 0.3 us instead of 0.75. Calling a
function with more than 15 keywords makes a dictionary, too; `positional_maker` is for the record that has so many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def quick_init(cls: type[T]) -> type[T]:
    """Give a dataclass that is ``frozen, slots, kw_only``, derived from nothing, an ``__init__`` that is quick.

    Its signature stays. A ``__post_init__`` is not called.
    """
    replaced: Any = cls.__init__
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    init = _compiled(
        cls,
        f"__init__(self, *, {', '.join(names)})",
        ["set_class(self, '__class__', Filling)", *_filling(cls), "self.__class__ = Frozen"],
    )
    init.__kwdefaults__, init.__annotations__ = replaced.__kwdefaults__, replaced.__annotations__
    cls.__init__ = init  # type: ignore[method-assign]
    return cls


def quick_maker(cls: Callable[P, T]) -> Callable[P, T]:
    """Return a function that makes records of a class that `quick_init` has, by the same keywords, more quickly."""
    make: Any = _maker(cls, "*, ")
    make.__kwdefaults__ = cls.__init__.__kwdefaults__
    found: Callable[P, T] = make
    return found


def positional_maker(cls: type[T]) -> Callable[..., T]:
    """Return a function that makes records of a class that `quick_init` has, of all values by place.

    No type checker looks at the order: a test must.
    """
    make: Callable[..., T] = _maker(cls, "")
    return make


def _maker(cls: Any, star: str) -> Any:
    names = [field.name for field in fields(cls)]
    return _compiled(
        cls,
        f"make({star}{', '.join(names)})",
        ["self = new(Filling)", *_filling(cls), "self.__class__ = Frozen", "return self"],
    )


def _filling(cls: Any) -> list[str]:
    """Return the statements that assign each field; a default that is made anew is made here."""
    return [
        f"self.{field.name} = {field.name}"
        if field.default_factory is MISSING
        else f"self.{field.name} = make_{field.name}() if {field.name} is no_{field.name} else {field.name}"
        for field in fields(cls)
    ]


def _compiled(cls: Any, head: str, lines: list[str]) -> Any:
    """Return the function of a head and statements, as the standard library makes those of dataclasses."""
    names = tuple(field.name for field in fields(cls))
    known: dict[str, Any] = {
        "new": object.__new__,
        "set_class": object.__setattr__,
        "Filling": type(f"{cls.__name__}BeingFilled", (), {"__slots__": names}),
        "Frozen": cls,
    }
    for field in fields(cls):
        if field.default_factory is not MISSING:
            known[f"make_{field.name}"] = field.default_factory
            known[f"no_{field.name}"] = cls.__init__.__kwdefaults__[field.name]
    name = head.partition("(")[0]
    made: dict[str, Any] = {}
    exec("\n ".join([f"def {head}:", *lines]), known, made)
    function = made[name]
    function.__qualname__, function.__module__ = f"{cls.__qualname__}.{name}", cls.__module__
    return function
