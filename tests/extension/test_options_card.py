"""``%procengine config`` shows each option by what it is about, with its unit, and where it came from."""

from __future__ import annotations

import pytest
from procengine_jupyter.render.options_card import GROUPS, OptionLine, OptionsCard
from procengine_jupyter.status import shown_value

from procengine.config import OPTIONS, load_config
from tests.extension.conftest import Notebook


def test_each_option_is_in_one_group() -> None:
    """No option is among the others, and none is shown twice."""
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(OPTIONS)


@pytest.mark.parametrize(
    ("name", "given", "shown"),
    [
        ("wal_flush_interval", 0.01, "10ms"),
        ("gen1_duration", "5m", "5m"),
        ("shutdown_timeout", 30, "30s"),
        ("plugin_wall_time_limit", 90, "1m30s"),
        ("plugin_wall_time_limit", None, "unset"),
        ("trigger_lag_limit", "1GiB", "1GiB"),
        ("run_history_bytes", 1_500_000, "1500000"),
        ("without_auth", True, "on"),
        ("mode", "all,process", "all, process"),
        ("exec_mem_pool_bytes", "20%", "20%"),
    ],
)
def test_values_are_shown_with_their_units(name: str, given: object, shown: str) -> None:
    """As they may be given."""
    call = {} if given is None else {name: given}
    config = load_config({"plugin_dir": "plugins", **call}, environ={}).config
    assert shown_value(OPTIONS[name], getattr(config, name)) == shown


def test_defaults_are_quiet() -> None:
    """Only what was given names its origin; a default stands in the quiet colour."""
    card = OptionsCard(
        (
            OptionLine(name="node_id", value="mine", origin="%config", about="the node's name"),
            OptionLine(name="query_log_size", value="1000", origin=None, about="queries kept"),
        )
    )
    assert card.plain().splitlines()[:-1] == [
        "options: 1 option given, 1 at their defaults",
        "data",
        "  node_id        = mine  (%config)",
        "queries",
        "  query_log_size = 1000",
    ]
    html = str(card.html())
    given = '<td><code>mine</code><span class="pe-soft"> · %config</span></td>'
    assert f"<td><code>node_id</code></td>{given}" in html
    assert '<td><span class="pe-soft"><code>query_log_size</code></span></td>' in html


def test_options_of_a_notebook_say_where_they_come_from(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders beside the notebook, a magic's words and variables are told apart."""
    monkeypatch.setenv("INFLUXDB3_SHUTDOWN_TIMEOUT", "5s")
    notebook.run("%procengine restart --object-store memory")
    lines = {" ".join(line.split()) for line in notebook.run("%procengine config").text().splitlines()}
    assert {
        "object_store = memory (call)",
        "shutdown_timeout = 5s (environment (INFLUXDB3_SHUTDOWN_TIMEOUT))",
        "query_log_size = 1000",
    } <= lines
