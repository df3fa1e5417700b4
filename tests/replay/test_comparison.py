"""A comparison says which rows, which state and which cost differ between two replays."""

from __future__ import annotations

from pathlib import Path

import pytest

from procengine.engine import Engine
from procengine.errors import TableNotFoundError
from procengine.replay import Selection
from tests.replay.conftest import NOON_NS, SECOND, Put, lines, replayed

OLD = """
def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            influxdb3_local.cache.put("last", row["temp"])
            if row["temp"] > 23:
                line = LineBuilder("hot").tag("room", row["room"]).float64_field("temp", row["temp"])
                influxdb3_local.write(line.string_field("how", "old").time_ns(row["time"]))
"""
NEW = (
    OLD.replace("> 23", "> 24")
    .replace(
        'row["temp"])\n                ',
        'row["temp"] * (2 if row["temp"] > 25 else 1))\n                ',
    )
    .replace('put("last", row["temp"])', 'put("last", "x")')
    + "    influxdb3_local.write(LineBuilder('runs').int64_field('n', 1))\n"
)


@pytest.fixture
def versions(engine: Engine, put: Put, plugins: Path) -> Selection:
    """Two versions of a plugin; the selection puts the new one in place of the old."""
    put(OLD, "table:home", "hot")
    (plugins / "hot_new.py").write_text(NEW)
    return Selection(swaps={"hot.py": "hot_new.py"})


def test_comparison_of_two_versions(engine: Engine, versions: Selection) -> None:
    """Rows of one version alone are added or missing, rows with other fields are changed, with both values."""
    found = replayed(engine, lines(7)).compare(replayed(engine, lines(7), selection=versions))
    by_table = {one.table: one for one in found.tables}
    hot = by_table["hot"]
    assert hot.missing["temp"].to_pylist() == [23.5]
    assert hot.changed["room"].to_pylist() == ["Attic", "Attic"]
    assert hot.changed["temp before"].to_pylist() == [25.5, 26.5]
    assert hot.changed["temp after"].to_pylist() == [51.0, 53.0]
    assert (hot.same, hot.added.num_rows) == (1, 0)
    assert by_table["runs"].added.num_rows == 7
    assert by_table["home"].is_empty
    assert [(one.key, one.before, one.after) for one in found.state] == [("last", "26.5", "'x'")]
    assert [(one.trigger, one.before.runs, one.after.runs) for one in found.costs] == [("hot", 7, 7)]
    assert not found.is_same


def test_comparison_bins_count_every_difference(engine: Engine, versions: Selection) -> None:
    """The plot's bins add up to the differences, and begin with the replay."""
    found = replayed(engine, lines(7)).compare(replayed(engine, lines(7), selection=versions))
    bins = found.bins(5)
    assert (sum(bins.added), sum(bins.changed), sum(bins.missing)) == (7, 2, 1)
    assert bins.start_ns == NOON_NS
    assert 5 * bins.width_ns >= 7 * SECOND


def test_comparison_with_itself(engine: Engine, versions: Selection) -> None:
    """A replay does not differ from itself."""
    result = replayed(engine, lines(7))
    assert result.compare(result).is_same


def test_comparison_of_rows_whose_tags_are_missing_or_new(
    engine: Engine, put: Put, plugins: Path
) -> None:
    """Rows without a tag are found again, and a tag that only one version has makes other rows."""
    plain = (
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    for row in table_batches[0]['rows']:\n"
        "        influxdb3_local.write(LineBuilder('out').int64_field('n', 1).time_ns(row['time']))\n"
    )
    put(plain, "table:home")
    (plugins / "tagged.py").write_text(plain.replace(".int64", ".tag('new', 'x').int64"))
    before = replayed(engine, lines(3))
    assert before.compare(before).is_same
    after = replayed(engine, lines(3), selection=Selection(swaps={"p.py": "tagged.py"}))
    out = next(one for one in before.compare(after).tables if one.table == "out")
    assert (out.added.num_rows, out.missing.num_rows, out.changed.num_rows) == (3, 3, 0)


def test_result_costs_and_rows(engine: Engine, versions: Selection) -> None:
    """A result has the cost of each trigger, and says which table it does not have."""
    result = replayed(engine, lines(7))
    (cost,) = result.costs()
    assert (cost.trigger, cost.runs, cost.errors) == ("hot", 7, 0)
    assert 0 < cost.p50_ns <= cost.p95_ns <= cost.duration_ns
    with pytest.raises(TableNotFoundError):
        result.rows("nothing")


BOXED = """
class Box:
    def __init__(self, temp):
        self.temp = temp

class Mute(Box):
    def __repr__(self):
        return "Mute()"

def process_writes(influxdb3_local, table_batches, args=None):
    temp = table_batches[0]["rows"][0]["temp"]
    influxdb3_local.cache.put("box", [Box(temp)])
    influxdb3_local.cache.put("mute", Mute(temp))
"""


def test_comparison_of_state_goes_by_what_objects_hold(engine: Engine, put: Put) -> None:
    """Equal objects are no difference though they stand elsewhere; others are, whatever they say of themselves."""
    put(BOXED, "table:home")
    first, same, other = (replayed(engine, lines(count)) for count in (3, 3, 4))
    assert first.state == same.state
    assert first.compare(same).is_same
    assert [(one.key, one.before, one.after) for one in first.compare(other).state] == [
        ("box", "[Box({'temp': 22.5})]", "[Box({'temp': 23.5})]"),
        ("mute", "Mute()", "Mute() (holds something else)"),
    ]
