"""What may be said to `influxdb3`?

A table of commands with their options and positional arguments, in the original's words. Parsing,
help and completion read this table; nothing else knows an option's name.

Source: influxdb3/src/commands/{create,update,delete,show}.rs, influxdb3_commands/src/{enable,disable,install,
query,write,test,common}.rs; docs-v2, influxdb3-cli, of what Enterprise adds (``update table``,
``create table --retention-period``, ``--node-spec``).
Differs: ``restore``, and ``install package --kernel`` and ``--yes``, are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from procengine.cli.values import (
    parse_count,
    parse_field,
    parse_key_value,
    parse_nodes,
    parse_period_ns,
    parse_positive_count,
    parse_seconds,
)


class Arity(Enum):
    """How many words an option takes."""

    FLAG = "flag"
    """None: saying it is all."""
    ONE = "one"
    """One word; saying the option again is refused."""
    LIST = "list"
    """One word of items separated by commas; may be said again."""
    WORDS = "words"
    """Words up to the next option, each of items separated by commas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option. ``variable`` is the environment variable that stands in for it."""

    name: str
    about: str
    short: str | None = None
    arity: Arity = Arity.ONE
    parse: Callable[[str], object] = str
    choices: tuple[str, ...] = ()
    default: str | None = None
    variable: str | None = None
    required: bool = False
    conflicts_with: str | None = None

    @property
    def key(self) -> str:
        """The name in snake case, without the dashes."""
        return self.name.removeprefix("--").replace("-", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Positional:
    """One positional argument; ``key`` is its name in lower case. ``many``: it takes any number of words."""

    name: str
    about: str
    required: bool = True
    variable: str | None = None
    many: bool = False

    @property
    def key(self) -> str:
        """The name in lower case."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: the words that name it, and what it takes."""

    words: tuple[str, ...]
    about: str
    options: tuple[Option, ...] = ()
    positional: Positional | None = None

    @property
    def name(self) -> str:
        """The command as it is typed."""
        return " ".join((PROGRAM, *self.words))

    def option(self, name: str) -> Option | None:
        """Return the option with a long or short name."""
        for option in self.options:
            if name in {option.name, option.short}:
                return option
        return None


PROGRAM = "influxdb3"
FORMATS = ("pretty", "json", "jsonl", "csv", "parquet")

_CONNECTION = (
    Option(
        name="--host",
        short="-H",
        about="URL of the server",
        default="http://127.0.0.1:8181",
        variable="INFLUXDB3_HOST_URL",
    ),
    Option(name="--token", about="token of the server", variable="INFLUXDB3_AUTH_TOKEN"),
    Option(
        name="--tls-ca",
        about="file of a certificate authority that is trusted as well, PEM or (.der) DER",
        variable="INFLUXDB3_TLS_CA",
    ),
    Option(
        name="--tls-no-verify",
        arity=Arity.FLAG,
        about="do not check the server's certificate",
        variable="INFLUXDB3_TLS_NO_VERIFY",
    ),
)
_DATABASE = Option(
    name="--database",
    short="-d",
    about="name of the database",
    variable="INFLUXDB3_DATABASE_NAME",
    required=True,
)
_SERVER = (*_CONNECTION, _DATABASE)
_DATABASE_NAME = Positional(
    name="DATABASE_NAME", about="name of the database", variable="INFLUXDB3_DATABASE_NAME"
)
_TABLE_NAME = Positional(name="TABLE_NAME", about="name of the table")
_TRIGGER_NAME = Positional(name="TRIGGER_NAME", about="name of the trigger")
_FORMAT = Option(name="--format", about="output format", choices=FORMATS, default="pretty")
_OUTPUT = Option(name="--output", short="-o", about="file that receives the output")
_PERIOD = Option(
    name="--retention-period",
    short="-r",
    parse=parse_period_ns,
    about="how long rows are kept, as 30d, 24h; none for ever",
)
_TRIGGER_ARGUMENTS = Option(
    name="--trigger-arguments",
    arity=Arity.LIST,
    parse=parse_key_value,
    about="arguments of the plugin, key=value, separated by commas",
)
_ERROR_BEHAVIORS = ("log", "retry", "disable")
_YES = Option(name="--yes", short="-y", arity=Arity.FLAG, about="do not ask for confirmation")
_HARD_DELETE = Option(
    name="--hard-delete", about="when the data goes: never, now, default or a timestamp"
)
_TEST_OPTIONS = (
    Option(
        name="--input-arguments",
        arity=Arity.LIST,
        parse=parse_key_value,
        about="arguments of the plugin, key=value, separated by commas",
    ),
    Option(
        name="--cache-name",
        about="name of the plugin cache to use, apart from all triggers'; by default _shared_test",
    ),
)
_FILENAME = Positional(name="FILENAME", about="file name of the plugin within the plugin directory")

_CREATE_TRIGGER = Command(
    words=("create", "trigger"),
    about="create a trigger that runs a plugin on written rows, on a schedule or on requests",
    options=(
        *_SERVER,
        Option(name="--path", about="plugin file or folder", conflicts_with="--plugin-filename"),
        Option(name="--plugin-filename", about="deprecated: use --path", conflicts_with="--path"),
        Option(
            name="--trigger-spec",
            required=True,
            about="table:<TABLE_NAME>, all_tables, cron:<EXPRESSION>, every:<DURATION> or request:<PATH>",
        ),
        _TRIGGER_ARGUMENTS,
        Option(name="--disabled", arity=Arity.FLAG, about="create the trigger disabled"),
        Option(name="--run-asynchronous", arity=Arity.FLAG, about="let runs overlap"),
        Option(
            name="--error-behavior",
            choices=_ERROR_BEHAVIORS,
            default="log",
            about="what happens after an error",
        ),
        Option(
            name="--node-spec",
            parse=parse_nodes,
            about="nodes that run it: all, or nodes:<NODE>[,<NODE>]",
            default="all",
        ),
        Option(name="--upload", arity=Arity.FLAG, about="copy --path into the plugin directory first"),
    ),
    positional=_TRIGGER_NAME,
)

_UPDATE_TRIGGER = Command(
    words=("update", "trigger"),
    about="change a trigger, or the text of its plugin",
    options=(
        *_SERVER,
        Option(name="--trigger-name", short="-t", required=True, about="name of the trigger"),
        Option(
            name="--path",
            short="-p",
            about="file or folder whose text the plugin gets; one that is not here: in the plugin directory",
        ),
        Option(name="--upload", arity=Arity.FLAG, about="--path is here, not in the plugin directory"),
        _TRIGGER_ARGUMENTS,
        Option(name="--error-behavior", choices=_ERROR_BEHAVIORS, about="what happens after an error"),
        Option(name="--enabled", arity=Arity.FLAG, about="enable it", conflicts_with="--disabled"),
        Option(name="--disabled", arity=Arity.FLAG, about="disable it", conflicts_with="--enabled"),
    ),
)

_CREATE_TABLE = Command(
    words=("create", "table"),
    about="create a table in a database",
    options=(
        *_SERVER,
        Option(name="--tags", arity=Arity.WORDS, about="names of the tags, separated by commas"),
        Option(
            name="--fields",
            short="-f",
            arity=Arity.LIST,
            parse=parse_field,
            about="fields as name:type, separated by commas; int64, uint64, float64, utf8 or bool",
        ),
        _PERIOD,
    ),
    positional=_TABLE_NAME,
)

_TABLE = Option(name="--table", short="-t", required=True, about="name of the table")
_NODES = Option(
    name="--node-spec",
    short="-n",
    parse=parse_nodes,
    about="nodes that fill it from history: all, or nodes:<NODE>[,<NODE>]",
    default="all",
)

_CREATE_LAST_CACHE = Command(
    words=("create", "last_cache"),
    about="create a last-value cache of a table",
    options=(
        *_SERVER,
        _TABLE,
        _NODES,
        Option(
            name="--key-columns",
            arity=Arity.LIST,
            about="columns that make a series, separated by commas; the table's tags by default",
        ),
        Option(
            name="--value-columns",
            arity=Arity.LIST,
            about="columns that are held, separated by commas; all others by default",
        ),
        Option(name="--count", parse=parse_count, default="1", about="rows of each series"),
        Option(
            name="--ttl",
            parse=parse_seconds,
            default="4 hours",
            about="how long a row is held, as 10s, 1min 30sec, 3 hours",
        ),
    ),
    positional=Positional(name="CACHE_NAME", about="name of the cache", required=False),
)

_CREATE_DISTINCT_CACHE = Command(
    words=("create", "distinct_cache"),
    about="create a distinct-value cache of a table",
    options=(
        *_SERVER,
        _TABLE,
        _NODES,
        Option(
            name="--columns",
            arity=Arity.LIST,
            about="columns whose values are held, separated by commas; tags and strings",
        ),
        Option(
            name="--max-cardinality",
            parse=parse_positive_count,
            default="100000",
            about="combinations of values that are held at most",
        ),
        Option(
            name="--max-age",
            parse=parse_seconds,
            default="1d",
            about="how long ago values may have been seen, as 30d, 24h",
        ),
    ),
    positional=Positional(name="CACHE_NAME", about="name of the cache", required=False),
)

_CACHE_NAME = Positional(name="CACHE_NAME", about="name of the cache")

_WRITE = Command(
    words=("write",),
    about="write line protocol",
    options=(
        *_SERVER,
        Option(
            name="--write-host",
            about="URL of the server for writes; see --host",
            variable="INFLUXDB3_WRITE_HOST_URL",
        ),
        Option(name="--file", short="-f", about="file with line protocol"),
        Option(name="--accept-partial", arity=Arity.FLAG, about="store the good lines"),
        Option(name="--no-sync", arity=Arity.FLAG, about="answer before the rows are durable"),
        Option(name="--gzip", arity=Arity.FLAG, about="compress what is sent"),
        Option(
            name="--max-request-size",
            parse=parse_positive_count,
            default="10485760",
            about="bytes of one request; longer input is split at line ends",
        ),
        Option(
            name="--max-concurrent-requests",
            parse=parse_positive_count,
            default="32",
            about="requests at a time; one in this process",
        ),
        Option(name="--quiet", short="-q", arity=Arity.FLAG, about="report nothing"),
        Option(name="--precision", short="-p", about="precision of the times: auto, ns, us, ms or s"),
    ),
    positional=Positional(name="LINE_PROTOCOL", about="line protocol, in quotes", required=False),
)

_QUERY = Command(
    words=("query",),
    about="run a query",
    options=(
        *_SERVER,
        Option(
            name="--query-host",
            about="URL of the server for queries; see --host",
            variable="INFLUXDB3_QUERY_HOST_URL",
        ),
        Option(
            name="--language",
            short="-l",
            choices=("sql", "influxql"),
            default="sql",
            about="query language; procengine knows no InfluxQL",
        ),
        _FORMAT,
        _OUTPUT,
        Option(name="--file", short="-f", about="file with the query"),
    ),
    positional=Positional(name="QUERY", about="SQL, in quotes", required=False),
)

_SYSTEM_TABLE = Command(
    words=("show", "system", "table"),
    about="show rows of a system table",
    options=(
        *_SERVER,
        Option(name="--limit", short="-l", parse=parse_count, default="100", about="rows; 0 for all"),
        Option(name="--order-by", short="-o", arity=Arity.LIST, about="columns to order by"),
        Option(name="--select", short="-s", arity=Arity.LIST, about="columns to show"),
        _FORMAT,
    ),
    positional=Positional(name="SYSTEM_TABLE", about="name of the system table"),
)

_SYSTEM_SUMMARY = Command(
    words=("show", "system", "summary"),
    about="show rows of every system table",
    options=(
        *_SERVER,
        Option(name="--limit", short="-l", parse=parse_count, default="10", about="rows; 0 for all"),
        _FORMAT,
    ),
)

_CREATE_TOKEN = Command(
    words=("create", "token"),
    about="make an admin token",
    options=(
        Option(name="--admin", arity=Arity.FLAG, about="an admin token; there are no others"),
        *_CONNECTION,
        Option(name="--name", about="name of the token; the operator's without"),
        Option(name="--expiry", parse=parse_seconds, about="how long it is good, as 10d, 1y"),
        Option(
            name="--regenerate",
            arity=Arity.FLAG,
            about="make the operator's token anew; the old one is good no more",
            conflicts_with="--name",
        ),
        Option(name="--format", about="output format", choices=("text", "json"), default="text"),
    ),
)

_INSTALL_PACKAGE = Command(
    words=("install", "package"),
    about="install packages for plugins",
    options=(
        *_CONNECTION,
        Option(
            name="--requirements", short="-r", about="requirements.txt, where the server has its plugins"
        ),
        Option(name="--plugin-dir", about="the server's own counts"),
        Option(name="--virtual-env-location", about="the server's own counts"),
        Option(name="--package-manager", about="the server's own counts"),
        Option(name="--plugin-repo", about="the server's own counts"),
        Option(
            name="--kernel",
            arity=Arity.FLAG,
            about="into this Python's own environment; only without --host",
        ),
        Option(
            name="--yes",
            short="-y",
            arity=Arity.FLAG,
            about="install although packages would not fit together",
        ),
    ),
    positional=Positional(name="PACKAGES", about="names of packages", required=False, many=True),
)

COMMANDS: tuple[Command, ...] = (
    Command(
        words=("create", "database"),
        about="create a database",
        options=(*_CONNECTION, _PERIOD),
        positional=_DATABASE_NAME,
    ),
    _CREATE_TABLE,
    _CREATE_TRIGGER,
    _CREATE_LAST_CACHE,
    _CREATE_DISTINCT_CACHE,
    _CREATE_TOKEN,
    Command(
        words=("update", "database"),
        about="say how long a database's rows are kept",
        options=(*_SERVER, _PERIOD),
    ),
    Command(
        words=("update", "table"),
        about="say how long a table's rows are kept",
        options=(*_SERVER, _PERIOD),
        positional=_TABLE_NAME,
    ),
    _UPDATE_TRIGGER,
    Command(
        words=("delete", "last_cache"),
        about="delete a last-value cache",
        options=(*_SERVER, _TABLE),
        positional=_CACHE_NAME,
    ),
    Command(
        words=("delete", "distinct_cache"),
        about="delete a distinct-value cache",
        options=(*_SERVER, _TABLE),
        positional=_CACHE_NAME,
    ),
    Command(
        words=("delete", "database"),
        about="delete a database",
        options=(*_CONNECTION, _HARD_DELETE, _YES),
        positional=_DATABASE_NAME,
    ),
    Command(
        words=("delete", "table"),
        about="delete a table",
        options=(*_SERVER, _HARD_DELETE, _YES),
        positional=_TABLE_NAME,
    ),
    Command(
        words=("delete", "trigger"),
        about="delete a trigger",
        options=(*_SERVER, Option(name="--force", arity=Arity.FLAG, about="even if it is enabled")),
        positional=_TRIGGER_NAME,
    ),
    Command(
        words=("delete", "token"),
        about="delete a token",
        options=(
            *_CONNECTION,
            Option(name="--token-name", required=True, about="name of the token"),
            _YES,
        ),
    ),
    Command(
        words=("restore", "database"),
        about="let a deleted database be there again, until its data is gone; not of InfluxDB",
        options=_CONNECTION,
        positional=_DATABASE_NAME,
    ),
    Command(
        words=("restore", "table"),
        about="let a deleted table be there again, until its data is gone; not of InfluxDB",
        options=_SERVER,
        positional=_TABLE_NAME,
    ),
    Command(
        words=("enable", "trigger"),
        about="enable a trigger",
        options=_SERVER,
        positional=_TRIGGER_NAME,
    ),
    Command(
        words=("disable", "trigger"),
        about="disable a trigger",
        options=_SERVER,
        positional=_TRIGGER_NAME,
    ),
    _INSTALL_PACKAGE,
    Command(
        words=("show", "databases"),
        about="list the databases",
        options=(
            *_CONNECTION,
            Option(name="--show-deleted", arity=Arity.FLAG, about="deleted ones as well"),
            _FORMAT,
            _OUTPUT,
        ),
    ),
    Command(
        words=("show", "plugins"),
        about="list the files of plugins that triggers use",
        options=(*_CONNECTION, _FORMAT, _OUTPUT),
    ),
    Command(
        words=("show", "tokens"),
        about="list the tokens, without their texts",
        options=(*_CONNECTION, _FORMAT, _OUTPUT),
    ),
    Command(
        words=("show", "retention"),
        about="list how long databases keep their rows",
        options=(
            *_CONNECTION,
            Option(
                name="--database",
                short="-d",
                about="one database alone",
                variable="INFLUXDB3_DATABASE_NAME",
            ),
            _FORMAT,
            _OUTPUT,
        ),
    ),
    Command(
        words=("show", "system", "table-list"),
        about="list the system tables",
        options=(*_SERVER, _FORMAT),
    ),
    _SYSTEM_TABLE,
    _SYSTEM_SUMMARY,
    _WRITE,
    _QUERY,
    Command(
        words=("test", "wal_plugin"),
        about="dry-run a plugin on written rows",
        options=(
            *_SERVER,
            Option(name="--lp", about="line protocol that the plugin receives"),
            Option(name="--file", about="file with line protocol that the plugin receives"),
            *_TEST_OPTIONS,
        ),
        positional=_FILENAME,
    ),
    Command(
        words=("test", "schedule_plugin"),
        about="dry-run a plugin on a schedule",
        options=(
            *_SERVER,
            Option(name="--schedule", about="cron expression of six or seven fields"),
            *_TEST_OPTIONS,
        ),
        positional=_FILENAME,
    ),
)

ALIASES = {"w": "write", "q": "query", "s": "system"}
"""Short forms of command words."""
