"""Whoever misuses a magic reads what, where and why, and what is accepted."""

from __future__ import annotations

from tests.extension.conftest import HOT_ROOMS, Notebook

VARIABLES = """
import pandas
number = 3
rows = "home,room=A temp=1.0"
frame = pandas.DataFrame({"room": ["a"], "temp": [1.0], "time": [pandas.Timestamp("2022-01-01")]})
"""

WRITES = "\ndef process_writes(influxdb3_local, table_batches, args=None): pass"
CALLS = "\ndef process_scheduled_call(influxdb3_local, call_time, args=None): pass"

WRONG = [
    ("%procengine strat", "did you mean start?\naccepted: %procengine"),
    ("%procengine restart --object-stor memory", "did you mean --object-store?"),
    ("%procengine restart --wal-flush-interval -1s", "joined to its option: --wal-flush-interval=-1s"),
    ("%procengine restart --wal-flush-interval=-1s", "option wal_flush_interval cannot be '-1s'"),
    ("%procengine restart --wal-flush-interval 1parsec", "expected a duration such as '10ms' or '1s'"),
    ("%procengine restart --http-bind nowhere:99999", "such as '127.0.0.1:8181'"),
    ("%procengine --help", "%procengine? shows this\nusage: %procengine"),
    ("%fire -h", "%fire? shows this\nusage: %fire"),
    (
        "%procengine tail home --every soon",
        "'soon' is no duration: expected number at 0; expected one such as",
    ),
    ("%%plugin hot rooms" + WRITES, "unrecognized arguments: rooms"),
    ("%%plugin ../evil" + WRITES, "accepted: letters, digits, _, - and . in NAME or FOLDER/NAME"),
    ("%%plugin ünï" + WRITES, "the plugin name 'ünï' is not allowed"),
    ("%%plugin p --error-behaviour log" + WRITES, "did you mean --error-behavior?"),
    ("%%plugin p --error-behavior retyr" + WRITES, "did you mean retry?"),
    (
        "%%plugin p --trigger table:home --trigger table:home" + WRITES,
        "--trigger table:home is said twice",
    ),
    ("%%plugin p --trigger every:5 -d house" + CALLS, "time unit needed, for example 5sec or 5ms"),
    ("%%plugin p --trigger cron:* * * * -d house" + CALLS, "put a specification with spaces in quotes"),
    ("%%plugin p --trigger table:home -d house --limit disk=1GB" + WRITES, "disk"),
    ("%fire hot_room", "no trigger 'hot_room'; there are: hot_rooms"),
    ('%fire hot_rooms --lp ""', "'hot_rooms' takes rows: %%fire NAME with line protocol below, or --lp"),
    ("%fire hot_rooms --at now", "--at is not for 'hot_rooms', a write trigger (table:home)"),
    ('%fire hot_rooms --lp "home temp"', "expected key=value"),
    ("%fire hot_rooms --repeat -1", "'-1' is not a whole number of at least 1"),
    (
        '%fire hot_rooms --lp "home temp=1 --dry-run',
        'the quote " opened at line 1, column 16 is not closed',
    ),
    ("%write number house", "number is of type int; a variable is a DataFrame"),
    ("%write rows house --table x", "rows is line protocol, which names its tables and tags itself"),
    ("%write rows house --tags room", "rows is line protocol"),
    ("%write frame house --tags nope", "tag 'nope' is not one column of ['room', 'temp', 'time']"),
    ("%write frame house --tags nope", "check --tags"),
    (
        "%write frame house --time-column when",
        "no column 'when' with the times; columns: room, temp, time",
    ),
    ("%%write house --precision m\nhome temp=1", "choose from 'auto', 's', 'ms', 'us', 'ns'"),
    ("%%query hause\nSELECT 1", "did you mean house?"),
    ("%%query house\nSELECT * FROM hom", "did you mean home? tables of house: home"),
    ("%%query house\nSELECT * FROM home WHERE temp > $nothere", "there is no variable 'nothere'"),
    ("%%query house --as panda\nSELECT 1", "did you mean pandas?"),
    ("%inspect bord", "did you mean board?"),
    ("%inspect runs --database nope", "no database 'nope'; there are:"),
    ("%inspect logs --database nope", "no database 'nope'; there are:"),
    ("%replay number -d house", "number is of type int; a variable is a DataFrame"),
    ("%replay frame -d house --speed -1x", "joined to its option: --speed=-1x"),
    (
        "%replay frame -d house --time-column when",
        "no column 'when' with the times; columns: room, temp, time",
    ),
    ("%replay frame -d house --tags nope", "check --tags"),
    ('%replay --query "SELECT 1" -d house', "need the name of their table; give --table"),
    ("%deploy hot_rooms --to nowhere", "--to cannot be 'nowhere'; expected a URL such as"),
    ("%deploy hot_rooms --to http://127.0.0.1:1 --timeout soon", "'soon' is no duration"),
    ("%record begin", "choose from 'start', 'stop', 'status'"),
    ('%influxdb3 create database ""', "name cannot be empty"),
]


def test_wrong_usage_is_answered(notebook: Notebook) -> None:
    """Each text names what was wrong and what would be right; nothing has changed."""
    notebook.run(HOT_ROOMS)
    notebook.run("%%write house\nhome,room=Kitchen temp=21.0")
    notebook.run(VARIABLES)
    triggers = notebook.engine.triggers.list()

    answers = [(cell, text, notebook.fails(cell)) for cell, text in WRONG]

    assert [each for each in answers if each[1] not in each[2]] == []
    assert notebook.engine.triggers.list() == triggers
    assert notebook.engine.catalog.find_database("house") is not None
