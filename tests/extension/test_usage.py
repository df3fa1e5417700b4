"""Misuse of a magic is answered in one sentence that says what is accepted."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError
from procengine_jupyter import grammar
from procengine_jupyter.fire_command import make_event, parse_instant
from procengine_jupyter.usage import MagicParser

from procengine.model.trigger import Trigger

PARSERS = [
    grammar.procengine_parser,
    grammar.plugin_parser,
    grammar.fire_parser,
    grammar.write_cell_parser,
    grammar.write_file_parser,
    grammar.query_parser,
]

MISUSES = [
    (grammar.procengine_parser, "jump", "invalid choice: 'jump'"),
    (grammar.plugin_parser, "", "the following arguments are required: NAME"),
    (grammar.plugin_parser, "p --args threshold", "'threshold' is not of the form key=value"),
    (grammar.plugin_parser, "p --error-behavior ignore", "invalid choice: 'ignore'"),
    (grammar.plugin_parser, "p --trig table:x", "unrecognized arguments: --trig"),
    (grammar.fire_parser, "t --repeat 0", "'0' is not a whole number of at least 1"),
    (grammar.fire_parser, "t --header broken", "is not of the form 'Name: value'"),
    (grammar.fire_parser, "t --method PUT", "invalid choice: 'PUT'"),
    (grammar.write_cell_parser, "db --precision hours", "invalid choice: 'hours'"),
    (grammar.query_parser, "db --as excel", "invalid choice: 'excel'"),
    (grammar.query_parser, "db 'open", "the quote ' opened at line 1, column 4 is not closed"),
]


@pytest.mark.parametrize(("parser", "line", "text"), MISUSES)
def test_misuse_is_a_usage_error(parser: type[MagicParser], line: str, text: str) -> None:
    """Unknown words, missing words and values that cannot be have their own texts."""
    with pytest.raises(UsageError) as caught:
        parser().read(line)

    assert text in str(caught.value)


@pytest.mark.parametrize("parser", PARSERS)
def test_help_has_examples(parser: type[MagicParser]) -> None:
    """What ``?`` shows has a usage line, every option and examples."""
    text = parser().format_help()

    assert text.startswith("usage: %")
    assert "examples:" in text


def test_words_are_read_as_in_a_shell() -> None:
    """Quotes hold words together; options may stand anywhere."""
    said = grammar.plugin_parser().read(
        'hot --trigger "cron:0 0 6 * * MON" --trigger all_tables --args a="x y" b=1=2 --database db'
    )

    assert said.trigger == ["cron:0 0 6 * * MON", "all_tables"]
    assert dict(said.args) == {"a": "x y", "b": "1=2"}


@pytest.mark.parametrize(
    ("text", "instant_ns"),
    [
        ("now", 5),
        ("1672444800000000000", 1_672_444_800_000_000_000),
        ("2022-12-31T00:00:00Z", 1_672_444_800_000_000_000),
        ("2022-12-31", 1_672_444_800_000_000_000),
        ("2022-12-31 01:00:00+01:00", 1_672_444_800_000_000_000),
    ],
)
def test_instants_are_utc_without_a_zone(text: str, instant_ns: int) -> None:
    """``--at`` takes now, nanoseconds, or ISO 8601."""
    assert parse_instant(text, now_ns=5) == instant_ns


def test_other_instants_are_refused() -> None:
    """The error says what is accepted."""
    with pytest.raises(UsageError, match="--at cannot be 'noon': expected now, a time such as"):
        parse_instant("noon", now_ns=0)


@pytest.mark.parametrize(
    ("spec", "line", "body", "text"),
    [
        ("table:home", "t --at now", None, "--at is not for 't', a write trigger"),
        ("every:1h", "t --lp 'm f=1'", None, "--lp is not for 't', a schedule trigger"),
        ("every:1h", "t", "m f=1", "a body is not for 't', a schedule trigger"),
        ("request:x", "t --at now", None, "--at is not for 't', a request trigger"),
        ("table:home", "t", None, "'t' takes rows: %%fire NAME with line protocol below, or --lp"),
    ],
)
def test_event_must_suit_the_trigger(spec: str, line: str, body: str | None, text: str) -> None:
    """What belongs to another kind of trigger is refused, saying what this kind takes."""
    trigger = Trigger(database="db", name="t", plugin_filename="p.py", spec=spec)

    with pytest.raises(UsageError) as caught:
        make_event(None, trigger, grammar.fire_parser().read(line), body)

    assert text in str(caught.value)


def test_help_of_many_options_begins_with_what_is_typed() -> None:
    """The engine's magic has an option for each setting: its usage is one short line, and examples come first."""
    told = grammar.procengine_parser().format_help()

    assert told.startswith("usage: %procengine [ACTION] [NAME] [--OPTION VALUE ...]\n")
    assert told.index("examples:") < told.index("ACTION  ") < told.index("--wal-flush-interval")
    with pytest.raises(UsageError, match=r"'stat'.*\n.*\naccepted: %procengine \[ACTION\] \[NAME\]"):
        grammar.procengine_parser().read("stat")
