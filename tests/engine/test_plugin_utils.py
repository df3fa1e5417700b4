"""The PyPI package influxdata-plugin-utils, unchanged, used from a plugin."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from procengine import Engine
from procengine.model.run import RunOutcome

pytest.importorskip("influxdata_plugin_utils")

HISTORY = "\n".join(
    f'home,room={room} temp={20 + minute / 10},count={minute}i,ok=true,note="n" {1_700_000_000 + 60 * minute}'
    for minute in range(10)
    for room in ("Kitchen", "Attic")
)

PLUGIN = """
from influxdata_plugin_utils import (
    build_line, build_line_typed, cached, get_field_names, get_line_schema, get_table_names, get_tag_names,
    parse_bool, parse_key_value, parse_timedelta, query_window, split_row, write_data,
)

def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    schema = get_line_schema(influxdb3_local, "home")
    rows = query_window(influxdb3_local, "home", start="2023-11-14T22:13:20Z", end="2023-11-14T22:16:20Z")
    lines = []
    for row in rows:
        tags, fields, time_ns = split_row(row, schema)
        lines.append(build_line_typed(LineBuilder, "copy", tags=tags, typed_fields=fields, time_ns=time_ns))
    write_data(influxdb3_local, lines)
    write_data(
        influxdb3_local, [build_line(LineBuilder, "log", fields={"n": len(rows)}, time_ns=1)],
        no_sync=False, database="audit",
    )
    calls = []
    for _ in range(2):
        cached(influxdb3_local, "once", lambda: calls.append(1) or "value", ttl_seconds=60)
    return {
        "tables": [name for name in get_table_names(influxdb3_local) if name in ("home", "copy")],
        "tags": get_tag_names(influxdb3_local, "home"),
        "fields": sorted(get_field_names(influxdb3_local, "home")),
        "types": schema["fields"],
        "calls": len(calls),
        "window": parse_timedelta(args["window"]).total_seconds(),
        "flag": parse_bool(args["flag"]),
    }
"""


def test_plugin_utils_batch_writes_introspection_cache_and_parsing(
    engine: Engine, plugin: Callable[[str, str], str]
) -> None:
    """Its batch writes, schema introspection, cache and parsers work in a request trigger as on a server."""
    engine.write("house", HISTORY)
    engine.triggers.create(
        database="house",
        name="utils",
        plugin_filename=plugin("utils", PLUGIN),
        spec="request:utils",
        arguments={"window": "5min", "flag": "yes"},
    )
    import json

    from procengine.model.run import Cause, CauseKind
    from procengine.processing.event import RequestEvent

    event = RequestEvent(query_params={}, headers={}, body=b"", cause=Cause(kind=CauseKind.REQUEST))
    run = engine.triggers.fire("utils", event, database="house")
    assert run.outcome is RunOutcome.SUCCESS, run.failure
    assert run.response is not None
    assert json.loads(run.response.body) == {
        "tables": ["home"],
        "tags": ["room"],
        "fields": ["count", "note", "ok", "temp"],
        "types": {"count": "int", "note": "string", "ok": "bool", "temp": "float"},
        "calls": 1,
        "window": 300.0,
        "flag": True,
    }
    original = engine.query(
        "SELECT * FROM home WHERE time < '2023-11-14T22:16:20Z' ORDER BY time, room", "house"
    )
    assert (
        engine.query("SELECT * FROM copy ORDER BY time, room", "house").to_pylist()
        == original.to_pylist()
    )
    assert engine.query("SELECT n FROM log", "audit").to_pylist() == [{"n": original.num_rows}]
