"""``%influxdb3`` tells below the original's text which names there are, and what a new trigger is to be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.extension.conftest import Notebook

FEEDS_ITSELF = """
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.write(LineBuilder("copies").int64_field("n", 1))
"""


@pytest.fixture
def house(notebook: Notebook) -> Notebook:
    """A notebook with a table, a trigger and a cache of each kind."""
    Path("plugins/copy.py").write_text(FEEDS_ITSELF)
    notebook.run('%%write house\nhome,room=kitchen temp=21,note="x" 1')
    for line in (
        "create trigger --database house --path copy.py --trigger-spec table:home copier",
        "create last_cache --database house --table home rooms",
        "create distinct_cache --database house --table home --columns room kinds",
    ):
        notebook.run(f"%influxdb3 {line}")
    return notebook


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("create last_cache --database hause --table home", "did you mean house? databases: house"),
        ("create last_cache --database house --table hone", "did you mean home? tables of house: home"),
        (
            "create last_cache --database house --table home --key-columns rom more",
            "did you mean room? columns of home: note, room, temp",
        ),
        (
            "create last_cache --database house --table home --value-columns tmp more",
            "did you mean temp? columns of home: note, room, temp",
        ),
        (
            "create distinct_cache --database house --table home --columns wall more",
            "columns of home: note, room, temp",
        ),
        (
            "delete last_cache --database house --table home room",
            "did you mean rooms? last caches of home: rooms",
        ),
        ("delete distinct_cache --database house --table home what", "distinct caches of home: kinds"),
        ("enable trigger --database house copie", "did you mean copier? triggers of house: copier"),
        ("disable trigger --database house xyz", "triggers of house: copier"),
        ("delete trigger --database house xyz", "triggers of house: copier"),
    ],
)
def test_hints_tell_which_names_there_are(house: Notebook, line: str, told: str) -> None:
    """A name that is not there is answered by the near one, and by those that there are."""
    assert house.fails(f"%influxdb3 {line}").splitlines()[1:] == [told]


def test_hints_say_that_a_new_trigger_feeds_itself(
    house: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    """A trigger for all tables whose plugin writes is told of its loop, as below a plugin's cell; others are not."""
    create = "%influxdb3 create trigger --database house --path copy.py --trigger-spec"
    capsys.readouterr()
    house.run(f"{create} all_tables everything")
    created, note = capsys.readouterr().out.splitlines()
    assert created == "Trigger everything created successfully"
    assert note == (
        "note: writing to 'copies' fires the trigger all_tables again, without end on a server (line 3 of copy.py); "
        "write to another table, or skip rows that the plugin wrote itself"
    )
    house.run(f"{create} table:other one")
    assert capsys.readouterr().out == "Trigger one created successfully\n"
