"""A trigger's command line makes the same trigger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from procengine.cli.parser import parse_command
from procengine.cli.trigger_line import create_trigger_line, unsaid
from procengine.cli.words import split_words
from procengine.model.run_limits import RunLimits
from procengine.model.trigger import ErrorBehavior, Trigger

PLAIN = Trigger(database="house", name="hot", plugin_filename="hot.py", spec="table:home")


def test_plain_trigger_has_the_line_of_the_documentation() -> None:
    """What is as it is by default is not said."""
    line = "influxdb3 create trigger --database house --path hot.py --trigger-spec table:home hot"
    assert create_trigger_line(PLAIN) == line


@pytest.mark.parametrize(
    "trigger",
    [
        PLAIN,
        replace(PLAIN, spec="cron:0 0 6 * * 1-5", arguments={"a": "1", "b": "x=y $HOME 'quoted' \\"}),
        replace(PLAIN, run_async=True, error_behavior=ErrorBehavior.RETRY, disabled=True),
        replace(PLAIN, name="two words", database="my db", node_spec="nodes:a,b"),
        replace(PLAIN, name="--disabled"),
        replace(PLAIN, arguments={"empty": ""}),
    ],
)
def test_line_is_read_back_as_the_trigger(trigger: Trigger) -> None:
    """Quoted for a shell, and read by the original's grammar, it says each of the trigger's settings."""
    values = parse_command(split_words(create_trigger_line(trigger))).values
    assert values["database"] == trigger.database
    assert values["trigger_name"] == trigger.name
    assert values["path"] == trigger.plugin_filename
    assert values["trigger_spec"] == trigger.spec
    assert dict(values["trigger_arguments"]) == dict(trigger.arguments or {})
    assert values["error_behavior"] == trigger.error_behavior.value
    assert values["run_asynchronous"] == trigger.run_async
    assert values["disabled"] == trigger.disabled
    assert values["node_spec"] == trigger.node_spec


def test_what_a_line_cannot_say_is_named() -> None:
    """A value with a comma would be two arguments, and limits are not the original's."""
    trigger = replace(PLAIN, arguments={"rooms": "a,b", "c": "1"}, limits=RunLimits(runs=2))
    assert "--trigger-arguments c=1 hot" in create_trigger_line(trigger)
    assert unsaid(trigger) == [
        "argument rooms is left out: a command line parts arguments at commas",
        "limits are left out (runs=2): InfluxDB 3 has none",
    ]
    assert unsaid(PLAIN) == []
