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
