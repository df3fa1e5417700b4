"""The text of a value says what is in it: neither where it stands in memory, nor how the process hashes."""

from __future__ import annotations

import collections
import datetime
import decimal
import threading
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from procengine.replay.value_text import value_text


class Box:
    def __init__(self, content: Any) -> None:
        self.content = content


class Mute(Box):
    def __repr__(self) -> str:
        return "Mute()"


class Slotted:
    __slots__ = ("content", "unset")

    def __init__(self, content: Any) -> None:
        self.content = content


class Locked(Slotted):
    def __init__(self, content: Any) -> None:
        super().__init__(content)
        self.lock = threading.Lock()


class Own:
    """Says itself what is to be stored."""

    def __init__(self, content: Any) -> None:
        self.content, self.address = content, id(self)

    def __reduce__(self) -> Any:
        return Own, (self.content,)


class Tags(set[str]):
    pass


def looped(content: Any) -> Box:
    box = Box([content])
    box.content.append(box)
    return box


MADE = [
    list,
    Box,
    Mute,
    Slotted,
    Locked,
    Own,
    looped,
    lambda content: {"a": (Box(content), {"b": [content]})},
    lambda content: {Box(content), Box(None)},
    lambda content: Tags(map(str, content)),
    lambda content: collections.deque(content, 5),
    lambda content: collections.defaultdict(list, a=content),
    lambda content: collections.OrderedDict(a=content),
    np.array,
    lambda content: np.array([content, None], object),
    lambda content: pd.DataFrame({"a": content}),
    lambda content: pa.table({"a": content}),
    iter,
    lambda content: decimal.Decimal(sum(content)),
    lambda content: datetime.datetime(2026, 1, content[0], tzinfo=datetime.UTC),
    frozenset,
]


@pytest.mark.parametrize("made", MADE)
def test_text_tells_what_is_in_a_value(made: Any) -> None:
    """It is the same for two values that hold the same, and another where something deep inside differs."""
    one, same, other = made([1, 2]), made([1, 2]), made([3, 2])
    assert value_text(one) == value_text(same)
    assert value_text(one) != value_text(other)
    assert " at 0x" not in value_text(one)


def test_text_tells_kinds_apart() -> None:
    """What compares as equal, but is of another type, is another value."""
    values = [
        1,
        True,
        1.0,
        "1",
        b"1",
        (1,),
        [1],
        {1},
        frozenset({1}),
        {1: 1},
        Box(1),
        Mute(1),
        Tags({"1"}),
    ]
    assert len(set(map(value_text, values))) == len(values)
    assert value_text(0.0) != value_text(-0.0)


def test_text_has_the_members_of_sets_in_one_order() -> None:
    """Not in that of the set, which goes by addresses here; members are told as if each came first."""
    pair = Box("x"), Box("y")
    assert value_text({*pair}) == value_text({*reversed(pair)}) == value_text({Box("y"), Box("x")})


def test_text_tells_an_object_once() -> None:
    """One that comes twice is not two equal ones, and text does not grow with the ways to an object."""
    box = Box(1)
    assert value_text([box, box]) != value_text([Box(1), Box(1)])
    nested: Any = []
    for _ in range(60):
        nested = [nested, nested]
    assert len(value_text(nested)) < 1000


def test_text_of_what_is_nested_too_deep_is_its_type() -> None:
    """A chain longer than Python's stack is not told, and nothing is raised."""
    chain: Any = None
    for _ in range(100_000):
        chain = (chain,)
    assert value_text([chain]) == "<list, too deep to be told>"


def test_text_of_what_cannot_be_asked_is_its_attributes() -> None:
    """Whatever a class raises when it is to be stored."""

    class Refusing:
        def __init__(self, content: int) -> None:
            self.content = content

        def __getstate__(self) -> object:
            raise ValueError("no")

    assert value_text(Refusing(1)).endswith("Refusing({'content': 1})")
