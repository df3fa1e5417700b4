"""Which last-value and distinct-value caches may be defined, under which defaults and names."""

from __future__ import annotations

from typing import Any

import pytest

from procengine.errors import InvalidInputError
from procengine.model.cache_definition import distinct_cache, last_cache
from procengine.model.column import Column, ColumnType
from procengine.model.table_schema import TableSchema

SCHEMA = TableSchema(
    (
        Column("room", ColumnType.TAG),
        Column("wall", ColumnType.TAG),
        *(
            Column(kind.value[0] + "_field", kind)
            for kind in ColumnType
            if kind is not ColumnType.STRING and kind.is_field
        ),
        Column("note", ColumnType.STRING),
    )
)

BAD_KEY = "only uint64, int64, bool, tag, and string columns are supported in the last cache"
BAD_DISTINCT = "only tag and string columns are supported in the distinct cache"
PREFIX = "invalid configuration provided: "


def refusal(define: Any, **request: object) -> str:
    with pytest.raises(InvalidInputError) as raised:
        define("house", "home", 7, SCHEMA, **request)
    assert raised.value.http_status == 400
    return str(raised.value)


def test_last_cache_defaults() -> None:
    """Keys are the tags in series-key order, values all others; one row for four hours; a name of table and keys."""
    made = last_cache("house", "home", 7, SCHEMA)
    assert made.name == "home_room_wall_last_cache"
    assert (made.key_columns, made.value_columns) == (("room", "wall"), None)
    assert (made.count, made.ttl_seconds) == (1, 14_400)
    assert (made.database, made.table, made.table_id) == ("house", "home", 7)


def test_last_cache_without_keys() -> None:
    """No key columns at all are allowed, asked for or because the table has no tags."""
    assert last_cache("house", "home", 7, SCHEMA, key_columns=[]).name == "home__last_cache"
    assert last_cache("house", "home", 7, TableSchema()).key_columns == ()


def test_last_cache_as_asked_for() -> None:
    """Columns stay in the order given; the time needs no mention among the values."""
    made = last_cache(
        "house",
        "home",
        7,
        SCHEMA,
        name="n",
        key_columns=["note", "room", "i_field", "u_field", "b_field"],
        value_columns=["wall", "time", "f_field"],
        count=10,
        ttl_seconds=1,
    )
    assert made.key_columns == ("note", "room", "i_field", "u_field", "b_field")
    assert made.value_columns == ("wall", "f_field")
    assert (made.name, made.count, made.ttl_seconds) == ("n", 10, 1)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"key_columns": ["f_field"]}, BAD_KEY),
        ({"key_columns": ["time"]}, BAD_KEY),
        ({"key_columns": ["nope"]}, PREFIX + "invalid key column provided: nope"),
        ({"value_columns": ["nope"]}, PREFIX + "invalid value column provided: nope"),
        (
            {"key_columns": ["room", "room"]},
            PREFIX + "invalid key column provided: room is named twice",
        ),
        ({"value_columns": ["room"]}, PREFIX + "invalid value column provided: room is a key column"),
        (
            {"value_columns": ["note", "note"]},
            PREFIX + "invalid value column provided: note is named twice",
        ),
        ({"count": 0}, "last cache size must be greater than 0"),
        ({"count": -1}, "last cache size must be greater than 0"),
        ({"count": 1.5}, "last cache size must be greater than 0"),
        ({"ttl_seconds": 0}, "invalid ttl provided: 0; expected whole seconds, at least 1"),
        ({"ttl_seconds": "4h"}, "invalid ttl provided: '4h'; expected whole seconds, at least 1"),
        ({"name": ""}, PREFIX + "invalid cache name provided: ''; expected text that is not empty"),
    ],
)
def test_last_cache_refusals(request_: dict[str, object], text: str) -> None:
    """What cannot be is refused, in the original's words where it has some."""
    assert refusal(last_cache, **request_) == text


def test_distinct_cache_defaults() -> None:
    """100,000 combinations of a day; a name of table and columns."""
    made = distinct_cache("house", "home", 7, SCHEMA, columns=["wall", "note"])
    assert made.name == "home_wall_note_distinct_cache"
    assert made.columns == ("wall", "note")
    assert (made.max_cardinality, made.max_age_seconds) == (100_000, 86_400)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"columns": []}, PREFIX + "no columns provided when creating distinct cache"),
        ({"columns": ["nope"]}, PREFIX + "invalid column provided: nope"),
        ({"columns": ["room", "f_field"]}, BAD_DISTINCT),
        ({"columns": ["i_field"]}, BAD_DISTINCT),
        ({"columns": ["time"]}, BAD_DISTINCT),
        ({"columns": ["room", "room"]}, PREFIX + "invalid column provided: room is named twice"),
        (
            {"columns": ["room"], "max_cardinality": 0},
            "invalid max cardinality provided: it must be greater than 0",
        ),
        (
            {"columns": ["room"], "max_age_seconds": 0},
            "invalid max age provided: 0; expected whole seconds, at least 1",
        ),
    ],
)
def test_distinct_cache_refusals(request_: dict[str, object], text: str) -> None:
    """What cannot be is refused, in the original's words where it has some."""
    assert refusal(distinct_cache, **request_) == text
