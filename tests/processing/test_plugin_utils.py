"""The published package ``influxdata-plugin-utils``, used from a plugin, unchanged."""

from __future__ import annotations

import pyarrow as pa
import pytest

from procengine.model.run import RunOutcome
from tests.processing.plugin_doubles import PluginBench, scheduled

pytest.importorskip("influxdata_plugin_utils")


def test_batched_lines_are_one_synchronous_write(plugin_bench: PluginBench) -> None:
    """Its builders take the plugin's LineBuilder, its batch writes go through ``write_sync`` by keyword."""
    run = plugin_bench.run(
        scheduled(
            """
            lines = [build_line(LineBuilder, "t", tags={"a": "x y"}, fields={"n": n}) for n in range(3)]
            influxdb3_local.write_sync(BatchLines(lines), no_sync=False)
            """,
            "from influxdata_plugin_utils.write import BatchLines, build_line",
        )
    )
    assert run.outcome is RunOutcome.SUCCESS, run.failure
    (written,) = plugin_bench.writes.taken
    assert written.lines.splitlines() == [f"t,a=x\\ y n={n}i" for n in range(3)]


def test_table_names_are_introspected_and_cached(plugin_bench: PluginBench) -> None:
    """Its introspection queries through ``influxdb3_local.query`` and keeps the result in the plugin cache."""
    plugin_bench.queries.table = pa.table(
        {
            "table_catalog": ["public"] * 2,
            "table_schema": ["iox"] * 2,
            "table_name": ["home", "cellar"],
            "table_type": ["BASE TABLE"] * 2,
        }
    )
    run = plugin_bench.run(
        scheduled(
            """
            for _ in range(2):
                influxdb3_local.info(get_table_names(influxdb3_local))
            """,
            "from influxdata_plugin_utils.introspection import get_table_names",
        )
    )
    assert run.failure is None, run.failure.traceback_text
    assert "home" in run.logs[1].text
    assert run.logs[1].text == run.logs[2].text
