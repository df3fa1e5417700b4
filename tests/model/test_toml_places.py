"""Values are found where they stand in a text."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from procengine.model.json_places import json_places
from procengine.model.toml_places import toml_places

TOML = '''\
# a = 1
title = "x # no comment"  # a comment
"quoted" = 1
'single' = [ [1, 2], # first
  [3, {k = "v", l.m = [true]}],
]
long = """
[not.a.table]
a = 1 \\""" still"""
literal = \'\'\'
b = 2\'\'\'
when = 2026-01-01 00:00:00
[ table . sub ]
dotted.key = 1.5
[[array]]
a = 1
[array.below]
b = 2
[[array]]
[[array.inner]]
c = 3
'''
JSON = '{"a": [1, {"b\\"": "x,]}"}],\n  "c": {"d": null, "e": -1.5e3}, "f": []\n}'


def paths(value: Any, path: str = "") -> list[str]:
    """Return the paths of all values below one."""
    found = []
    if isinstance(value, dict):
        for key, one in value.items():
            below = f"{path}.{key}" if path else key
            found += [below, *paths(one, below)]
    elif isinstance(value, list):
        for number, one in enumerate(value):
            found += [f"{path}[{number}]", *paths(one, f"{path}[{number}]")]
    return found


def test_every_value_of_toml_has_a_place() -> None:
    """All that the reader finds has a place, and nothing else but the whole has."""
    assert set(toml_places(TOML)) == {"", *paths(tomllib.loads(TOML))}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("title", (2, 9)),
        ("single[0][1]", (4, 18)),
        ("single[1][1].l.m[0]", (5, 24)),
        ("when", (12, 8)),
        ("table.sub", (13, 1)),
        ("table.sub.dotted.key", (14, 14)),
        ("array[0].below.b", (18, 5)),
        ("array[1]", (19, 1)),
        ("array[1].inner[0].c", (21, 5)),
    ],
)
def test_places_in_toml(path: str, place: tuple[int, int]) -> None:
    """A value stands where it begins, a table where its head begins."""
    assert toml_places(TOML)[path] == place


def test_places_in_json() -> None:
    """Every value of JSON has the place where it begins."""
    places = json_places(JSON)
    assert set(places) == {"", *paths(json.loads(JSON))}
    assert (places["a[1]"], places['a[1].b"'], places["c.e"], places["f"]) == (
        (1, 11),
        (1, 19),
        (2, 25),
        (2, 39),
    )
