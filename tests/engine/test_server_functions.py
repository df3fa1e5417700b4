"""What the original's DataFusion has not, or does otherwise, is so here.

Source: DataFusion 51.0.0, for which influxdb's Cargo.toml asks; expected values are what that release gives.
"""

from __future__ import annotations

import math

import pytest

from procengine import Engine
from procengine.errors import QueryError
from procengine.query.server_functions import LATER_AGGREGATES, LATER_FUNCTIONS

LINES = """\
t,tag=Kitchen s="abc",i=1i,u=1u,f=2.25,b=true 1
t,tag=Hall s="x y",i=2i,u=2u,f=-2.25,b=false 2"""


@pytest.fixture
def house(engine: Engine) -> Engine:
    """An engine with a table that has a column of each type."""
    engine.write("house", LINES)
    return engine


@pytest.mark.parametrize("name", [*LATER_FUNCTIONS, *LATER_AGGREGATES])
def test_functions_that_a_server_has_not_are_not_here(house: Engine, name: str) -> None:
    """A query that calls a later function fails here as it fails there."""
    with pytest.raises(QueryError, match=f"^Error during planning: Invalid function '{name}'"):
        house.query(f"SELECT {name}(i) FROM t", "house")
    listed = "SELECT count(*) AS n FROM information_schema.routines WHERE routine_name = $name"
    assert house.query(listed, "house", {"name": name})["n"].to_pylist() == [0]


def test_square_roots_of_negative_numbers_are_not_numbers(house: Engine) -> None:
    """One negative value among many does not fail the query."""
    roots = house.query("SELECT sqrt(f) FROM t ORDER BY time", "house")
    assert roots.column_names == ["sqrt(t.f)"]
    assert roots.column(0)[0].as_py() == 1.5
    assert math.isnan(roots.column(0)[1].as_py())
    assert house.query("SELECT sqrt(4) AS x, sqrt(NULL) AS y", "house").to_pylist() == [
        {"x": 2.0, "y": None}
    ]


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("substr(tag, 1, 2)", "string_view"),
        ("substr(s, 1)", "string_view"),
        ("substring(s FROM 1 FOR 2)", "string_view"),
        ("concat(tag, 'x')", "string_view"),
        ("concat(s, 'x')", "string"),
        ("concat(tag::STRING, 'x')", "string"),
        ("concat('a', s, i)", "string"),
        ("trim(tag)", "string_view"),
        ("trim(s)", "string"),
        ("btrim(tag, 'x')", "string_view"),
        ("initcap(tag)", "string_view"),
        ("initcap(s)", "string"),
        ("left(tag, 2)", "string"),
        ("right(tag, 2)", "string"),
        ("left(substr(s, 1), 1)", "string"),
        ("translate(tag, 'a', 'b')", "string"),
        ("substr_index(tag, 'a', 1)", "string"),
        ("substr(s, 1) || 'x'", "string_view"),
        ("coalesce(substr(s, 1), 'x')", "string_view"),
        ("CASE WHEN i = 1 THEN substr(s, 1) ELSE s END", "string_view"),
        ("max(substr(tag, 1))", "string_view"),
        ("max(left(tag, 1))", "string"),
        ("substr(s, 1)::STRING", "string"),
        ("arrow_cast(substr(s, 1), 'Utf8')", "string"),
        ("length(tag)", "int32"),
        ("coalesce(length(tag), 0)", "int64"),
        ("sum(length(tag))", "int64"),
        ("median(i)", "int64"),
        ("median(u)", "uint64"),
        ("median(f)", "double"),
        ("median(i + 1)", "int64"),
        ("approx_median(i)", "int64"),
        ("approx_percentile_cont(i, 0.5)", "int64"),
        ("approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY f)", "double"),
        ("power(i, 2)", "int64"),
        ("power(count(*), 2)", "int64"),
        ("power(f, 2)", "double"),
        ("power(i, -1)", "double"),
        ("power(i, i)", "double"),
        ("power(u, 2)", "double"),
        ("round(i)", "double"),
        ("round(f, 1)", "double"),
        ("round(sum(i))", "double"),
        ("lower(tag)", "dictionary<values=string, indices=int32, ordered=0>"),
        ("upper(s)", "string"),
    ],
)
def test_columns_have_the_types_that_a_server_gives_them(
    house: Engine, expression: str, kind: str
) -> None:
    """Read whole, streamed, announced, and out of a subquery: the type is that of DataFusion 51.

    But for dictionaries of texts, which a plugin reads as it reads texts.
    """
    for sql in (
        f"SELECT {expression} AS x FROM t",
        f"WITH q AS (SELECT * FROM t) SELECT {expression} FROM q t",
    ):
        assert str(house.query(sql, "house").schema.field(0).type) == kind
        stream = house.query_executor.stream(sql, "house")
        assert str(stream.schema.field(0).type) == kind
        assert str(stream.read_all().schema.field(0).type) == kind
    outer = house.query(f"SELECT x FROM (SELECT {expression} AS x FROM t) q ORDER BY x LIMIT 1", "house")
    assert str(outer.schema.field(0).type) == kind


def test_medians_of_integers_are_integers(house: Engine) -> None:
    """The median of 1 and 2 is 1 on a server, that of floats has its fraction."""
    row = house.query(
        "SELECT median(i) AS i, median(u) AS u, median(f) AS f, power(i + 1, 2) AS p, round(i) AS r "
        "FROM t GROUP BY i ORDER BY i",
        "house",
    ).to_pylist()[0]
    assert row == {"i": 1, "u": 1, "f": 2.25, "p": 4, "r": 1.0}
    assert house.query("SELECT median(i) AS m FROM t", "house")["m"].to_pylist() == [1]


def test_powers_beyond_integers_are_errors(house: Engine) -> None:
    """A power that no integer holds fails the query, read whole or streamed."""
    sql = "SELECT power(10, 20) AS x"
    with pytest.raises(QueryError, match="Arithmetic overflow: Overflow happened on: 1e\\+20"):
        house.query(sql, "house")
    with pytest.raises(QueryError, match="Arithmetic overflow"):
        house.query_executor.stream(sql, "house").read_all()
    with pytest.raises(QueryError, match="Arithmetic overflow"):
        house.query("SELECT power(2, 63) AS x", "house")
    assert house.query("SELECT power(-2, 63) AS x", "house").to_pylist() == [{"x": -(2**63)}]
    assert house.query("SELECT power(10, 18) AS x", "house").to_pylist() == [{"x": 10**18}]
