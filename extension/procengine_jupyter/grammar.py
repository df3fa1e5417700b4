"""What may be said to each magic?

One parser a magic; help, completion and reading all come from it.
"""

from __future__ import annotations

import argparse
import os

from procengine.config import OPTIONS
from procengine.model.duration import SECOND
from procengine.model.node_spec import ALL_NODES
from procengine_jupyter.usage import (
    MagicParser,
    header,
    key_value,
    limit,
    names,
    node_spec,
    pair_of_files,
    placement,
    positive,
    span,
    whole_number,
)

ACTIONS = (
    "start",
    "stop",
    "restart",
    "status",
    "config",
    "triggers",
    "token",
    "doctor",
    "attach",
    "detach",
    "tail",
    "update",
    "plugin",
)
TLS_CA_VARIABLE = "INFLUXDB3_TLS_CA"
ERROR_BEHAVIORS = ("log", "retry", "disable")
RESULT_KINDS = ("pandas", "arrow", "polars")
PRECISIONS = ("auto", "s", "ms", "us", "ns")
METHODS = ("GET", "POST")
RECORD_ACTIONS = ("start", "stop", "status")
INSPECTED = ("board", "graph", "plugins", "cache", "last", "distinct", "runs", "logs", "tables")


def procengine_parser() -> MagicParser:
    """Return the parser of ``%procengine``."""
    parser = MagicParser(
        "%procengine",
        "Start, stop or look at the notebook's engine. Returns the Engine, which shows itself as a card.\n"
        "Options of start and restart hold for that start; %config ProcessingEngine sets them for good.\n\n"
        "examples:\n"
        "  %procengine\n"
        "  engine = %procengine\n"
        "  %procengine restart --object-store memory\n"
        "  %procengine config            the options, and where each came from\n"
        "  %procengine triggers          the triggers, and how they are\n"
        "  %procengine doctor hot_rooms  what would be otherwise on a server; without NAME of all plugins\n"
        "  token = %procengine token     a token for the HTTP API\n"
        "  %procengine attach http://HOST:8181 --database prod --token $token\n"
        "  %procengine tail home         new rows of a table that is attached\n"
        "  %procengine detach prod\n"
        "  %procengine update hot_rooms  what the git repository of its plugin has now\n"
        "  %procengine plugin --help     make, check, publish and install plugins, and go back to earlier texts",
        "",
        usage="%(prog)s [ACTION] [NAME] [--OPTION VALUE ...]",
    )
    parser.add_argument(
        "action",
        nargs="?",
        default="status",
        choices=ACTIONS,
        metavar="ACTION",
        help=f"{', '.join(ACTIONS)}; status when left out",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="plugin of doctor; all when left out")
    options = parser.add_argument_group("options of start and restart")
    options.add_argument("--config", dest="config_file", help="TOML file with options", metavar="FILE")
    options.add_argument("--no-plugins", action="store_true", help="leave the plugin part off")
    for name, option in OPTIONS.items():
        options.add_argument(
            f"--{name.replace('_', '-')}", help=option.help.replace("%", "%%"), metavar="VALUE"
        )
    return parser


def attach_parser() -> MagicParser:
    """Return the parser of ``%procengine attach``."""
    parser = MagicParser(
        "%procengine attach",
        "Read a database of an InfluxDB 3 server as if it were here: %%%%query and influxdb3_local.query go there,\n"
        "what is written stays here. Triggers on it are here.",
        "examples:\n"
        "  %procengine attach http://db.example.com:8181 --database prod --token $token\n"
        "  %procengine attach https://db.example.com --database prod --tail home,weather --every 10s",
    )
    parser.add_argument("url", metavar="URL", help="address of the server")
    parser.add_argument("--database", "-d", required=True, metavar="DB", help="its database")
    parser.add_argument(
        "--token",
        metavar="$NAME",
        help="variable with the token; that of INFLUXDB3_AUTH_TOKEN when left out",
    )
    parser.add_argument("--name", metavar="NAME", help="what it is called here; as there when left out")
    parser.add_argument(
        "--read-write", action="store_true", help="have the server store what is written, too"
    )
    parser.add_argument(
        "--tail",
        type=names,
        default=[],
        metavar="A,B",
        help="tables whose new rows come to the triggers here",
    )
    parser.add_argument(
        "--every", type=span, metavar="DURATION", help="how often these are looked at; 5s when left out"
    )
    parser.add_argument(
        "--timeout", type=span, metavar="DURATION", help="how long a query may take; 1m when left out"
    )
    _add_tls(parser)
    return parser


def detach_parser() -> MagicParser:
    """Return the parser of ``%procengine detach``."""
    parser = MagicParser(
        "%procengine detach",
        "Let an attached database go. What was written to it here stays, in the local database of its name.",
        "example:\n  %procengine detach prod",
    )
    parser.add_argument("name", metavar="NAME", help="what it is called here")
    return parser


def tail_parser() -> MagicParser:
    """Return the parser of ``%procengine tail``."""
    parser = MagicParser(
        "%procengine tail",
        "Follow a table of an attached database: its new rows come to the triggers here, as if written here.",
        "examples:\n"
        "  %procengine tail home --every 5s\n"
        "  %procengine tail home --pause\n"
        "  %procengine tail home --stop",
    )
    parser.add_argument("table", metavar="TABLE", help="the table")
    parser.add_argument(
        "--database", "-d", metavar="NAME", help="attached database, where there are several"
    )
    parser.add_argument(
        "--every", type=span, metavar="DURATION", help="how often it is looked at; 5s when left out"
    )
    parser.add_argument(
        "--overlap", type=span, metavar="DURATION", help="how late rows may be; 1m when left out"
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="where it begins: ISO 8601 (UTC), or nanoseconds; now when left out",
    )
    parser.add_argument("--pause", action="store_true", help="look no more until --resume")
    parser.add_argument("--resume", action="store_true", help="go on from where it was")
    parser.add_argument("--stop", action="store_true", help="follow it no longer")
    return parser


def update_parser() -> MagicParser:
    """Return the parser of ``%procengine update``."""
    parser = MagicParser(
        "%procengine update",
        "Show what the git repository of a plugin has now, beside the commit that runs; --take takes it.",
        "examples:\n"
        "  %procengine update hot_rooms                       shows the difference\n"
        "  %procengine update hot_rooms --take 1a2b3c4d5e6f   takes what was shown",
    )
    parser.add_argument("name", metavar="NAME", help="a trigger of the plugin, or the plugin's address")
    parser.add_argument(
        "--take", metavar="COMMIT", help="the commit to take, as the difference named it"
    )
    return parser


ACTION_PARSERS = {
    "attach": attach_parser,
    "detach": detach_parser,
    "tail": tail_parser,
    "update": update_parser,
}
"""Actions of ``%procengine`` that have words of their own."""


def plugin_parser() -> MagicParser:
    """Return the parser of ``%%plugin``."""
    parser = MagicParser(
        "%%plugin",
        "Save the cell as a plugin, check it, and create or update its triggers.\n"
        "Running the cell again puts the new code in place; cache and history stay.",
        "examples:\n"
        "  %%plugin hot_rooms --trigger table:home --database house --args threshold=22.5\n"
        "  %%plugin hourly --trigger every:1h --database house\n"
        "  %%plugin slow --trigger every:1m --database house --limit wall=30s --limit memory=200MB\n"
        "  %%plugin lookup --trigger request:lookup --database house\n"
        "  %%plugin rooms/rules          a further file of the plugin folder rooms",
    )
    parser.add_argument("name", metavar="NAME", help="name of the plugin: NAME.py, or FOLDER/FILE")
    parser.add_argument(
        "--trigger",
        action="append",
        default=[],
        metavar="SPEC",
        help="table:NAME, all_tables, cron:EXPRESSION, every:DURATION or request:PATH; may be repeated",
    )
    parser.add_argument(
        "--database", "-d", metavar="DB", help="database of the triggers; made where missing"
    )
    parser.add_argument(
        "--args",
        action="extend",
        nargs="+",
        default=None,
        type=key_value,
        metavar="KEY=VALUE",
        help="arguments that the plugin receives as args",
    )
    parser.add_argument("--run-async", action="store_true", help="let runs overlap")
    parser.add_argument(
        "--error-behavior", choices=ERROR_BEHAVIORS, default="log", help="what happens after an error"
    )
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        type=limit,
        metavar="KIND=VALUE",
        help="what a run may take: wall=5s, cpu=2s, memory=200MB; runs=4 at a time with --run-async; may be "
        "repeated",
    )
    parser.add_argument(
        "--node-spec",
        default=ALL_NODES,
        type=node_spec,
        metavar="SPEC",
        help="nodes of a cluster that run it: all, or nodes:A,B",
    )
    parser.add_argument("--disabled", action="store_true", help="create the triggers disabled")
    return parser


def fire_parser() -> MagicParser:
    """Return the parser of ``%fire`` and ``%%fire``."""
    parser = MagicParser(
        "%fire",
        "Send a trigger one event by hand and show the run.\n"
        "A write trigger takes rows as line protocol, a schedule trigger a time, a request trigger a request.",
        "examples:\n"
        '  %fire hot_rooms --lp "home,room=Attic temp=24.5" --dry-run\n'
        "  %fire hot_rooms --lp $rows\n"
        "  %fire hourly --at 2022-12-31T00:00:00Z\n"
        "  %fire hourly --dry-run --debug  stop at breakpoint(), or at the first line\n"
        "  %fire lookup --param room=Attic\n"
        "  %fire hourly --profile        where its time goes\n"
        "  %%fire hot_rooms              the rows stand in the cell\n"
        "  %%fire lookup --method POST   the body stands in the cell",
    )
    parser.add_argument("name", metavar="NAME", help="name of the trigger")
    parser.add_argument("--database", "-d", metavar="DB", help="database, where the name is not enough")
    parser.add_argument(
        "--dry-run", action="store_true", help="store nothing, work on a copy of the plugin cache"
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        help="stop at breakpoint(), or without one at the first line, in the cell's prompt; JupyterLab's debugger "
        "stops at its own breakpoints while it is on",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="say where the run's time went: the plugin's functions, and what they called",
    )
    parser.add_argument("--repeat", type=positive, default=1, metavar="N", help="send the event N times")
    parser.add_argument(
        "--lp",
        metavar="LINES",
        help="rows of a write trigger, as line protocol; $NAME takes the notebook's variable",
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="auto", help="precision of the rows' times"
    )
    parser.add_argument(
        "--at", metavar="TIME", help="scheduled time: ISO 8601 (UTC), nanoseconds, or now"
    )
    parser.add_argument("--method", choices=METHODS, help="method of a request")
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        type=header,
        metavar="NAME:VALUE",
        help="header of a request",
    )
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        type=key_value,
        metavar="KEY=VALUE",
        help="query parameter of a request",
    )
    parser.add_argument(
        "--body", metavar="TEXT", help="body of a request; $NAME takes the notebook's variable"
    )
    return parser


def _add_write_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision",
        "-p",
        choices=PRECISIONS,
        default="auto",
        help="precision of the times; guessed by auto",
    )
    parser.add_argument("--no-sync", action="store_true", help="do not wait until the rows are durable")
    parser.add_argument(
        "--accept-partial",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="store the good lines where others are bad",
    )


def write_cell_parser() -> MagicParser:
    """Return the parser of ``%%write``."""
    parser = MagicParser(
        "%%write",
        "Store the cell's line protocol, and show the runs that it caused.",
        "examples:\n  %%write house\n  home,room=Attic temp=24.5",
    )
    parser.add_argument("database", metavar="DB", help="database; made where missing")
    _add_write_options(parser)
    return parser


def write_parser() -> MagicParser:
    """Return a parser whose help is that of ``%write`` and ``%%write`` together."""
    parser = write_file_parser()
    cell = write_cell_parser()
    parser.epilog = f"{parser.epilog}\n\n{cell.format_help()}"
    return parser


def write_file_parser() -> MagicParser:
    """Return the parser of ``%write``."""
    parser = MagicParser(
        "%write",
        "Store a file or a variable, and show the runs that it caused.\n"
        "A file is line protocol, or CSV or Parquet by its ending; a variable is a DataFrame, an Arrow table "
        "or text.",
        "examples:\n"
        "  %write data/home.lp house\n"
        "  %write readings.csv house --table home --tags room\n"
        "  %write frame house --table home --tags room",
    )
    parser.add_argument("source", metavar="SOURCE", help="file, or name of a variable")
    parser.add_argument("database", metavar="DB", help="database; made where missing")
    parser.add_argument(
        "--table", metavar="TABLE", help="table of CSV, Parquet and DataFrames; else the name"
    )
    parser.add_argument("--tags", type=names, default=[], metavar="A,B", help="columns that are tags")
    parser.add_argument("--time-column", default="time", metavar="COLUMN", help="column of the times")
    _add_write_options(parser)
    return parser


def query_parser() -> MagicParser:
    """Return the parser of ``%%query``."""
    parser = MagicParser(
        "%%query",
        "Run the cell's SQL. $name stands for the notebook's variable of that name.\n"
        "The result shows itself; with --as it is a DataFrame or an Arrow table.",
        "examples:\n"
        "  %%query house --out hot --as pandas\n"
        "  SELECT room, max(temp) FROM home WHERE temp > $threshold GROUP BY room",
    )
    parser.add_argument("database", metavar="DB", help="database")
    parser.add_argument(
        "--out", metavar="NAME", help="variable that receives the result; pandas unless --as"
    )
    parser.add_argument(
        "--scratch", action="store_true", help="of an attached database: what was written to it here"
    )
    parser.add_argument("--as", dest="kind", choices=RESULT_KINDS, help="kind of the result")
    return parser


def inspect_parser() -> MagicParser:
    """Return the parser of ``%inspect``."""
    parser = MagicParser(
        "%inspect",
        "Look at the engine's state while it lives: a table with a filter, sorted by a click on a head, that\n"
        "looks again by itself while it is in sight. A click on a row shows it whole. Where there is no live page,\n"
        "its first rows are shown.",
        "examples:\n"
        "  %inspect                      the board: every trigger, and what can be done to it\n"
        "  %inspect graph                which way rows go, and how many\n"
        "  %inspect plugins              what has become of each plugin, and what uses it\n"
        "  %inspect cache                what plugins keep by influxdb3_local.cache\n"
        "  %inspect cache hot_rooms      of one trigger; global is the namespace that all share\n"
        "  %inspect last                 the last-value caches\n"
        "  %inspect last home            the rows of one: by its name, or its table's\n"
        "  %inspect distinct home        the same of a distinct-value cache\n"
        "  %inspect runs hot_rooms       the runs of one trigger\n"
        "  %inspect logs                 what triggers logged",
    )
    parser.add_argument(
        "what",
        nargs="?",
        default=INSPECTED[0],
        choices=INSPECTED,
        metavar="WHAT",
        help=f"{', '.join(INSPECTED)}; the board when left out",
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="trigger, cache, or a cache's table; all when left out"
    )
    parser.add_argument("--database", "-d", metavar="DB", help="database, where the name is not enough")
    parser.add_argument(
        "--filter", default="", metavar="TEXT", help="show rows that have a text in them"
    )
    return parser


def replay_parser() -> MagicParser:
    """Return the parser of ``%replay``."""
    parser = MagicParser(
        "%replay",
        "Send recorded rows through a database's triggers in the order of time, under a virtual clock by which\n"
        "schedules fire, in an engine of its own: the notebook's rows, plugin cache and logs are left alone.\n"
        "Returns the result: .rows(table), .runs, .logs, .state, .compare(other).",
        "examples:\n"
        "  %replay data/home.lp --database house\n"
        "  before = %replay frame --tags room\n"
        "  %replay home.parquet --from 2022-12-01 --to 2023-01-01 --trigger hot_rooms\n"
        '  %replay --query "SELECT * FROM home" --database house\n'
        "  after = %replay frame --swap hot_rooms=hot_rooms_2 --compare before\n"
        "  %replay day.recording --speed 60x --background",
    )
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="file of line protocol, CSV or Parquet (.gz too), recording, or name of a variable",
    )
    parser.add_argument("--database", "-d", metavar="DB", help="database whose triggers run")
    parser.add_argument("--query", metavar="SQL", help="replay what a query answers")
    parser.add_argument(
        "--query-database", metavar="DB", help="database of the query, where it is another one"
    )
    parser.add_argument(
        "--table", metavar="TABLE", help="table of CSV, Parquet, DataFrames and queries; else the name"
    )
    parser.add_argument(
        "--tags", type=names, metavar="A,B", help="columns that are tags; else the table's"
    )
    parser.add_argument("--time-column", default="time", metavar="COLUMN", help="column of the times")
    parser.add_argument(
        "--precision", "-p", choices=PRECISIONS, default="auto", help="precision of the times"
    )
    parser.add_argument(
        "--from",
        dest="from_",
        metavar="TIME",
        help="leave out rows before: ISO 8601 (UTC), or nanoseconds",
    )
    parser.add_argument(
        "--to", metavar="TIME", help="leave out rows from here on; schedules tick until then"
    )
    parser.add_argument(
        "--batch",
        default="1s",
        metavar="HOW",
        help="which rows come together: those of a duration (1s, as a server's flushes), row, or time",
    )
    parser.add_argument(
        "--speed", default="max", metavar="SPEED", help="max, or virtual seconds a real one: 10x"
    )
    parser.add_argument(
        "--trigger",
        dest="trigger_name",
        action="append",
        default=[],
        metavar="NAME",
        help="this trigger alone; may be repeated",
    )
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="FILE",
        help="the triggers of this plugin alone; may be repeated",
    )
    parser.add_argument(
        "--swap",
        action="append",
        default=[],
        type=pair_of_files,
        metavar="OLD=NEW",
        help="run another plugin file in the place of one; may be repeated",
    )
    parser.add_argument(
        "--seed",
        type=whole_number,
        default=0,
        metavar="N",
        help="what random and numpy.random begin with",
    )
    parser.add_argument(
        "--into", metavar="DB", help="keep the rows that came of it in a new database, for %%%%query"
    )
    parser.add_argument(
        "--compare", metavar="NAME", help="variable with an earlier result, to compare with"
    )
    parser.add_argument("--out", metavar="NAME", help="variable that receives the result")
    parser.add_argument(
        "--twice",
        action="store_true",
        help="replay a second time, and name what is not the same each time",
    )
    parser.add_argument(
        "--background",
        action="store_true",
        help="go on beside other cells, with buttons: pause, step, stop",
    )
    parser.add_argument(
        "--paused", action="store_true", help="begin paused, to go on by steps; with --background"
    )
    return parser


def deploy_parser() -> MagicParser:
    """Return the parser of ``%deploy``."""
    parser = MagicParser(
        "%deploy",
        "Show what bringing a plugin to an InfluxDB 3 server would change there: its files, triggers, caches, their\n"
        "tables and packages, and the command lines that would do it. A button, or --yes, does it: tried there\n"
        "first, verified, and put back as far as it can be when it fails.",
        "examples:\n"
        "  %deploy hot_rooms --to https://db.example.com --token $TOKEN\n"
        "  %deploy hot_rooms --to https://db.example.com --token $TOKEN --yes\n"
        "  %deploy forecast --to http://10.0.0.5:8181 --package prophet\n"
        "  %deploy hourly --to https://cluster.example.com --node-spec auto\n"
        "  %deploy gh:influxdata/downsampler/downsampler.py --to https://db.example.com",
    )
    parser.add_argument(
        "name", metavar="NAME", help="plugin: its file, with or without .py, its folder or its address"
    )
    parser.add_argument("--to", required=True, metavar="URL", help="the server; $NAME as of --token")
    parser.add_argument(
        "--token",
        metavar="TOKEN",
        help="admin token; $NAME takes the notebook's variable or the environment's; else INFLUXDB3_AUTH_TOKEN",
    )
    parser.add_argument("--yes", action="store_true", help="do it, without a button")
    parser.add_argument(
        "--package",
        action="append",
        default=[],
        metavar="NAME",
        help="package to install, beside those that the plugin declares; may be repeated",
    )
    parser.add_argument(
        "--node-spec",
        type=placement,
        metavar="SPEC",
        help="nodes of a cluster, in the place of those here: all, nodes:A,B, or auto by the kinds of the triggers",
    )
    parser.add_argument("--no-dry-run", action="store_true", help="do not try the plugin on the server")
    parser.add_argument(
        "--timeout",
        type=span,
        default=60 * SECOND,
        metavar="DURATION",
        help="how long the server may take for a request, 1m when left out; 15m for packages",
    )
    _add_tls(parser)
    return parser


def _add_tls(parser: MagicParser) -> None:
    parser.add_argument(
        "--tls-ca",
        metavar="FILE",
        default=os.environ.get(TLS_CA_VARIABLE),
        help=f"certificate authority that is trusted too; else that of {TLS_CA_VARIABLE}",
    )
    parser.add_argument("--tls-no-verify", action="store_true", help="check no certificate")


def record_parser() -> MagicParser:
    """Return the parser of ``%record``."""
    parser = MagicParser(
        "%record",
        "Record what comes into a database, to be replayed: rows that no plugin wrote, requests and ticks.",
        "examples:\n"
        "  %record start day --database house      into day.recording\n"
        "  %record                                 how much it has\n"
        "  %record stop\n"
        "  %replay day",
    )
    parser.add_argument(
        "action", nargs="?", default="status", choices=RECORD_ACTIONS, help="status when left out"
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="name of the file, below the notebook's folder"
    )
    parser.add_argument("--database", "-d", metavar="DB", help="database to record")
    return parser
