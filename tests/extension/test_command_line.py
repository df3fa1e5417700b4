"""``%influxdb3`` runs a line of the original's documentation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from IPython.core.error import StdinNotImplementedError

from procengine import Engine
from procengine.http import Server
from tests.extension.conftest import HOT_ROOMS, Notebook

PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info("rows", sum(len(b["rows"]) for b in table_batches), args)


def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.write(LineBuilder("tick").int64_field("n", 1))
"""


@pytest.fixture
def output(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> object:
    """A function that runs a command line and returns what it printed."""
    Path("plugins/both.py").write_text(PLUGIN)

    def run(line: str) -> str:
        capsys.readouterr()
        notebook.run(f"%influxdb3 {line}" if "\n" not in line else f"%%influxdb3\n{line}")
        return capsys.readouterr().out.rstrip("\n")

    return run


def test_the_helps_example_runs_as_it_is_shown(
    notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    """What IPython shows of the help is a cell that runs."""
    notebook.run(HOT_ROOMS.replace("--trigger table:home --database house --args limit=22.5", ""))
    notebook.run("%influxdb3 create database house")
    capsys.readouterr()
    notebook.run("%influxdb3?")
    shown = capsys.readouterr().out
    example = shown[shown.index("%%influxdb3") :].partition("File:")[0]
    notebook.run(example)
    assert notebook.engine.triggers.get("house", "hot_rooms").spec == "table:home"


def test_definitions_come_and_go(output: object) -> None:
    """Databases, tables and triggers are created, changed and deleted with the original's answers."""
    assert output("create database house") == 'Database "house" created successfully'
    table = "create table --database house --tags room --fields temp:float64,n:int64 home"
    assert output(table) == 'Table "house"."home" created successfully'
    trigger = (
        "create trigger \\\n  --database house \\\n  --token T \\\n  --plugin-filename both.py \\\n"
        "  --trigger-spec table:home \\\n  --trigger-arguments a=1,b=2 \\\n  watch"
    )
    assert output(trigger) == "Trigger watch created successfully"
    assert output("disable trigger --database house watch") == "Trigger watch disabled successfully"
    assert output("enable trigger --database house watch") == "Trigger watch enabled successfully"
    assert (
        output("delete trigger --database house --force watch") == "Trigger watch deleted successfully"
    )
    assert output("delete table -d house -y home") == 'Table "house"."home" deleted successfully'
    assert output("delete database -y house") == 'Database "house" deleted successfully'


def test_caches_come_and_go(output: object) -> None:
    """Caches are created with the original's answer, listed as a system table, and deleted."""
    output(
        "write --database house 'home,room=Kitchen,wall=east temp=21.1,hum=36i,note=\"x\" 1641024000'"
    )
    last = output(
        "create last_cache \\\n  --database house \\\n  --token T \\\n  --table home \\\n"
        "  --key-columns room,wall \\\n  --value-columns temp,hum \\\n  --count 5 \\\n  --ttl 30mins \\\n"
        "  homeLastCache"
    )
    title, _, shown = last.partition(": ")
    batch = json.loads(shown)["catalog_batch"]["Database"]
    assert title == "new cache created"
    assert batch["database_name"] == "house"
    assert batch["ops"] == [
        {
            "CreateLastCache": {
                "table_id": 1,
                "table": "home",
                "id": 1,
                "node_spec": "all",
                "name": "homeLastCache",
                "key_columns": [{"tag": 0}, {"tag": 1}],
                "value_columns": {"explicit": {"columns": [{"field": [0, 0]}, {"field": [0, 1]}]}},
                "count": 5,
                "ttl": 1800,
            }
        }
    ]
    distinct = output("create distinct_cache -d house -t home --columns note,room --max-age 6h")
    (operation,) = json.loads(distinct.partition(": ")[2])["catalog_batch"]["Database"]["ops"]
    assert operation["CreateDistinctCache"] == {
        "table_id": 1,
        "table_name": "home",
        "node_spec": "all",
        "cache_id": 2,
        "cache_name": "home_note_room_distinct_cache",
        "column_ids": [{"field": [0, 2]}, {"tag": 0}],
        "max_cardinality": 100_000,
        "max_age_seconds": 21_600,
        "source": {"type": "User"},
    }
    listed = output("show system --database house table last_caches --select name,count,ttl")
    assert "| homeLastCache | 5" in listed
    assert (
        output("delete last_cache -d house -t home homeLastCache") == "last cache deleted successfully"
    )
    name = "home_note_room_distinct_cache"
    deleted = output(f"delete distinct_cache --database house --table home {name}")
    assert deleted == "distinct cache deleted successfully"


def test_caches_have_the_original_s_defaults(output: object) -> None:
    """Without options: the tags as keys, all other columns, one row for four hours, a name of these."""
    output("write --database house 'home,room=Kitchen temp=21.1 1641024000'")
    shown = json.loads(output("create last_cache -d house --table home").partition(": ")[2])
    made = shown["catalog_batch"]["Database"]["ops"][0]["CreateLastCache"]
    assert made["name"] == "home_room_last_cache"
    assert (made["value_columns"], made["count"], made["ttl"]) == ("all_non_key_columns", 1, 14_400)


def test_data_goes_in_and_out(output: object) -> None:
    """Rows written by one command are read by the next, in each format."""
    output("write --database house 'home,room=Living\\ Room temp=21.1,co=0i 1641024000'")

    assert "| Living Room |" in output("query --database house 'SELECT * FROM home'")
    rows = json.loads(output("query --database house --format json 'SELECT * FROM home'"))
    assert rows == [{"co": 0, "room": "Living Room", "temp": 21.1, "time": "2022-01-01T08:00:00"}]
    assert output("q -d house --format csv 'SELECT room FROM home'") == "room\nLiving Room"
    assert output("query -d house --format parquet -o out.parquet 'SELECT room FROM home'") == ""
    assert Path("out.parquet").read_bytes().startswith(b"PAR1")


def test_files_are_read(output: object) -> None:
    """``--file`` names a file beside the notebook."""
    Path("data.lp").write_text("home temp=1 1\nhome temp=2 2\n")
    Path("query.sql").write_text("SELECT count(*) AS n FROM home")

    output("write --database house --file data.lp")

    assert json.loads(output("query --database house --file query.sql --format json")) == [{"n": 2}]


def test_show_commands(output: object) -> None:
    """Databases and system tables are shown."""
    output("create database house")

    assert "| house" in output("show databases")
    assert "processing_engine_triggers" in output("show system --database house table-list")
    output("create trigger -d house --path both.py --trigger-spec every:1h tick")
    shown = output("show system -d house table --select trigger_name processing_engine_triggers")
    assert "| tick" in shown
    assert "processing_engine_logs summary:" in output("show system --database house summary")


def test_plugins_are_tested_dry(output: object) -> None:
    """``test`` answers in the original's shape, and changes nothing."""
    output("create database house")
    lines = output("test wal_plugin -d house --lp 'home temp=1' --input-arguments a=1 both.py")
    answer = json.loads(lines)

    assert list(answer) == ["log_lines", "database_writes", "errors"]
    assert "INFO: rows 1 {'a': '1'}" in answer["log_lines"]

    answer = json.loads(output("test schedule_plugin -d house --schedule '0 0 6 * * *' both.py"))
    assert answer["trigger_time"].endswith("T06:00:00Z")
    assert answer["database_writes"] == {"house": ["tick n=1i"]}


def test_upload_copies_the_plugin(output: object) -> None:
    """``--upload`` takes a file or folder from beside the notebook into the plugin directory."""
    output("create database house")
    Path("mine.py").write_text(PLUGIN)
    Path("pack").mkdir()
    Path("pack/__init__.py").write_text(PLUGIN)

    output("create trigger -d house --path mine.py --upload --trigger-spec all_tables one")
    output("create trigger -d house --path pack --upload --trigger-spec every:1h two")

    assert Path("plugins/mine.py").exists()
    assert Path("plugins/pack/__init__.py").exists()


def test_help_is_shown(output: object) -> None:
    """``--help`` lists commands, and a command's options."""
    assert "influxdb3 create trigger" in output("--help")
    assert "--trigger-arguments" in output("create trigger --help")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("create database", "requires <DATABASE_NAME>"),
        ("query -d nowhere 'SELECT 1'", "database not found: nowhere"),
        ("create last_cache -d house", "requires --table"),
        ("create last_cache -d house -t gone", "table not found: gone"),
        ("create last_cache -d house -t t --count 0", "last cache size must be greater than 0"),
        ("create last_cache -d house -t t --ttl 4", "invalid value '4' for --ttl: time unit needed"),
        ("create last_cache -d house -t t --ttl 500ms", "invalid ttl provided: 0"),
        ("create last_cache -d house -t t -n nodes:", "node spec cannot be 'nodes:'"),
        ("create distinct_cache -d house -t t", "no columns provided when creating distinct cache"),
        ("create distinct_cache -d house -t t --column a", "unexpected argument '--column'"),
        ("create distinct_cache -d house -t t --columns a --max-cardinality 0", "must be at least 1"),
        ("delete last_cache -d house -t t", "requires <CACHE_NAME>"),
        ("delete distinct_cache -d house -t t x", "the requested resource was not found: x"),
        ("query -d house --language influxql 'SELECT 1'", "InfluxQL is not offered here"),
        ("query -d house", "No input from stdin detected"),
        ("query -d house --format parquet 'SELECT 1'", "cannot write parquet to a terminal"),
        ("write -d house --file gone.lp", "error reading file: 'gone.lp'"),
        ("write -d house 'home temp=x'", "nothing was stored"),
        ("query --host http://127.0.0.1:1 -d house 'SELECT 1'", "cannot reach http://127.0.0.1:1"),
        ("create trigger -d house --path gone.py --trigger-spec all_tables t", "Plugin not found"),
        ("create trigger -d house --trigger-spec all_tables t", "Either --path or --plugin-filename"),
        ("create trigger -d house --path up.py --upload --trigger-spec all_tables t", "File not found"),
        ("create trigger -d house --path both.py --trigger-spec cron:* t", "failed to parse trigger"),
        ("test wal_plugin -d house both.py", "either --lp or --file must be provided"),
        ("test wal_plugin -d house --lp 'm f=1' gone.py", "Plugin not found"),
        ("test schedule_plugin -d house --schedule '* * *' both.py", "invalid cron syntax"),
        ("show system -d house table gone", "please use a valid system table name"),
        ("delete table -d house -y gone", "table not found"),
        ("delete table -d house -y --hard-delete soon home", "--hard-delete cannot be 'soon'"),
    ],
)
def test_failures_are_short(output: object, notebook: Notebook, line: str, text: str) -> None:
    """A command that fails has one line that says why."""
    output("create database house")
    output("create table -d house t --tags a")

    assert text in notebook.fails(f"%influxdb3 {line}")


def test_deleting_asks_first(
    output: object, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``--yes`` the user is asked, and anything but yes keeps the database."""
    output("create database house")
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "no")

    assert "Cannot proceed without confirmation" in notebook.fails("%influxdb3 delete database house")
    assert asked == ["Are you sure you want to delete \"house\"? Enter 'yes' or 'y' to confirm "]

    monkeypatch.setattr("builtins.input", lambda question: "Y")
    output("delete database house")
    assert notebook.engine.catalog.find_database("house") is None


@pytest.mark.parametrize("kind", [StdinNotImplementedError, EOFError])
def test_without_an_input_the_option_is_named(
    output: object, notebook: Notebook, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """Where nobody can be asked, as in a notebook that is run as a whole, the error says to add ``--yes``."""
    output("create database house")

    def refuse(question: str) -> str:
        raise kind("no input here")

    monkeypatch.setattr("builtins.input", refuse)

    assert "add --yes" in notebook.fails("%influxdb3 delete database house")
    assert notebook.engine.catalog.find_database("house") is not None


def test_enabled_triggers_need_force(output: object, notebook: Notebook) -> None:
    """Deleting an enabled trigger is refused with the original's text (semantics, section 1)."""
    notebook.run(HOT_ROOMS)

    text = notebook.fails("%influxdb3 delete trigger --database house hot_rooms")

    assert "Cannot delete running plugin hot_rooms. Disable it first or use --force." in text


def test_variables_of_the_environment_are_read(output: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copied line's ``$NAME`` is the environment's, as in a shell; a parameter of SQL stays."""
    monkeypatch.setenv("HOUSE", "house")
    output("create database $HOUSE")
    assert output("query --database ${HOUSE} --format csv \"SELECT '$HOUSE' AS a, '$none' AS b\"") == (
        "a,b\nhouse,$none"
    )


def test_another_host_is_gone_to(output: object, notebook: Notebook) -> None:
    """``--host`` leads to another server; this machine at the documented port is this process."""
    with (
        Engine(http_bind="127.0.0.1:0", without_auth=True, environ={}) as other,
        Server(other) as server,
    ):
        assert server.wait_ready(30.0)
        assert output(f"create database --host {server.url} there") == (
            'Database "there" created successfully'
        )
        assert other.catalog.find_database("there") is not None
    assert notebook.engine.catalog.find_database("there") is None
    output("create database --host http://localhost:8181 here")
    assert notebook.engine.catalog.find_database("here") is not None


def test_the_environment_redirects_no_notebook(
    output: object, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a shell's variables name is not where a notebook's commands go."""
    for name in ("HOST", "WRITE_HOST", "QUERY_HOST"):
        monkeypatch.setenv(f"INFLUXDB3_{name}_URL", "http://127.0.0.1:1")
    output("write --database house 'home temp=1 1'")
    assert "house" in output("query -d house \"SELECT temp, 'house' AS name FROM home\"")
    assert notebook.engine.catalog.find_database("house") is not None
