"""Trigger specifications (section 1 of the semantics)."""

from __future__ import annotations

import pytest

from procengine.errors import TriggerSpecError
from procengine.model.cron import Cron
from procengine.model.duration import HOUR, MILLISECOND, MINUTE, SECOND, YEAR
from procengine.model.trigger import TriggerKind
from procengine.model.trigger_spec import (
    AllTablesSpec,
    CronSpec,
    EverySpec,
    RequestSpec,
    TableSpec,
    TriggerSpec,
    parse_trigger_spec,
)

FORMS = (
    "expect one of the following forms: 'table:<TABLE_NAME>', 'all_tables', "
    "'cron:<CRON_EXPRESSION>', 'every:<DURATION>', or 'request:<PATH>'"
)
CRON = CronSpec(Cron.parse("0 0 * * * *"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("table:home", TableSpec("home")),
        ("  table: home sensors ", TableSpec("home sensors")),
        ("table:table:home", TableSpec("home")),
        ("table: table:home", TableSpec("table:home")),
        ("all_tables", AllTablesSpec()),
        (" all_tables\n", AllTablesSpec()),
        ("cron: 0 0 * * * * ", CRON),
        ("every:1h 30m", EverySpec(90 * MINUTE, "1h 30m")),
        ("every: 1ms", EverySpec(MILLISECOND, "1ms")),
        ("every:1 year", EverySpec(YEAR, "1 year")),
        ("request:hook", RequestSpec("hook")),
        ("request: /a b/%20 ", RequestSpec("/a b/%20")),
    ],
)
def test_accepted_specs(text: str, expected: TriggerSpec) -> None:
    """The whole text and the part after the prefix are trimmed, and nothing else is checked of a name."""
    assert parse_trigger_spec(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("table: ", "failed to parse trigger from table:: table name is empty"),
        ("every:", "failed to parse trigger from every:: couldn't parse to duration: value was empty"),
        (
            "every:5",
            (
                "failed to parse trigger from every:5: couldn't parse to duration: "
                "time unit needed, for example 5sec or 5ms"
            ),
        ),
        (
            " every:31557601s",
            "failed to parse trigger from every:31557601s: don't support every schedules of over 1 year",
        ),
        (
            "every:0s",
            "failed to parse trigger from every:0s: don't support every schedules of under 1 ms",
        ),
        (
            "every:999us",
            "failed to parse trigger from every:999us: don't support every schedules of under 1 ms",
        ),
        ("request:", "failed to parse trigger from request:: request path is empty"),
        (
            "cron:0 0 0 * * 0",
            (
                "failed to parse trigger from cron:0 0 0 * * 0: "
                "day of week 0 is not in 1-7 (SUN=1, MON=2 ... SAT=7; names are clearer)"
            ),
        ),
        ("evry:5s", f"failed to parse trigger from evry:5s: {FORMS}"),
        ("Table:home", f"failed to parse trigger from Table:home: {FORMS}"),
        ("all_tables:", f"failed to parse trigger from all_tables:: {FORMS}"),
        ("table", f"failed to parse trigger from table: {FORMS}"),
        ("", f"failed to parse trigger from : {FORMS}"),
    ],
)
def test_refused_specs(text: str, message: str) -> None:
    """A refused specification gets the original's text, then a reason where the original gives none."""
    with pytest.raises(TriggerSpecError) as caught:
        parse_trigger_spec(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("table:home", TriggerKind.WRITE),
        ("all_tables", TriggerKind.WRITE),
        ("cron:0 0 * * * *", TriggerKind.SCHEDULE),
        ("every:1h 30m", TriggerKind.SCHEDULE),
        ("request:hook", TriggerKind.REQUEST),
    ],
)
def test_a_spec_knows_its_kind_and_text(text: str, kind: TriggerKind) -> None:
    """A specification tells which entry point it calls, and prints as the text it was read from."""
    spec = parse_trigger_spec(text)
    assert (spec.kind, str(spec)) == (kind, text)


@pytest.mark.parametrize(
    ("text", "definition"),
    [
        ("all_tables", "all_tables_wal_write"),
        ("table:t", {"single_table_wal_write": {"table_name": "t"}}),
        ("cron:0 0 * * * *", {"schedule": {"schedule": "0 0 * * * *"}}),
        ("every:1500ms", {"every": {"duration": {"secs": 1, "nanos": 500_000_000}}}),
        ("request:p", {"request_path": {"path": "p"}}),
    ],
)
def test_definitions(text: str, definition: object) -> None:
    """The system table's JSON is the original's (section 10)."""
    assert parse_trigger_spec(text).definition == definition


def test_every_fires_on_multiples_of_its_period_since_the_epoch() -> None:
    """The first fire time is the next multiple of the period, strictly after the start (section 3)."""
    spec = EverySpec(HOUR, "1h")
    start = 1_795_000_000 * SECOND
    first = spec.next_after(start)
    assert first == (start // HOUR + 1) * HOUR
    assert spec.next_after(first) == first + HOUR
