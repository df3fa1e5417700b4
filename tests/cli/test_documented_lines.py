"""Lines of the original's documentation run as they stand, once their placeholders are filled in.

``cat FILE |`` in front is the shell's, and stands for the file piped in.
Of hosts, that of port 8182 is written as 8181.

Source: docs-v2, content/shared/influxdb3-cli.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procengine import Engine
from procengine.cli.engine_target import in_process
from procengine.cli.execution import run_line
from procengine.cli.grammar import COMMANDS
from procengine.cli.outcome import Surroundings
from procengine.cli.parser import parse_command
from procengine.cli.words import split_words

PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None):
    pass


def process_scheduled_call(influxdb3_local, call_time, args=None):
    pass


def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    pass
"""
PLACEHOLDERS = {
    "<PLUGIN_FILENAME>": "PLUGIN_FILENAME",
    "PLUGIN_DIR/PLUGIN_NAME.py": "PLUGIN_FILENAME",
    "PLUGIN_DIR/FILENAME.py": "PLUGIN_FILENAME",
    "PLUGIN_FILENAME": "plugin.py",
    "DATABASE_NAME": "sensors",
    "my_test_db": "sensors",
    "my_sensor_table": "home",
    "TABLE_NAME": "home",
    "TRIGGER_NAME": "watch",
    "REQUEST_PATH": "hello",
    "CACHE_NAME": "a_cache",
    "COLUMN_NAME": "room",
    "NODE_ID": "procengine",
    "OPERATOR_TOKEN": "apiv3_x",
    "TOKEN_NAME": "ci",
    "TOKEN_TO_DELETE": "ci",
    "DURATION": "10d",
    "AUTH_TOKEN": "apiv3_x",
    "/local/path/to/": "local/",
    "/path/to/": "",
    "/Users/me/": "",
    "<newline>": "\n",
}
BEFORE = {
    "table": "create table -d sensors --tags room,sensor_id --fields temp:float64,hum:float64,co:int64 home",
    "trigger": "create trigger -d sensors --path plugin.py --trigger-spec table:home watch",
    "folder": "create trigger -d sensors --path local/plugin_directory --upload --trigger-spec all_tables watch",
    "disabled": "create trigger -d sensors --path plugin.py --trigger-spec table:home --disabled watch",
    "last_cache": "create last_cache -d sensors -t home a_cache",
    "distinct_cache": "create distinct_cache -d sensors -t home --columns room a_cache",
    "token": "create token --admin --name ci",
    "operator": "create token --admin",
    "deleted": "delete database -y sensors",
}
"""What must be there before a line can run."""

_AUTH = "\\\n  --database DATABASE_NAME \\\n  --token AUTH_TOKEN "
_LINE = "'home,room=Living\\ Room temp=21.1,hum=35.9,co=0i 1641024000'"
_TRIGGER = (
    f"influxdb3 create trigger {_AUTH}\\\n  --plugin-filename <PLUGIN_FILENAME> \\\n  --trigger-spec "
)
_UPDATE = (
    "influxdb3 update trigger \\\n  --database DATABASE_NAME \\\n  --trigger-name TRIGGER_NAME \\\n  "
)

LINES: list[tuple[str, str]] = [
    ("deleted", "influxdb3 create database DATABASE_NAME"),
    ("deleted", "influxdb3 create database --token AUTH_TOKEN DATABASE_NAME"),
    ("deleted", "influxdb3 create database --retention-period 30d DATABASE_NAME"),
    ("deleted", "influxdb3 create database --retention-period none DATABASE_NAME"),
    (
        "deleted",
        "influxdb3 create database \\\n  --retention-period 90d \\\n  --token AUTH_TOKEN \\\n  DATABASE_NAME",
    ),
    ("deleted", "influxdb3 create database --retention-period 1y DATABASE_NAME"),
    ("deleted", "influxdb3 create database --retention-period 30d12h DATABASE_NAME"),
    ("", f"influxdb3 create table \\\n  --tags tag1,tag2,tag3 {_AUTH}\\\n  TABLE_NAME"),
    (
        "",
        (
            "influxdb3 create table \\\n  --tags room,sensor_id \\\n  --fields temp:float64,hum:float64,co:int64 "
            f"{_AUTH}\\\n  TABLE_NAME"
        ),
    ),
    (
        "",
        (
            "influxdb3 create table \\\n  --tags room,sensor_id \\\n  --fields temp:float64,hum:float64 \\\n"
            f"  --retention-period 7d {_AUTH}\\\n  TABLE_NAME"
        ),
    ),
    (
        "table",
        'influxdb3 query \\\n  --database my_test_db \\\n  --token AUTH_TOKEN \\\n  "SHOW TABLES"',
    ),
    ("table", f"{_TRIGGER}table:TABLE_NAME \\\n  TRIGGER_NAME"),
    ("", f"{_TRIGGER}all_tables \\\n  TRIGGER_NAME"),
    ("", f"{_TRIGGER}every:5m \\\n  TRIGGER_NAME"),
    ("", f'{_TRIGGER}"cron:0 0 6 * * 1-5" \\\n  TRIGGER_NAME'),
    ("", f"{_TRIGGER}request:REQUEST_PATH \\\n  TRIGGER_NAME"),
    (
        "",
        f"{_TRIGGER}table:TABLE_NAME \\\n  --trigger-arguments arg1=value1,arg2=value2 \\\n  TRIGGER_NAME",
    ),
    ("", f"{_TRIGGER}table:TABLE_NAME \\\n  --error-behavior log \\\n  TRIGGER_NAME"),
    ("", f"{_TRIGGER}table:TABLE_NAME \\\n  --error-behavior retry \\\n  TRIGGER_NAME"),
    ("", f"{_TRIGGER}table:TABLE_NAME \\\n  --error-behavior disable \\\n  TRIGGER_NAME"),
    (
        "",
        (
            f"influxdb3 create trigger \\\n  --disabled {_AUTH}\\\n  --plugin-filename <PLUGIN_FILENAME> \\\n"
            "  --trigger-spec table:TABLE_NAME \\\n  TRIGGER_NAME"
        ),
    ),
    (
        "",
        (
            f'influxdb3 create trigger {_AUTH}\\\n  --path "/local/path/to/plugin.py" \\\n  --upload \\\n'
            '  --trigger-spec "every:1m" \\\n  TRIGGER_NAME'
        ),
    ),
    (
        "",
        (
            f'influxdb3 create trigger {_AUTH}\\\n  --path "/local/path/to/plugin-dir" \\\n  --upload \\\n'
            '  --trigger-spec "table:TABLE_NAME" \\\n  TRIGGER_NAME'
        ),
    ),
    (
        "",
        (
            f'influxdb3 create trigger {_AUTH}\\\n  --path PLUGIN_FILENAME \\\n  --trigger-spec "every:5s" \\\n'
            '  --node-spec "nodes:NODE_ID" \\\n  hourly_rollup'
        ),
    ),
    (
        "table",
        (
            "influxdb3 create last_cache \\\n  --database DATABASE_NAME \\\n  --table my_sensor_table \\\n"
            "  --token AUTH_TOKEN \\\n  --key-columns room \\\n  --value-columns temp \\\n  my_temp_cache"
        ),
    ),
    (
        "table",
        (
            "influxdb3 create last_cache \\\n  --database DATABASE_NAME \\\n  --table my_sensor_table \\\n"
            "  --token AUTH_TOKEN \\\n  --key-columns room,sensor_id \\\n  --value-columns temp,hum \\\n"
            "  --count 10 \\\n  --ttl 1h \\\n  my_sensor_cache"
        ),
    ),
    (
        "table",
        (
            "influxdb3 create distinct_cache \\\n  --database my_test_db \\\n  --table my_sensor_table \\\n"
            "  --columns room,sensor_id \\\n  --max-cardinality 1000 \\\n  --max-age 30d \\\n"
            "  my_sensor_distinct_cache"
        ),
    ),
    ("", "influxdb3 create token --admin"),
    (
        "",
        (
            "influxdb3 create token \\\n  --admin \\\n  --token OPERATOR_TOKEN \\\n  --name TOKEN_NAME \\\n"
            "  --expiry DURATION "
        ),
    ),
    ("operator", "influxdb3 create token --admin \\\n  --regenerate"),
    ("", "influxdb3 update database --retention-period 30d --database DATABASE_NAME"),
    ("", "influxdb3 update database --retention-period none --database DATABASE_NAME"),
    ("", "influxdb3 update database --token AUTH_TOKEN --retention-period 7d --database DATABASE_NAME"),
    (
        "table",
        "influxdb3 update table --database DATABASE_NAME --token AUTH_TOKEN --retention-period 30d TABLE_NAME",
    ),
    ("table", "influxdb3 update table --database DATABASE_NAME --retention-period none TABLE_NAME"),
    ("trigger", f'{_UPDATE}--path "PLUGIN_FILENAME" \\\n  --token AUTH_TOKEN'),
    (
        "trigger",
        (
            f'# Upload single-file plugin<newline>{_UPDATE}--path "/local/path/to/plugin.py" \\\n  --upload \\\n'
            "  --token AUTH_TOKEN"
        ),
    ),
    (
        "folder",
        f'{_UPDATE}--path "/local/path/to/plugin_directory" \\\n  --upload \\\n  --token AUTH_TOKEN',
    ),
    ("trigger", f"{_UPDATE}--trigger-arguments threshold=100,window=5m \\\n  --token AUTH_TOKEN"),
    ("trigger", f"{_UPDATE}--disabled \\\n  --token AUTH_TOKEN"),
    ("disabled", f"{_UPDATE}--enabled \\\n  --token AUTH_TOKEN"),
    ("trigger", f"{_UPDATE}--error-behavior retry \\\n  --token AUTH_TOKEN"),
    ("", "influxdb3 delete database DATABASE_NAME"),
    ("", "influxdb3 delete database --token AUTH_TOKEN DATABASE_NAME"),
    ("", "influxdb3 delete database --hard-delete now DATABASE_NAME"),
    ("", 'influxdb3 delete database --hard-delete "2024-01-01T00:00:00Z" DATABASE_NAME'),
    ("table", f"influxdb3 delete table {_AUTH}\\\n  TABLE_NAME"),
    ("table", f"influxdb3 delete table {_AUTH}\\\n  --hard-delete now \\\n  TABLE_NAME"),
    ("disabled", f"influxdb3 delete trigger {_AUTH}\\\n  TRIGGER_NAME"),
    ("trigger", f"influxdb3 delete trigger \\\n  --force {_AUTH}\\\n  TRIGGER_NAME"),
    ("last_cache", f"influxdb3 delete last_cache {_AUTH}\\\n  --table TABLE_NAME \\\n  CACHE_NAME"),
    (
        "distinct_cache",
        f"influxdb3 delete distinct_cache {_AUTH}\\\n  --table TABLE_NAME \\\n  CACHE_NAME",
    ),
    ("token", "influxdb3 delete token --token-name TOKEN_TO_DELETE --token AUTH_TOKEN"),
    ("", "influxdb3 delete token --help"),
    ("disabled", "influxdb3 enable trigger --database DATABASE_NAME TRIGGER_NAME"),
    ("trigger", "influxdb3 disable trigger --database DATABASE_NAME TRIGGER_NAME"),
    ("", "influxdb3 install package -r requirements.txt"),
    ("", "influxdb3 show databases"),
    ("", "influxdb3 show databases --show-deleted"),
    ("", "influxdb3 show databases --format json"),
    ("", "influxdb3 show databases \n  --format parquet \\\n  --output /Users/me/databases.parquet"),
    ("", "influxdb3 show plugins"),
    ("trigger", "influxdb3 show plugins --format jsonl"),
    (
        "trigger",
        "influxdb3 show plugins \\\n  --format parquet \\\n  --output /Users/me/plugins.parquet",
    ),
    ("", "influxdb3 show tokens"),
    ("token", "influxdb3 show tokens --format csv"),
    ("token", "influxdb3 show tokens \\\n  --format parquet \\\n  --output /Users/me/tokens.parquet"),
    ("", "influxdb3 show retention \\\n  --host http://localhost:8181 \\\n  --token AUTH_TOKEN"),
    (
        "",
        (
            "influxdb3 show retention \\\n  --host http://localhost:8181 \\\n  --token AUTH_TOKEN \\\n"
            "  --format parquet \\\n  --output retention-data.parquet"
        ),
    ),
    ("", "influxdb3 show system --database DATABASE_NAME table parquet_files"),
    (
        "",
        (
            "influxdb3 show system \\\n  --database DATABASE_NAME \\\n  table \\\n"
            "  --select table_name,size_bytes,row_count \\\n  parquet_files"
        ),
    ),
    (
        "",
        (
            "influxdb3 show system \\\n  --database DATABASE_NAME \\\n  table \\\n"
            "  --order-by size_bytes,row_count \\\n  parquet_files"
        ),
    ),
    ("", "influxdb3 show system --database DATABASE_NAME summary"),
    ("", "influxdb3 show system --database DATABASE_NAME summary --format json"),
    ("", "influxdb3 show system --database DATABASE_NAME table-list"),
    ("", f"influxdb3 write {_AUTH}\\\n  {_LINE}"),
    ("", f"influxdb3 write {_AUTH}\\\n  --file ./data.lp"),
    ("", f"cat ./data.lp | influxdb3 write {_AUTH}"),
    ("", f"influxdb3 write \\\n  --accept-partial {_AUTH}\\\n  {_LINE}"),
    (
        "",
        f"influxdb3 write {_AUTH}\\\n  --precision s \\\n  {_LINE[:-1]}\nhome,room=Kitchen temp=21.0 1641024000\n'",
    ),
    ("", f"influxdb3 write {_AUTH}\\\n  --no-sync \\\n  {_LINE}"),
    ("table", f"influxdb3 query {_AUTH}\\\n  'SELECT * FROM home'"),
    ("table", f"influxdb3 query {_AUTH}\\\n  --file ./query.sql"),
    ("table", f"cat ./query.sql | influxdb3 query {_AUTH}\\\n"),
    ("table", f"influxdb3 query \\\n  --format json {_AUTH}\\\n  'SELECT * FROM home'"),
    ("table", f"influxdb3 query \\\n  --output /path/to/results.txt {_AUTH}\\\n  'SELECT * FROM home'"),
    ("", f"influxdb3 test wal_plugin \\\n  --lp {_LINE} {_AUTH}\\\n  PLUGIN_DIR/PLUGIN_NAME.py"),
    (
        "",
        (
            f"influxdb3 test schedule_plugin \\\n  --host http://localhost:8181 {_AUTH}\\\n"
            '  --input-arguments threshold=10,unit=seconds \\\n  --schedule "0 0 * * * ?" \\\n  '
            "PLUGIN_DIR/FILENAME.py"
        ),
    ),
]

OURS = {"restore database", "restore table"}
"""Commands that no documentation has lines of."""


def filled(line: str) -> str:
    """Return a line with its placeholders filled in."""
    for name, value in PLACEHOLDERS.items():
        line = line.replace(name, value)
    return line


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Run a line on an engine that has the database and the plugin that the lines speak of."""
    for folder in ("plugins", "local", "local/plugin-dir", "local/plugin_directory"):
        (tmp_path / folder).mkdir()
    for name in ("plugins/plugin.py", "local/plugin.py", "local/plugin-dir/__init__.py"):
        (tmp_path / name).write_text(PLUGIN)
    (tmp_path / "local/plugin_directory/__init__.py").write_text(PLUGIN)
    (tmp_path / "data.lp").write_text("home,room=Kitchen temp=21.0 1641024000\n")
    (tmp_path / "plugins/requirements.txt").write_text("# none")
    (tmp_path / "query.sql").write_text("SELECT * FROM home")
    with Engine(plugin_dir=tmp_path / "plugins", environ={}) as engine:
        engine.catalog.create_database("sensors")

        def run(line: str) -> str:
            stdin = None
            if line.startswith("cat "):
                name, _, line = line.removeprefix("cat ").partition(" | ")
                stdin = io.BytesIO((tmp_path / name).read_bytes())
            surroundings = Surroundings(folder=tmp_path, ask=lambda question: "yes", stdin=stdin)
            return run_line(in_process(engine), line, surroundings).text

        yield run


@pytest.mark.parametrize(("before", "line"), LINES)
def test_a_documented_line_runs(run: Callable[[str], str], before: str, line: str) -> None:
    """It runs in process, and says nothing of a failure."""
    if before in {"last_cache", "distinct_cache", "trigger", "disabled"}:
        run(BEFORE["table"])
    if before:
        run(BEFORE[before])
    assert "Failed" not in run(filled(line))


def test_every_command_has_a_documented_line() -> None:
    """No command of the original goes without."""
    read = [parse_command(split_words(filled(line).rpartition("| ")[2])) for _, line in LINES]
    shown = {" ".join(one.command.words) for one in read if one.command is not None}
    assert shown | OURS == {" ".join(command.words) for command in COMMANDS}


def test_variables_stand_for_themselves_where_they_are_not_set() -> None:
    """A parameter of SQL is left to SQL; in single quotes nothing is replaced."""
    variables = {"ROOM": "Living Room", "room": "no"}
    line = 'a $ROOM "${ROOM}s" \'$ROOM\' \\$ROOM "\\$ROOM" $other ${other} $ $1 x$ROOM.y'
    assert split_words(line, variables) == [
        "a",
        "Living Room",
        "Living Rooms",
        "$ROOM",
        "$ROOM",
        "$ROOM",
        "$other",
        "${other}",
        "$",
        "$1",
        "xLiving Room.y",
    ]
