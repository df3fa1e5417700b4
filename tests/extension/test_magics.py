"""Each magic does one thing and shows what came of it."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from procengine_jupyter import pieces
from procengine_jupyter.render.run_card import RunCard
from procengine_jupyter.status import engine_card

from procengine.engine import Engine
from procengine.errors import InvalidInputError
from procengine.model.run import RunOutcome
from tests.extension.conftest import HOT_ROOMS, Notebook

SCHEDULED = """%%plugin hourly --trigger every:1h --database house
def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.info("called at", call_time.isoformat())
    influxdb3_local.write(LineBuilder("beat").int64_field("n", 1))
"""

REQUESTED = """%%plugin lookup --trigger request:lookup --database house
def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    return {"q": query_parameters, "h": request_headers.get("x-room"), "b": request_body.decode()}
"""


def rows(notebook: Notebook, sql: str) -> list[dict[str, object]]:
    """Return the rows of a query on the database house."""
    return notebook.engine.query(sql, "house").to_pylist()


def test_plugin_runs_on_the_next_write(notebook: Notebook) -> None:
    """A plugin cell is live; the write that fires it shows the run, what it logged and what it wrote."""
    card = notebook.run(HOT_ROOMS).text()
    assert "hot_rooms.py: saved plugins/hot_rooms.py · process_writes" in card
    assert "trigger hot_rooms created: table:home in house" in card

    notebook.run("%%write house\nhome,room=Kitchen temp=21.0\nhome,room=Attic temp=24.5")

    assert "2 rows into house.home" in notebook.shown[-1]
    assert "hot_rooms: success" in notebook.shown[-1]
    assert "hot: Attic" in notebook.shown[-1]
    assert "wrote 1 row into alert" in notebook.shown[-1]
    assert rows(notebook, "SELECT room, temp FROM alert") == [{"room": "Attic", "temp": 24.5}]


COUNTED = """%%plugin counted --trigger table:alert --database house
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info("seen", len(table_batches[0]["rows"]))
    influxdb3_local.write(LineBuilder("total").int64_field("n", 1))
"""


def test_a_writes_card_shows_the_runs_that_its_runs_caused(notebook: Notebook) -> None:
    """A run's write runs other triggers: they follow the run, set in, and the card says after whom they ran."""
    notebook.run(HOT_ROOMS)
    notebook.run(COUNTED)
    notebook.run(
        COUNTED.replace("total", "t").replace("counted", "noted").replace("table:alert", "table:total")
    )
    notebook.run("%%write house\nhome,room=Kitchen temp=21.0\nhome,room=Attic temp=24.5")
    card = notebook.shown[-1]
    page = notebook.shell.display_pub.bundles[-1]["text/html"]

    lines = [line for line in card.splitlines() if ": success" in line]
    assert [line.partition(": success")[0] for line in lines] == [
        "  hot_rooms",
        "    after hot_rooms: counted",
        "      after counted: noted",
    ]
    assert "seen 1" in card
    assert page.index("hot_rooms</span>") < page.index("after hot_rooms") < page.index("after counted")


def test_a_run_that_another_write_caused_is_not_on_the_card(notebook: Notebook) -> None:
    """What ran before, by the same triggers, is none of it."""
    notebook.run(HOT_ROOMS)
    notebook.run(COUNTED)
    notebook.run("%%write house\nhome,room=Attic temp=24.5")
    notebook.run("%%write house\nhome,room=Attic temp=21.0")

    assert "hot_rooms: success" in notebook.shown[-1]
    assert "counted" not in notebook.shown[-1]


def test_a_trigger_that_does_not_run_is_named_on_the_writes_card(notebook: Notebook) -> None:
    """Whoever writes sees why nothing ran: the trigger watches the table, and is disabled."""
    notebook.run(HOT_ROOMS)
    notebook.run(
        HOT_ROOMS.replace("%%plugin hot_rooms --trigger table:home", "%%plugin all --trigger all_tables")
    )
    notebook.engine.triggers.disable("house", "hot_rooms")
    notebook.engine.triggers.disable("house", "all")

    notebook.run("%%write house\nhome,room=Attic temp=21.0")
    both = notebook.shown[-1]
    notebook.run("%%write house\nother temp=21.0")
    other = notebook.shown[-1]
    notebook.engine.triggers.enable("house", "hot_rooms")
    notebook.run("%%write house\nhome,room=Attic temp=21.5")

    assert "hot_rooms did not run: it is disabled" in both
    assert "all did not run: it is disabled" in both
    assert "hot_rooms" not in other
    assert "all did not run" in other
    assert "hot_rooms: success" in notebook.shown[-1]
    assert "hot_rooms did not run" not in notebook.shown[-1]


def test_a_paused_trigger_is_named_with_its_reason(notebook: Notebook) -> None:
    """A trigger that the engine stopped to protect itself is passed over, and the card says why."""
    notebook.run(
        "%%plugin loop --trigger table:home --database house\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    influxdb3_local.write(LineBuilder('home').int64_field('n', 1))"
    )
    notebook.run("%%write house\nhome n=1i")
    assert notebook.engine.wait_idle(30)
    reason = notebook.engine.triggers.statistics("house", "loop").reason
    notebook.run("%%write house\nhome n=2i")

    assert reason is not None
    cure = "to go on: %influxdb3 enable trigger --database house loop"
    assert f"loop did not run: it is paused ({reason}); {cure}" in notebook.shown[-1]
    assert f"loop: {reason}; {cure}" in engine_card(notebook.engine).text()
    notebook.run(cure.removeprefix("to go on: "))
    assert "paused" not in engine_card(notebook.engine).text()


def test_a_trigger_of_a_table_that_is_not_there_says_so(notebook: Notebook) -> None:
    """The card asks whether a near table was meant; the list says what the trigger waits for, until it comes."""
    notebook.run("%%write house\nhome temp=1")
    body = "def process_writes(influxdb3_local, table_batches, args=None): pass"
    card = notebook.run(f"%%plugin typo --trigger table:hoem --database house\n{body}").text()
    far = notebook.run(f"%%plugin far --trigger table:xyz --database house\n{body}").text()
    good = notebook.run(f"%%plugin good --trigger table:home --database house\n{body}").text()

    assert "table hoem does not exist yet in house; did you mean home?" in card
    assert "table xyz does not exist yet in house\n" in far
    assert "does not exist" not in good
    listed = notebook.run("%procengine triggers").text()
    assert "waiting for table hoem" in listed
    assert "waiting for table home" not in listed
    notebook.run("%%write house\nhoem temp=1")
    assert "waiting for table hoem" not in notebook.run("%procengine triggers").text()


def test_rows_that_a_trigger_never_receives_are_not_fired(notebook: Notebook) -> None:
    """A trigger of one table is not tried with rows of others; one of all tables takes any."""
    notebook.run(HOT_ROOMS)
    notebook.run(
        "%%plugin all --trigger all_tables --database house\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    influxdb3_local.info(table_batches[0]['table_name'])"
    )

    text = notebook.fails("%%fire hot_rooms --dry-run\nhome temp=1\nhomely,room=Attic temp=99")

    assert text == (
        "trigger 'hot_rooms' receives rows of table home alone (table:home), got rows of homely"
    )
    assert "homely" in notebook.run("%%fire all --dry-run\nhomely,room=Attic temp=99").text()


def test_modules_that_are_not_installed_are_noted(notebook: Notebook) -> None:
    """Imports at the top of a plugin are looked for without running any; what may be meant to fail is not."""
    card = notebook.run(
        "%%plugin nomod --trigger request:nomod --database house\n"
        "import json, pandsa.core\n"
        "from nosuchthing_xyz import a\n"
        "try:\n    import optional_xyz\nexcept ImportError:\n    pass\n"
        "def process_request(influxdb3_local, query, headers, body, args=None):\n"
        "    import later_xyz\n"
    ).text()

    assert "line 2: module pandsa is not installed; did you mean pandas?" in card
    cure = "install what has it: %influxdb3 install package nosuchthing_xyz"
    assert f"line 3: module nosuchthing_xyz is not installed; {cure}" in card
    assert "json" not in card
    assert "optional_xyz" not in card
    assert "later_xyz" not in card


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("SELECT * FROM hoem", "not found\ndid you mean home? tables of house: alerts, home"),
        ("SELECT * FROM zzz", "not found\ntables of house: alerts, home"),
        (
            "SELECT * FROM system.processing_engine_runz",
            "\ndid you mean processing_engine_runs? tables of system: ",
        ),
        ("SELECT * FROM last_cache('hoem')", "invalid\ndid you mean home? tables of house: alerts"),
        (
            "SELECT * FROM last_cache('home', 'newst')",
            "arguments\ndid you mean newest? last caches of home: newest",
        ),
        (
            "SELECT * FROM distinct_cache('home', 'nix')",
            "arguments\nthere are no distinct caches of home",
        ),
        (
            'SELECT * FROM home WHERE room = "Attic"',
            "\ntext stands in single quotes: 'Attic'; double quotes are for names of columns and tables",
        ),
        ("SELECT last(temp) FROM home", "\nin SQL: last_value(column ORDER BY time)"),
    ],
)
def test_queries_say_what_may_have_been_meant(notebook: Notebook, cell: str, hint: str) -> None:
    """Below the original's text, a second line has the near name and those that there are."""
    notebook.run("%%write house\nhome,room=Attic temp=1\nalerts n=1i")
    notebook.run("%influxdb3 create last_cache --database house --table home newest")

    assert hint in notebook.fails(f"%%query house\n{cell}")
    assert notebook.fails(f"%%query hosue\n{cell}").endswith(
        "database not found: hosue\ndid you mean house? databases: house"
    )


def test_a_missing_column_outside_a_comparison_is_no_text(notebook: Notebook) -> None:
    """A name that nothing is compared with is not taken for text in the wrong quotes."""
    notebook.run("%%write house\nhome,room=Attic temp=1")
    assert "single quotes" not in notebook.fails('%%query house\nSELECT "tmp" FROM home')


def test_a_trigger_that_the_write_disables_is_shown_by_its_run(notebook: Notebook) -> None:
    """A trigger that ran, and is disabled for its error, was not passed over; at the next write it is."""
    notebook.run(
        "%%plugin broken --trigger table:home --database house --error-behavior disable\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n    1 / 0"
    )
    notebook.run("%%write house\nhome,room=Attic temp=21.0")
    first = notebook.shown[-1]
    notebook.run("%%write house\nhome,room=Attic temp=21.5")

    assert "ZeroDivisionError" in first
    assert "did not run" not in first
    assert "broken did not run: it is disabled" in notebook.shown[-1]
    assert " · disabled: after ZeroDivisionError: division by zero, on error disable · " in (
        notebook.run("%procengine triggers").text()
    )


def test_running_the_cell_again_puts_new_code_in_place(notebook: Notebook) -> None:
    """The trigger keeps its id, its cache and its history; only the code changes."""
    notebook.run(HOT_ROOMS)
    notebook.run("%%write house\nhome,room=Attic temp=24.5")
    before = notebook.engine.triggers.get("house", "hot_rooms")

    card = notebook.run(HOT_ROOMS.replace('"hot:"', '"very hot:"')).text()
    notebook.run("%%write house\nhome,room=Attic temp=25.5")

    after = notebook.engine.triggers.get("house", "hot_rooms")
    assert "saved anew" in card
    assert "trigger hot_rooms runs the new code" in card
    assert after.trigger_id == before.trigger_id
    assert "very hot: Attic" in notebook.shown[-1]
    assert len(notebook.engine.triggers.runs.of_trigger("house", "hot_rooms")) == 2


def test_the_card_says_what_the_cell_changed_of_the_trigger(notebook: Notebook) -> None:
    """Enabling again, lost arguments, another table and a new database are named, not just called a change."""
    assert "new database house" in notebook.run(HOT_ROOMS).text()
    notebook.run("%influxdb3 disable trigger --database house hot_rooms")
    body = HOT_ROOMS.split("\n", 1)[1]
    card = notebook.run("%%plugin hot_rooms --trigger table:hoem --database house\n" + body).text()
    said = "enabled again; table:hoem instead of table:home; no longer with argument limit"
    assert f"trigger hot_rooms changed ({said}): table:hoem in house" in card
    assert "new database" not in card


def test_a_restart_that_cannot_be_leaves_the_engine_up(notebook: Notebook, tmp_path: Path) -> None:
    """Options and folder of a restart are looked at before the running engine is stopped."""
    (tmp_path / "file").write_text("")
    before = notebook.engine
    for options in ("--gen1-duration 7m", f"--data-dir {tmp_path / 'file' / 'data'}"):
        notebook.fails(f"%procengine restart {options}")
        assert notebook.engine is before
        assert before.running


def test_an_unquoted_cron_is_told_of_quotes(notebook: Notebook) -> None:
    """A specification with spaces falls into words; the error says how to keep it together."""
    text = "%%plugin p --trigger cron:0 * * * * * --database house\ndef process_scheduled_call(a, b, c=None): pass"
    assert "put a specification with spaces in quotes" in notebook.fails(text)


def test_changed_options_change_the_trigger(notebook: Notebook) -> None:
    """Other arguments change the trigger in place, and hold for the next run."""
    notebook.run(HOT_ROOMS)

    card = notebook.run(HOT_ROOMS.replace("limit=22.5", "limit=30")).text()
    notebook.run("%%write house\nhome,room=Attic temp=24.5")

    assert "trigger hot_rooms changed" in card
    assert "hot: Attic" not in notebook.shown[-1]


def test_text_that_no_cell_wrote_is_kept(notebook: Notebook) -> None:
    """A hand-written or edited file is kept beside the plugin before a cell overwrites it, each text once."""
    file = Path("plugins/hot_rooms.py")
    kept = "kept the former text, which no cell of this session wrote: plugins/hot_rooms.py.former"
    file.write_text("# written by hand\n")

    card = notebook.run(HOT_ROOMS)
    assert kept in card.text()
    assert "plugins/hot_rooms.py.former</code>" in card.html()
    assert "kept" not in notebook.run(HOT_ROOMS.replace("hot:", "warm:")).text()

    file.write_text("# edited\n")
    assert f"{kept}-2" in notebook.run(HOT_ROOMS).text()
    file.write_text("# written by hand\n")
    assert f"{kept}\n" in notebook.run(HOT_ROOMS).text()

    assert Path("plugins/hot_rooms.py.former").read_text() == "# written by hand\n"
    assert Path("plugins/hot_rooms.py.former-2").read_text() == "# edited\n"
    assert len(list(Path("plugins").iterdir())) == 3
    assert [info.filename for info in notebook.engine.plugins.plugins()] == ["hot_rooms.py"]


def test_file_with_the_cells_text_is_no_former_text(notebook: Notebook) -> None:
    """A file that has the cell's text already is the cell's from then on: nothing is kept."""
    file = Path("plugins/hot_rooms.py")
    file.write_text(HOT_ROOMS.partition("\n")[2])

    assert "unchanged" in notebook.run(HOT_ROOMS).text()
    notebook.run(HOT_ROOMS.replace("hot:", "warm:"))

    assert list(Path("plugins").iterdir()) == [file]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("def process_writes(a, b, c):\n    return (", "line 3\n    return (\n           ^"),
        ("def other(): ...", "has no entry point; define one of process_writes, process_scheduled_call"),
    ],
)
def test_code_that_cannot_be_a_plugin_is_refused(notebook: Notebook, cell: str, text: str) -> None:
    """The error names the cell's line; nothing is saved."""
    assert text in notebook.fails(f"%%plugin broken\n{cell}")
    assert not Path("plugins/broken.py").exists()


def test_wrong_entry_point_is_refused_before_saving(notebook: Notebook) -> None:
    """A mistake leaves the running plugin as it was."""
    notebook.run(HOT_ROOMS)
    first = Path("plugins/hot_rooms.py").read_text()

    text = notebook.fails(
        "%%plugin hot_rooms --trigger table:home --database house\ndef process_scheduled_call(a, b, c): ..."
    )

    assert "the process_writes function is not present in the plugin" in text
    assert Path("plugins/hot_rooms.py").read_text() == first


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../b", "sp ace", "~/x"])
def test_plugin_names_stay_inside(notebook: Notebook, name: str) -> None:
    """A plugin's name cannot leave the plugin folder."""
    assert "is not allowed" in notebook.fails(f"%%plugin '{name}'\ndef process_writes(a, b, c): ...")


def test_trigger_needs_a_database(notebook: Notebook) -> None:
    """Without --database the only one there is is taken; otherwise the error lists them."""
    cell = "%%plugin p --trigger all_tables\ndef process_writes(a, b, c=None): ..."
    assert "a trigger needs --database DB" in notebook.fails(cell)

    notebook.run("%%write house\nhome temp=1")
    assert "all_tables in house" in notebook.run(cell).text()

    notebook.run("%%write other\nhome temp=1")
    assert "there are: house, other" in notebook.fails(cell)


def test_bad_trigger_spec_is_refused_with_the_originals_text(notebook: Notebook) -> None:
    """A specification that cannot be is named, with what is accepted."""
    text = notebook.fails(
        "%%plugin p --trigger evry:1h --database house\ndef process_scheduled_call(a, b, c): ..."
    )

    assert "failed to parse trigger from evry:1h" in text
    assert "expect one of the following forms: 'table:<TABLE_NAME>'" in text


def test_folder_plugin_is_written_file_by_file(notebook: Notebook) -> None:
    """``FOLDER/FILE`` belongs to the folder's plugin once that has an ``__init__``; a change reloads it."""
    head = "%%plugin rooms/__init__ --trigger table:home --database house\n"
    code = (
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    from rooms.rules import word\n    influxdb3_local.info(word())\n"
    )
    Path("plugins/rooms").mkdir()
    Path("plugins/rooms/rules.py").write_text("def word(): return 'first'\n")
    assert "trigger rooms created" in notebook.run(head + code).text()
    notebook.run("%%write house\nhome temp=1")
    assert "first" in notebook.shown[-1]

    card = notebook.run("%%plugin rooms/rules\ndef word(): return 'second'\n").text()
    notebook.run("%%write house\nhome temp=2")

    assert "part of rooms" in card
    assert "second" in notebook.shown[-1]


def test_notes_name_the_cells_lines(notebook: Notebook) -> None:
    """What would differ on a server is noted at the cell's own line, with a remedy."""
    card = notebook.run(HOT_ROOMS)

    noted = {(note.code.value, note.line_number) for note in card.notes}

    assert ("missing-key", 5) in noted
    assert "use row.get(...)" in card.text()


def test_failure_shows_the_cells_own_line(notebook: Notebook) -> None:
    """A plugin's exception is shown with the line of its cell, and the rows stay stored."""
    notebook.run(HOT_ROOMS)
    number = notebook.shell.execution_count - 1

    notebook.run("%%write house\nhome,room=Attic hum=1")

    assert "hot_rooms: error" in notebook.shown[-1]
    assert f"Cell In[{number}], line 5, in process_writes" in notebook.shown[-1]
    assert 'if row["temp"] > float(args["limit"]):' in notebook.shown[-1]
    assert "KeyError: 'temp'" in notebook.shown[-1]
    assert rows(notebook, "SELECT hum FROM home") == [{"hum": 1.0}]


@pytest.mark.parametrize("name", ["boom", "folder/__init__"])
def test_what_is_kept_of_a_failure_names_the_file(notebook: Notebook, name: str) -> None:
    """Logs and history name the plugin's file and the line there: the cell is gone with its kernel."""
    notebook.run(
        f"%%plugin {name} --trigger table:home --database house\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    inner()\n\n"
        "def inner():\n"
        "    raise ValueError('no')\n"
    )
    notebook.run("%%write house\nhome,room=Attic hum=1")
    file = notebook.engine.plugins.folder / f"{name}.py"

    [kept] = rows(
        notebook,
        "SELECT error_filename, error_line, traceback FROM system.processing_engine_runs WHERE outcome = 'error'",
    )
    assert (kept["error_filename"], kept["error_line"]) == (str(file), 5)
    assert f'File "{file}", line 2, in process_writes' in kept["traceback"]
    assert f'File "{file}", line 5, in inner' in kept["traceback"]
    [logged] = rows(
        notebook,
        "SELECT log_text FROM system.processing_engine_logs WHERE log_level = 'ERROR'",
    )
    assert f'File "{file}", line 5, in inner' in logged["log_text"]
    assert "line 6, in inner" in notebook.shown[-1], "the card keeps the cell's lines"


def test_what_a_failed_run_queued_in_vain_is_said(notebook: Notebook) -> None:
    """Card and log count the lines that were queued and dropped; what was written at once and cached stays."""
    notebook.run(
        "%%plugin boom --trigger table:home --database house\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    influxdb3_local.cache.put('n', 1)\n"
        "    influxdb3_local.write_sync(LineBuilder('now').int64_field('n', 1), False)\n"
        "    influxdb3_local.write(LineBuilder('out').int64_field('n', 1))\n"
        "    influxdb3_local.write_to_db('other', LineBuilder('out').int64_field('n', 1))\n"
        "    raise ValueError('no')\n"
    )
    notebook.run("%%write house\nhome,room=Attic hum=1")

    assert notebook.shown[-1].count("2 queued lines were not written: the run failed") == 1
    assert "wrote 1 row into now" in notebook.shown[-1]
    logged = rows(
        notebook, "SELECT log_text FROM system.processing_engine_logs WHERE log_level = 'WARN'"
    )
    assert logged == [{"log_text": "2 queued lines were not written: the run failed"}]
    assert [value.key for value in notebook.engine.plugin_cache.values()] == ["n"]
    assert sorted(notebook.engine.catalog.database("house").tables) == ["home", "now"]
    assert notebook.engine.catalog.find_database("other") is None


def test_failure_in_a_folder_plugin_shows_the_cells_lines(notebook: Notebook) -> None:
    """Files of a folder plugin that cells wrote are shown by their cells, as single files are."""
    notebook.run(
        "%%plugin rooms/__init__\nfrom .rules import word\ndef process_writes(*_):\n    word()\n"
    )
    notebook.run("%%plugin rooms/rules\n\ndef word(): return 1 / 0\n")
    second = notebook.shell.execution_count - 1
    notebook.run("%influxdb3 create database house")
    notebook.run("%influxdb3 create trigger -d house --path rooms --trigger-spec all_tables rooms")

    notebook.run("%%write house\nhome,room=Attic hum=1")

    assert f"Cell In[{second - 1}], line 4, in process_writes" in notebook.shown[-1]
    assert f"Cell In[{second}], line 3, in word" in notebook.shown[-1]
    assert "ZeroDivisionError" in notebook.shown[-1]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            "5",
            "Unsupported return type from Python function\nprocess_request returned int; accepted: text,",
        ),
        (
            "('t', 200, [])",
            "expected a dictionary in header item\nprocess_request returned a tuple with a third item",
        ),
    ],
)
def test_a_wrong_answer_is_told_with_what_is_accepted(notebook: Notebook, value: str, told: str) -> None:
    """Below the original's words stands what the plugin returned and may return; the body has those words alone."""
    notebook.run(REQUESTED.partition("    return")[0] + f"    return {value}\n")
    card = notebook.run("%fire lookup")
    assert "\n".join(line.strip() for line in card.text().splitlines()).count(told) == 1
    assert told.splitlines()[1] in card.html()
    body = card.run.response.body.decode()
    assert body == f'{{"error":"{told.splitlines()[0]}"}}'


def test_blank_lines_above_the_magic_are_counted(notebook: Notebook) -> None:
    """The line number is the cell's even where blank lines stand above the magic."""
    notebook.run("\n\n" + HOT_ROOMS)

    notebook.run("%%write house\nhome,room=Attic hum=1")

    assert ", line 7, in process_writes" in notebook.shown[-1]


def test_post_mortem_opens_the_plugins_frame(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``%debug`` finds the plugin's innermost frame, with its variables."""
    from IPython.core.debugger import Pdb

    seen: list[tuple[str, object]] = []

    def interaction(self: Pdb, frame: object, error: object) -> None:
        self.setup(None, error.__traceback__ if isinstance(error, BaseException) else error)
        current = self.curframe
        seen.append((current.f_code.co_name, current.f_locals["row"]["room"]))
        self.forget()

    monkeypatch.setattr(Pdb, "interaction", interaction)
    notebook.run(HOT_ROOMS)
    notebook.run("%%write house\nhome,room=Attic hum=1")

    notebook.run("%debug")

    assert seen == [("process_writes", "Attic")]
    assert sys.last_value.args == ("temp",)


def test_fire_sends_rows(notebook: Notebook) -> None:
    """``%%fire`` with rows runs a write trigger as a write would; the rows themselves are not stored."""
    notebook.run(HOT_ROOMS)

    card = notebook.run("%%fire hot_rooms\nhome,room=Attic temp=30 1")

    assert "1 row into alert" in card.text()
    assert rows(notebook, "SELECT room FROM alert") == [{"room": "Attic"}]
    assert "home" not in notebook.engine.catalog.database("house").tables


def test_dry_run_changes_nothing(notebook: Notebook) -> None:
    """``--dry-run`` shows lines, logs and the cache difference; tables, cache and logs stay as they were."""
    notebook.run(
        "%%plugin counting --trigger table:home --database house\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    n = influxdb3_local.cache.get('n', 0) + 1\n"
        "    influxdb3_local.cache.put('n', n)\n"
        "    influxdb3_local.write(LineBuilder('seen').int64_field('n', n))\n"
    )

    card = notebook.run('%fire counting --dry-run --lp "home temp=1"')

    assert "would write 1 row into seen" in card.text()
    assert "seen n=1i" in card.text()
    assert "copy of the cache 'n': absent -> 1" in card.text()
    assert (
        "copy of the cache 'n': absent -> 1"
        in notebook.run('%fire counting --dry-run --lp "home a=1"').text()
    )
    assert "seen" not in notebook.engine.catalog.database("house").tables
    assert "1i" in notebook.run('%fire counting --lp "home temp=1"').text()
    assert (
        "copy of the cache 'n': 1 -> 2"
        in notebook.run('%fire counting --dry-run --lp "home a=1"').text()
    )


def test_fire_takes_a_schedules_time(notebook: Notebook) -> None:
    """``--at`` is the time that a schedule plugin is called with."""
    notebook.run(SCHEDULED)

    card = notebook.run("%fire hourly --at 2022-12-31T00:00:00Z")

    assert "called at" in card.text()
    assert card.run.cause.instant_ns == 1_672_444_800_000_000_000


def test_fire_makes_a_request(notebook: Notebook) -> None:
    """Parameters, headers and body reach a request plugin; its answer is shown."""
    notebook.run(REQUESTED)

    card = notebook.run("%%fire lookup --param room=Attic --header 'X-Room: 7' --method POST\nthe body")

    assert card.run.response.status == 200
    assert '"room": "Attic"' in card.text()
    assert '"h": "7"' in card.text()
    assert "the body" in card.text()


def test_fire_repeats(notebook: Notebook) -> None:
    """``--repeat`` fires again and again, and sums up."""
    notebook.run(SCHEDULED)

    card = notebook.run("%fire hourly --repeat 3 --dry-run")

    assert "3 runs" in card.text()
    assert [run.outcome for run in card.runs] == [RunOutcome.SUCCESS] * 3


def test_unknown_trigger_lists_the_known(notebook: Notebook) -> None:
    """A name that no trigger has is answered with those there are."""
    notebook.run(SCHEDULED)

    assert "no trigger 'houry'; there are: hourly" in notebook.fails("%fire houry")


def test_printed_text_stays_out_of_the_cell(
    notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a plugin prints is in its log and on its card, not in the cell's output."""
    notebook.run(
        "%%plugin talker --trigger table:home --database house\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n    print('psst')\n"
    )
    capsys.readouterr()

    notebook.run("%%write house\nhome temp=1")

    assert "psst" not in capsys.readouterr().out
    assert "print psst" in notebook.shown[-1]


def test_rejected_lines_are_shown_and_the_others_stored(notebook: Notebook) -> None:
    """A partial write stores the good lines and says what is wrong with the others, line and column."""
    notebook.run("%%write house\nhome temp=1 1\n\nhome temp=x\nhome temp=2 2")

    assert "2 rows into house.home, 1 line rejected" in notebook.shown[-1]
    assert "rejected line 3, column" in notebook.shown[-1]


def test_write_without_a_good_line_fails(notebook: Notebook) -> None:
    """A cell that stores nothing is an error, with line and column."""
    text = notebook.fails("%%write house\nhome temp=x")

    assert "nothing was stored" in text
    assert "line 1, column" in text


def test_whole_writes_are_all_or_nothing(notebook: Notebook) -> None:
    """With ``--no-accept-partial`` one bad line rejects all."""
    assert "nothing was stored" in notebook.fails(
        "%%write house --no-accept-partial\nhome t=1\nhome t=x"
    )
    assert notebook.engine.catalog.find_database("house") is None


def test_files_are_written(notebook: Notebook, tmp_path: Path) -> None:
    """Line protocol, CSV and Parquet files are read by their endings."""
    (tmp_path / "a.lp").write_text("home,room=a temp=1 1\n")
    (tmp_path / "home.csv").write_text("room,temp,time\nb,2.0,2022-01-01T00:00:00Z\n")
    table = pa.table({"room": ["c"], "temp": [3.0], "time": pa.array([3], pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "p.parquet")

    notebook.run("%write a.lp house")
    notebook.run("%write home.csv house --tags room")
    notebook.run("%write p.parquet house --table home --tags room")

    found = rows(notebook, "SELECT room, temp FROM home ORDER BY temp")
    assert found == [{"room": r, "temp": t} for r, t in (("a", 1.0), ("b", 2.0), ("c", 3.0))]


def test_variables_are_written(notebook: Notebook) -> None:
    """A DataFrame, an Arrow table or text in a variable is written; the table is called as the variable."""
    notebook.run("import pandas as pd, pyarrow as pa")
    notebook.run(
        "frame = pd.DataFrame({'room': ['a'], 'temp': [1.0], 'time': pd.to_datetime(['2022-01-01'])})"
    )
    notebook.run("arrow = pa.Table.from_pandas(frame)\nlines = 'text n=1i'")

    notebook.run("%write frame house --tags room")
    notebook.run("%write arrow house --tags room")
    notebook.run("%write lines house")

    assert set(notebook.engine.catalog.database("house").tables) == {"frame", "arrow", "text"}


def test_what_is_no_rows_is_refused_in_the_magics_words(notebook: Notebook) -> None:
    """A variable of another kind, and a table without times, are refused by what the magic takes."""
    notebook.shell.user_ns["e"] = notebook.engine
    notebook.shell.user_ns["df"] = pa.table({"when": [1, 2], "n": [1, 2]})

    assert notebook.fails("%write e house") == (
        "e is of type Engine; a variable is a DataFrame, an Arrow table, or line protocol as text or bytes"
    )
    assert "(--time-column ...; columns: when, n)" in notebook.fails("%write df house")


def test_source_that_is_nowhere_is_refused(notebook: Notebook) -> None:
    """What is neither a variable nor a file is named."""
    assert "'gone.lp' is neither a variable nor a file" in notebook.fails("%write gone.lp house")


def test_query_shows_a_result(notebook: Notebook) -> None:
    """Without --as the result shows itself and gives its data to any library."""
    notebook.run("%%write house\nhome,room=Attic temp=24.5 1")

    result = notebook.run("%%query house\nSELECT room, temp FROM home")

    assert result.to_arrow().to_pylist() == [{"room": "Attic", "temp": 24.5}]
    assert "| Attic | 24.5 |" in result.text()


def test_query_takes_the_notebooks_variables(notebook: Notebook) -> None:
    """``$name`` is the variable of that name, typed."""
    notebook.run("%%write house\nhome,room=Attic temp=24.5 1\nhome,room=Kitchen temp=21 1\nlimit=1")
    notebook.run("limit, room = 22, 'Attic'")

    result = notebook.run("%%query house\nSELECT temp FROM home WHERE temp > $limit AND room = $room")

    assert result.to_arrow()["temp"].to_pylist() == [24.5]
    assert "no variable 'nope'" in notebook.fails("%%query house\nSELECT $nope")


@pytest.mark.parametrize(
    ("kind", "module"), [("pandas", "pandas"), ("arrow", "pyarrow"), ("polars", "polars")]
)
def test_query_gives_each_kind(notebook: Notebook, kind: str, module: str) -> None:
    """``--as`` decides the type, ``--out`` the variable."""
    notebook.run("%%write house\nhome temp=1 1")

    assert type(notebook.run(f"%%query house --as {kind}\nSELECT temp FROM home")).__module__.startswith(
        module
    )
    notebook.run(f"%%query house --as {kind} --out kept\nSELECT temp FROM home")
    assert type(notebook.shell.user_ns["kept"]).__module__.startswith(module)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("%%query house\n  \n", "the cell has no SQL"),
        ("%%query house --out 1x\nSELECT 1", "--out cannot be '1x'"),
        ("%%query nowhere\nSELECT 1", "database not found: nowhere"),
        ("%%query house\nSELEC 1", "SELEC"),
        ("%%query house\nDROP TABLE home", "DDL not supported"),
    ],
)
def test_bad_queries_are_usage_errors(notebook: Notebook, cell: str, text: str) -> None:
    """A query that cannot be has one short error."""
    notebook.run("%%write house\nhome temp=1")

    assert text in notebook.fails(cell)


def test_triggers_are_listed(notebook: Notebook) -> None:
    """``%procengine triggers`` shows each trigger with its state and runs."""
    notebook.run(HOT_ROOMS)
    notebook.run("%%write house\nhome,room=Attic temp=24.5")

    text = notebook.run("%procengine triggers").text()

    assert "hot_rooms · house · table:home · hot_rooms.py · enabled · 1 run" in text


def test_no_sync_write_says_so(notebook: Notebook) -> None:
    """With --no-sync the card does not promise durability."""
    notebook.run("%%write house --no-sync\nhome temp=1")

    assert "in memory, durable with the next flush" in notebook.shown[-1]


def interrupt_in(notebook: Notebook, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """Let an interrupt arrive while a piece of a write is being stored."""
    write, calls = notebook.engine.write, []

    def interrupted_write(*args: object, **kwargs: object) -> object:
        calls.append(args)
        if len(calls) == piece:
            signal.raise_signal(signal.SIGINT)
        return write(*args, **kwargs)

    monkeypatch.setattr(notebook.engine, "write", interrupted_write)


def test_long_write_can_be_interrupted_between_pieces(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt stops after the piece that it came in, and the card says exactly what was stored."""
    monkeypatch.setattr(pieces.line_pieces, "__kwdefaults__", {"size": 60})
    interrupt_in(notebook, monkeypatch, 3)
    notebook.run("lines = ''.join(f'home n={i}i {i}\\n' for i in range(1, 100))")

    assert "interrupted; what was stored until then stays" in notebook.fails("%write lines house")

    stored = rows(notebook, "SELECT count(*) AS n FROM home")[0]["n"]
    assert 0 < stored < 99
    assert f"interrupted: {stored} rows into house.home" in notebook.shown[-1]
    assert f"stopped after line {stored} of 99" in notebook.shown[-1]


def test_interrupt_of_a_short_write_stores_it_whole(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write of one piece is stored; only the wait for its runs ends."""
    notebook.run(HOT_ROOMS)
    interrupt_in(notebook, monkeypatch, 1)

    notebook.run("%%write house\nhome,room=Attic temp=20")

    assert "1 row into house.home" in notebook.shown[-1]
    assert rows(notebook, "SELECT temp FROM home") == [{"temp": 20.0}]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_rejected_lines_beyond_those_kept_are_counted(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long write keeps the first reasons and counts all rejected lines."""
    monkeypatch.setattr("procengine_jupyter.write_command.MOST_ERRORS", 3)
    notebook.run("lines = 'home n=1i 1\\n' + 'home n=x\\n' * 50")

    notebook.run("%write lines house")

    assert "1 row into house.home, 50 lines rejected" in notebook.shown[-1]


def test_later_bad_piece_of_a_whole_write_is_reported(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All or none holds piece by piece: what was stored before is shown beside the rejected piece."""
    monkeypatch.setattr(pieces.line_pieces, "__kwdefaults__", {"size": 60})
    notebook.run("lines = ''.join(f'home n={i}i {i}\\n' for i in range(1, 9)) + 'home n=x\\n'")

    notebook.run("%write lines house --no-accept-partial")

    assert "rejected line 9" in notebook.shown[-1]


def test_long_write_shows_progress(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write of several pieces shows how far it is."""
    monkeypatch.setattr(pieces.line_pieces, "__kwdefaults__", {"size": 60})
    notebook.run("lines = ''.join(f'home n={i}i {i}\\n' for i in range(1, 100))")

    notebook.run("%write lines house")

    assert any(text.startswith("writing: ") and "of 99 lines" in text for text in notebook.shown)
    assert "99 rows into house.home" in notebook.shown[-1]


def test_line_numbers_of_later_pieces_count_from_the_start(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rejected line has its number in the whole file, whichever piece it is in."""
    monkeypatch.setattr(pieces.line_pieces, "__kwdefaults__", {"size": 60})
    notebook.run("lines = ''.join(f'home n={i}i {i}\\n' for i in range(1, 50)) + 'home n=x\\n'")

    notebook.run("%write lines house")

    assert "rejected line 50, column" in notebook.shown[-1]


def test_limits_are_said_in_a_plugin_cell(notebook: Notebook) -> None:
    """--limit sets a trigger's limits, says that a server has none, and a run past one shows which."""
    body = "def process_writes(a, b, args=None):\n    while True: pass"
    cell = f"%%plugin loop --trigger table:home --database house{{}}\n{body}"
    card = notebook.run(cell.format(" --limit wall=50ms --limit memory=1TB")).plain()
    assert "note (run-limits): a server does not know limits on runs" in card
    assert str(notebook.engine.triggers.get("house", "loop").limits) == "wall=50ms memory=1 TB"
    notebook.run("%%write house\nhome,room=Attic temp=21")
    assert notebook.engine.wait_idle(20)
    [run] = notebook.engine.triggers.runs
    text = RunCard(run).plain()
    assert "past a limit, cancelled" in text
    assert "memory grew by" in text
    assert "RunLimitExceeded: wall time limit of 50ms exceeded: the run went on for" in text
    changed = notebook.run(cell.format(" --limit runs=3")).plain()
    assert "changed (limits runs=3)" in changed
    assert "changed (no limits)" in notebook.run(cell.format("")).plain()
    listed = notebook.run("%procengine triggers") or notebook.shown[-1]
    assert "past a limit" in str(listed)


def test_a_limit_that_cannot_be_read_is_refused(notebook: Notebook) -> None:
    """The answer names the value and what is accepted."""
    told = notebook.fails("%%plugin loop --trigger table:home --database house --limit wall=soon\nx = 1")
    assert "cannot read 'wall=soon' as a limit" in told


def test_stop_names_what_cannot_be_interrupted(notebook: Notebook) -> None:
    """The card says which trigger's run goes on, in which thread and at which line; a new engine starts."""
    notebook.run("%procengine restart --object-store memory --shutdown-timeout 50ms")
    notebook.run(
        "%%plugin held --trigger table:home --database house\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    influxdb3_local.cache.get('entered', use_global=True).set()\n"
        "    influxdb3_local.cache.get('lock', use_global=True).acquire()"
    )
    entered, lock = threading.Event(), threading.Lock()
    cache = notebook.engine.plugin_cache.for_trigger("house", 0)
    cache.put("entered", entered, use_global=True)
    cache.put("lock", lock, use_global=True)
    with lock:
        notebook.engine.write("house", "home temp=21")
        assert entered.wait(20)
        card = notebook.run("%procengine stop").text()
        assert (
            "down: stopped, but what cannot be interrupted goes on: trigger held of house (held.py) in "
            in card
        )
        assert "at line 4 of process_writes in Cell In[" in card
        notebook.run("%procengine start --object-store memory")
        assert notebook.engine.running


@pytest.mark.parametrize("action", ["", "status ", "config ", "triggers "])
def test_options_without_a_start_are_refused(notebook: Notebook, action: str) -> None:
    """An option that would change nothing is not passed over in silence."""
    said = notebook.fails(f"%procengine {action}--wal-flush-interval 1s")
    assert said == "options are for a start; %procengine restart takes them"


def test_the_readmes_first_plugin_earns_no_note(notebook: Notebook) -> None:
    """The first plugin that a reader copies is written as the notes on the card ask for, and works."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    cell = text.partition("```text\n%%plugin hot_rooms")[2].partition("```")[0]

    assert "note (" not in notebook.run(f"%%plugin hot_rooms{cell}").text()
    notebook.run("%%write house\nhome,room=Attic temp=24.5\nhome hum=1")
    assert rows(notebook, "SELECT room, temp FROM alert") == [{"room": "Attic", "temp": 24.5}]


def test_what_is_not_deleted_cannot_be_restored(notebook: Notebook) -> None:
    """Restoring what is there says that it is there."""
    notebook.run("%%write house\nhome temp=1")
    for restore, text in (
        (
            lambda: notebook.engine.catalog.restore_table("house", "home"),
            "table 'home' of database 'house'",
        ),
        (lambda: notebook.engine.catalog.restore_database("house"), "database 'house'"),
    ):
        with pytest.raises(InvalidInputError, match=f"{text} is not deleted"):
            restore()


def test_a_folder_that_another_engine_has_is_told_with_the_ways_out(
    notebook: Notebook, tmp_path: Path
) -> None:
    """Starting again cannot help while the other engine is up: what can is said; and when it is down, start does."""
    folder = tmp_path / "held"
    notebook.run("%procengine stop")
    with Engine(data_dir=folder, http_bind=None):
        assert "is in use by" in notebook.fails(f"%procengine start --data-dir {folder}")
        told = notebook.fails("%%query house\nSELECT 1")
        assert told.endswith("%procengine start starts it once the other one is stopped")
        shown = notebook.run("%procengine status").text()
        assert "%procengine stop  (end the other engine, in its notebook)" in shown
        assert "reach the other engine over its API" in shown
        assert "%procengine start --data-dir FOLDER" in shown
    notebook.run(f"%procengine start --data-dir {folder}")
    assert not notebook.fails("%%query nodb\nSELECT 1").startswith("the engine is down")


def test_a_shown_token_is_told_of(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    """A saved notebook keeps its outputs: the token is said to be in one, and only there."""
    assert notebook.run("tok = %procengine token") is None
    silent = capsys.readouterr()
    assert silent.out == silent.err == ""
    token = notebook.run("tok")
    shown = capsys.readouterr().out
    assert repr(str(token)) in shown
    assert "tok = %procengine token keeps it in a variable" in shown


def test_a_run_that_disable_ends_says_so(notebook: Notebook) -> None:
    """The plugin sees the original's text; the record and its card say that the trigger was disabled."""
    notebook.run(
        "%%plugin endless --trigger table:home --database house\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    try:\n"
        "        while True:\n"
        "            pass\n"
        "    except KeyboardInterrupt as error:\n"
        "        print(error)\n"
        "        raise\n"
    )
    engine, ended = notebook.engine, threading.Event()
    engine.triggers.subscribe(lambda run: ended.set())
    engine.write("house", "home n=1i")
    while not engine.triggers.statistics("house", "endless").in_flight:
        assert not ended.wait(0.005)
    engine.triggers.disable("house", "endless")
    assert ended.wait(20)

    [run] = engine.triggers.runs.of_trigger("house", "endless")
    assert run.outcome is RunOutcome.CANCELLED
    assert run.failure is not None
    assert run.failure.message == "KeyboardInterrupt: disabled while it ran"
    assert "KeyboardInterrupt: disabled while it ran" in RunCard(run).text()
    kept = rows(
        notebook,
        "SELECT error_message FROM system.processing_engine_runs WHERE trigger_name = 'endless'",
    )
    assert kept == [{"error_message": "KeyboardInterrupt: disabled while it ran"}]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("influxdb3_local.write('home temp=1')", "got a str; a line is made as LineBuilder("),
        ("influxdb3_local.infos('hi')", "did you mean info? influxdb3_local has: info, warn, error,"),
        ("return {'now': object()}", "sent as JSON; make each object in it text or a number"),
    ],
)
def test_calls_that_the_plugin_api_does_not_take_are_told(
    notebook: Notebook, call: str, told: str
) -> None:
    """Below the original's text the card says what is accepted."""
    notebook.run(
        "%%plugin asked --trigger request:asked --database house\n"
        "def process_request(influxdb3_local, query, headers, body, args=None):\n"
        f"    {call}\n"
    )
    assert told in notebook.run("%fire asked --dry-run").text()


def test_a_refused_cell_leaves_no_new_file(notebook: Notebook) -> None:
    """A file that a cell made goes with the refusal of its trigger; one that was there stays."""
    body = "def process_request(influxdb3_local, query, headers, body, args=None): pass"
    notebook.run(f"%%plugin api --trigger request:hello --database house\n{body}")
    folder = notebook.engine.plugins.folder

    notebook.fails(f"%%plugin api2 --trigger request:hello --database house\n{body}")
    assert not (folder / "api2.py").exists()
    (folder / "api3.py").write_text(body)
    notebook.fails(f"%%plugin api3 --trigger request:hello --database house\n{body}")
    assert (folder / "api3.py").exists()
