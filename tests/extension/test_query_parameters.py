"""``$name`` in a cell's SQL is the notebook's variable."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from IPython.core.error import UsageError
from procengine_jupyter.query_command import parameter_names, parameters


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT 1", ()),
        ("WHERE a > $low AND b < $high AND c = $low", ("low", "high")),
        ("SELECT '$no' , \"$no\", 'it''s $no'", ()),
        ("SELECT 1 -- $no\n, $yes", ("yes",)),
        ("SELECT /* $no\n $no */ $yes", ("yes",)),
        ("SELECT $1, $_x", ("_x",)),
    ],
)
def test_parameters_are_found_outside_of_text(sql: str, names: tuple[str, ...]) -> None:
    """Strings, quoted names and comments hold no parameters."""
    assert parameter_names(sql) == names


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("a'b", "a'b"),
        (True, True),
        (3, 3),
        (1.5, 1.5),
        (None, None),
        (np.float64(2.5), 2.5),
        (np.array(7), 7),
        (datetime.date(2022, 1, 1), "2022-01-01"),
    ],
)
def test_values_are_taken_as_sql_can(value: object, taken: object) -> None:
    """numpy scalars are what they hold, times are text."""
    assert parameters("$x", {"x": value}) == {"x": taken}


def test_missing_variable_is_named() -> None:
    """A parameter without a variable is a usage error."""
    with pytest.raises(UsageError, match=r"uses \$limit, but there is no variable 'limit'"):
        parameters("SELECT $limit", {})


@pytest.mark.parametrize("value", [[1], {}, object(), np.array([1, 2])])
def test_other_values_are_refused(value: object) -> None:
    """A value that SQL cannot take is refused, saying what is accepted."""
    with pytest.raises(UsageError, match=r"\$x cannot be a \w+; accepted: str, bool, int"):
        parameters("$x", {"x": value})
