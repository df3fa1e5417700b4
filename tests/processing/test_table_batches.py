"""What a write trigger's plugin receives: section 2."""

from __future__ import annotations

import copy
import json
import pickle

import pyarrow as pa
import pytest

from procengine.processing.row_dicts import python_values, row_dicts
from procengine.processing.table_batches import RowsNotRead, TableBatch, table_batches
from tests.processing.plugin_doubles import table_rows

KITCHEN = {"room": "Kitchen", "temp": 21.5, "time": 1}
HALL = {"room": "Hall", "temp": 19.0, "time": 2}


def is_read(batch: TableBatch) -> bool:
    """Tell whether the rows were made, looking past the methods."""
    return not isinstance(dict.get(batch, "rows"), RowsNotRead)


def test_rows_have_tags_fields_and_time() -> None:
    """Section 2: tags, then fields in line order, then ``time`` as integer nanoseconds."""
    (batch,) = table_batches([table_rows()])
    assert batch == {"table_name": "home", "rows": [KITCHEN, HALL]}
    assert list(batch["rows"][0]) == ["room", "temp", "time"]
    assert type(batch["rows"]) is list
    assert type(batch["rows"][0]) is dict


def test_types_of_values() -> None:
    """Section 2: str, int for both integers, float, bool; the values are Python's own."""
    columns = {
        "tag": pa.array(["x"]).dictionary_encode(),
        "s": pa.array(["y"]),
        "i": pa.array([-1]),
        "u": pa.array([2**64 - 1], pa.uint64()),
        "f": pa.array([1.5]),
        "b": pa.array([True]),
    }
    (batch,) = table_batches([table_rows(columns=columns, times=[2**62])])
    row = batch["rows"][0]
    assert row == {"tag": "x", "s": "y", "i": -1, "u": 2**64 - 1, "f": 1.5, "b": True, "time": 2**62}
    assert [type(value) for value in row.values()] == [str, str, int, int, float, bool, int]


def test_row_has_only_the_columns_of_its_line() -> None:
    """Section 2: a row has the columns that its line had, in the line's own order."""
    columns = {"a": pa.array([1.0, None, 3.0]), "b": pa.array([None, 2, 4])}
    rows = table_rows(
        columns=columns,
        times=[1, 2, 3],
        shapes=(("a",), ("b",), ("b", "a")),
        shape_of_row=[0, 1, 2],
    )
    found = table_batches([rows])[0]["rows"]
    assert found == [{"a": 1.0, "time": 1}, {"b": 2, "time": 2}, {"b": 4, "a": 3.0, "time": 3}]
    assert list(found[2]) == ["b", "a", "time"]


def test_tables_stand_in_first_seen_order_with_all_their_writes() -> None:
    """Section 2: one entry a table for all the writes of a flush."""
    first, other, second = table_rows(), table_rows("cellar", table_id=2), table_rows(times=[8, 9])
    batches = table_batches([first, other, second])
    assert [batch["table_name"] for batch in batches] == ["home", "cellar"]
    assert [row["time"] for row in batches[0]["rows"]] == [1, 2, 8, 9]
    assert [batch.row_count for batch in batches] == [4, 2]


def test_rows_are_made_only_when_looked_at() -> None:
    """The table's name, the row count and Arrow make no dictionaries."""
    (batch,) = table_batches([table_rows()])
    assert (batch["table_name"], batch.get("table_name"), len(batch), list(batch)) == (
        "home",
        "home",
        2,
        ["table_name", "rows"],
    )
    assert ("rows" in batch, batch.row_count, batch.to_arrow().num_rows) == (True, 2, 2)
    assert not is_read(batch)
    assert len(batch["rows"]) == 2
    assert is_read(batch)


def keywords(**given: object) -> dict[str, object]:
    """Return keyword arguments as they arrived."""
    return given


@pytest.mark.parametrize(
    "read",
    [
        lambda batch: json.loads(json.dumps(batch)),
        lambda batch: json.loads(json.dumps([batch]))[0],
        dict,
        lambda batch: {**batch},
        copy.copy,
        copy.deepcopy,
        lambda batch: pickle.loads(pickle.dumps(batch)),
        lambda batch: batch.copy(),
        lambda batch: dict(batch.items()),
        lambda batch: dict(zip(batch.keys(), batch.values(), strict=True)),
        lambda batch: batch | {},
        lambda batch: {} | batch,
        lambda batch: keywords(**batch),
        lambda batch: {"table_name": batch["table_name"], "rows": batch.pop("rows")},
        lambda batch: {"table_name": "home", **dict([batch.popitem()])},
        lambda batch: {"table_name": "home", "rows": batch.setdefault("rows", [])},
        lambda batch: eval(repr(batch)),
        lambda batch: batch,
    ],
)  # fmt: skip
def test_batch_is_a_real_dictionary(read: object) -> None:
    """Whatever way a plugin takes to the rows as the first one, it finds them."""
    (batch,) = table_batches([table_rows()])
    expected = {"table_name": "home", "rows": [KITCHEN, HALL]}
    assert read(batch) == expected  # type: ignore[operator]


def test_comparisons_both_ways() -> None:
    """A batch equals the dictionary that it stands for, from either side, and another batch."""
    expected = {"table_name": "home", "rows": [KITCHEN, HALL]}
    assert expected == table_batches([table_rows()])[0]
    assert table_batches([table_rows()]) == table_batches([table_rows()])
    assert table_batches([table_rows()])[0] != {"table_name": "home", "rows": []}
    assert isinstance(table_batches([table_rows()])[0], dict)


def test_match_statement_reads_the_rows() -> None:
    """A mapping pattern finds the rows as well."""
    match table_batches([table_rows()])[0]:
        case {"table_name": "home", "rows": [first, *_]}:
            assert first == KITCHEN
        case _:
            pytest.fail("no match")


def test_changes_reach_no_other_batch() -> None:
    """What one plugin changes in its rows, another trigger's batch of the same write does not have."""
    rows = table_rows()
    (mine,), (others,) = table_batches([rows]), table_batches([rows])
    mine["rows"][0]["temp"] = -1
    mine["rows"].append({})
    mine["table_name"] = "other"
    assert mine["rows"][0]["temp"] == -1
    assert others == {"table_name": "home", "rows": [KITCHEN, HALL]}


def test_to_arrow_shares_the_buffers() -> None:
    """Access is zero-copy: every buffer of the Arrow table is one of the table buffer's."""
    first, second = table_rows(), table_rows(times=[8, 9])
    table = table_batches([first, second])[0].to_arrow()
    for number, piece in enumerate((first, second)):
        for name in table.column_names:
            shared = table.column(name).chunk(number).buffers()
            given = piece.batch.column(name).buffers()
            assert [b and b.address for b in shared] == [b and b.address for b in given]


def test_to_arrow_fills_what_a_write_lacks_with_nulls() -> None:
    """Writes of one flush with different columns make one table, the time last."""
    first = table_rows()
    second = table_rows(columns={"n": pa.array([5])}, times=[9])
    table = table_batches([first, second])[0].to_arrow()
    assert table.column_names == ["room", "temp", "n", "time"]
    assert table.column("n").to_pylist() == [None, None, 5]


def test_to_pandas_gives_the_rows() -> None:
    """The rows as a DataFrame."""
    frame = table_batches([table_rows()])[0].to_pandas()
    assert frame["room"].tolist() == ["Kitchen", "Hall"]
    assert frame["time"].astype("int64").tolist() == [1, 2]


def test_values_keep_nulls_apart() -> None:
    """Columns with nulls keep whole numbers exact and give None for the nulls."""
    big = 2**53 + 1
    assert python_values(pa.array([big, None])) == [big, None]
    assert python_values(pa.array([None, True])) == [None, True]
    assert python_values(pa.array([None, "x"])) == [None, "x"]
    assert python_values(pa.array(["a", None, "a"]).dictionary_encode()) == ["a", None, "a"]
    assert python_values(pa.array([1, None], pa.timestamp("ns"))) == [1, None]


def test_row_display_takes_any_name() -> None:
    """Names with quotes, braces and newlines are keys, never code."""
    names = ["a'b", 'c"{x}', "d\ne", "__import__('os')"]
    arrays = [pa.array([number]) for number in range(4)]
    assert row_dicts(names, arrays) == [dict(zip(names, range(4), strict=True))]
    assert row_dicts(["only"], [pa.array([1, 2])]) == [{"only": 1}, {"only": 2}]
