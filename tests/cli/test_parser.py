"""The words of `influxdb3` are read as the original reads them."""

from __future__ import annotations

import pytest

from procengine.cli.grammar import COMMANDS
from procengine.cli.help_text import PAGE, help_text, usage
from procengine.cli.original_commands import ORIGINAL_COMMANDS, OUR_COMMANDS
from procengine.cli.parser import parse_command
from procengine.cli.words import split_words
from procengine.errors import InvalidInputError
from procengine.model.column import Column, ColumnType


def test_documented_trigger_line_is_read() -> None:
    """A line of the documentation gives each value its meaning."""
    line = """influxdb3 create trigger \\
      --database home --token T \\
      --path "hot_rooms.py" \\
      --trigger-spec "cron:0 0 6 * * 1-5" \\
      --trigger-arguments a=1,b=x=y \\
      --error-behavior retry --run-asynchronous hot"""

    values = parse_command(split_words(line)).values

    assert values["database"] == "home"
    assert values["path"] == "hot_rooms.py"
    assert values["trigger_spec"] == "cron:0 0 6 * * 1-5"
    assert values["trigger_arguments"] == (("a", "1"), ("b", "x=y"))
    assert values["error_behavior"] == "retry"
    assert values["run_asynchronous"] is True
    assert values["disabled"] is False
    assert values["trigger_name"] == "hot"


@pytest.mark.parametrize(
    "line",
    [
        "write --database db 'm f=1'",
        "w -d db 'm f=1'",
        "write -ddb 'm f=1'",
        "write --database=db 'm f=1'",
        "write 'm f=1' --database db",
        "--database db write -- 'm f=1'",
    ],
)
def test_an_option_may_be_written_in_each_form(line: str) -> None:
    """Long, short, attached and moved options are one."""
    invocation = parse_command(split_words(line))

    assert (invocation["database"], invocation["line_protocol"]) == ("db", "m f=1")


def test_fields_and_tags_are_lists() -> None:
    """Commas separate items, several words follow --tags, options may be repeated."""
    words = split_words("create table -d db --tags a,b c -f x:int64,y:utf8 -f z:bool home")

    invocation = parse_command(words)

    assert invocation["tags"] == ("a", "b", "c")
    assert invocation["fields"] == (
        Column("x", ColumnType.INTEGER),
        Column("y", ColumnType.STRING),
        Column("z", ColumnType.BOOLEAN),
    )


def test_environment_supplies_the_database() -> None:
    """INFLUXDB3_DATABASE_NAME stands in for --database and for the database's name."""
    environment = {"INFLUXDB3_DATABASE_NAME": "env"}

    assert parse_command(["query", "SELECT 1"], environment)["database"] == "env"
    assert parse_command(["create", "database"], environment)["database_name"] == "env"
    assert parse_command(["query", "-d", "said", "SELECT 1"], environment)["database"] == "said"


REFUSED = [
    ("frobnicate", "unrecognized subcommand 'frobnicate' of 'influxdb3'; accepted: create, update"),
    ("create", "'influxdb3 create' requires a subcommand; accepted: database, table, trigger"),
    ("create view x", "unrecognized subcommand 'view'"),
    ("query 'SELECT 1'", "requires --database"),
    ("query -d db --nope 1", "unexpected argument '--nope' for 'influxdb3 query'; accepted: --host"),
    ("query -d db --format xml q", "invalid value 'xml' for --format; accepted: pretty, json"),
    ("query -d db a b", "takes one <QUERY>; enclose it in quotes"),
    ("query -d a -d b q", "--database cannot be used multiple times"),
    ("query -d", "a value is required for --database"),
    ("create table -d db -f x home", "No `:` found in `x`"),
    ("create table -d db -f x:int home", "int is not a valid data type, values are int64"),
    ("create trigger -d db --path p --trigger-spec all_tables --trigger-arguments a t", 'key=value"'),
    ("create trigger -d db --path p t", "requires --trigger-spec"),
    (
        "create trigger -d db --path p --plugin-filename p --trigger-spec all_tables t",
        "--path cannot be used with --plugin-filename",
    ),
    ("delete trigger -d db", "requires <TRIGGER_NAME>"),
    ("show databases extra", "unexpected argument 'extra'"),
    ("show system -d db table --limit many queries", "expected a whole number of 0 or more"),
    ("enable trigger --force -d db t", "unexpected argument '--force'"),
    ("write -d db --gzip=yes x", "it takes none"),
    ("write -d db --max-request-size 0 x", "value must be at least 1"),
]


@pytest.mark.parametrize(("line", "text"), REFUSED)
def test_misuse_is_refused_saying_what_is_accepted(line: str, text: str) -> None:
    """Each misuse has its own text."""
    with pytest.raises(InvalidInputError) as caught:
        parse_command(split_words(line))

    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


OFFERED = {" ".join(command.words[:length]) for command in COMMANDS for length in (1, 2)}


@pytest.mark.parametrize("name", [name for name in ORIGINAL_COMMANDS if name not in OFFERED])
def test_a_command_of_the_original_is_known_as_such(name: str) -> None:
    """A line from InfluxDB's documentation that cannot run here is not called a slip."""
    with pytest.raises(InvalidInputError) as caught:
        parse_command([*name.split(), "--token", "x", "y"])

    text = f"'influxdb3 {name}' is a command of InfluxDB 3 that procengine does not offer; offered"
    assert str(caught.value).startswith(text)


def test_the_commands_offered_beside_are_named() -> None:
    """The refusal names what is offered under the words before."""
    for line in ("create query_group --nodes a", "create query_group"):
        with pytest.raises(InvalidInputError, match=r"offered as 'influxdb3 create': database, table"):
            parse_command(split_words(line))
    with pytest.raises(InvalidInputError, match=r"^'influxdb3 stop' is .* offered: create, update"):
        parse_command(["stop"])
    with pytest.raises(InvalidInputError, match=r"^'influxdb3 stop node' is .* offered: create, update"):
        parse_command(["stop", "node", "x"])


def test_every_command_is_the_originals() -> None:
    """What is offered is in the list of what the original has, or said to be ours."""
    known = {tuple(name.split()) for name in (*ORIGINAL_COMMANDS, *OUR_COMMANDS)}
    assert all(any(command.words[: len(name)] == name for name in known) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_names_every_option(command: object) -> None:
    """The help of a command shows its usage and each of its options."""
    text = help_text(command.words)

    assert usage(command) in text
    assert all(option.name in text for option in command.options)
    options = text.partition("\nOptions:\n")[2].splitlines()
    assert all(len(line) <= PAGE for line in options), "a notebook's page breaks longer lines"


def test_the_list_of_commands_fits_into_a_page() -> None:
    """What a command is about goes on below itself, so that a page breaks no word."""
    lines = help_text(()).splitlines()
    assert all(len(line) <= PAGE for line in lines)
    told = " ".join(" ".join(lines).split())
    assert all(command.about in told for command in COMMANDS)


@pytest.mark.parametrize(
    "line", ["", "--help", "help", "create --help", "create trigger -h", "q --help-all"]
)
def test_help_is_asked_for_anywhere(line: str) -> None:
    """Help options work at each depth, without the required options."""
    invocation = parse_command(split_words(line))

    assert invocation.help_for is not None
    assert help_text(invocation.help_for)


def test_an_option_has_one_arity_over_all_commands() -> None:
    """Options before a command's words are read without knowing the command: they must agree."""
    arities: dict[str, set[object]] = {}
    for command in COMMANDS:
        for option in command.options:
            arities.setdefault(option.name, set()).add(option.arity)

    assert {name for name, found in arities.items() if len(found) > 1} == set()
