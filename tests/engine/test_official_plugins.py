"""The official plugins, unchanged, from a checkout beside the project: ``pytest --official-plugins PATH``.

Those that need no packages but the test extra's and no other server. Where they notify, a plugin of ours stands in
for their notifier and keeps the texts. Their files are copied, since some write beside themselves.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from procengine import Engine
from procengine.http import Server
from procengine.model.run import Cause, CauseKind, RunOutcome
from procengine.processing.event import ScheduleEvent
from tests.engine.looks import WAIT_SECONDS, settle

pytestmark = pytest.mark.official

SECOND = 1_000_000_000
ROWS = 600

NOTIFY = """
import json

def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    text = json.loads(request_body)["notification_text"]
    influxdb3_local.write_to_db("notified", LineBuilder("notified").string_field("text", text))
    return {"status": "success", "message": "kept"}
"""

NOTIFYING = {
    "senders": "http",
    "http_webhook_url": "http://127.0.0.1/hook",
    "influxdb3_auth_token": "apiv3_none",
    "notification_path": "notify",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Official:
    """One trigger of one plugin.

    ``lines`` are written one write after the other, each with the time of the test's beginning plus so many
    seconds; a scheduled plugin is fired for so many ``times``, a second apart; a request is sent with ``body``.
    Afterwards ``holds`` in ``database`` must answer one row with one true value.
    """

    path: str
    spec: str
    holds: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[tuple[str, int], ...] = ()
    times: int = 1
    body: Mapping[str, Any] = field(default_factory=dict)
    database: str = "house"


def repeated(line: str, count: int, *, first: int, step: int = 1) -> tuple[tuple[str, int], ...]:
    """Return a line at several seconds."""
    return tuple((line, first + n * step) for n in range(count))


NOTIFIED = "SELECT count(*) > 0 FROM notified WHERE text LIKE '%{}%'"

PLUGINS = {
    "downsampler-schedule": Official(
        path="influxdata/downsampler/downsampler.py",
        spec="every:1d",
        arguments={
            "source_measurement": "home",
            "target_measurement": "home_minutes",
            "interval": "1min",
            "window": "2h",
            "calculations": "avg",
            "specific_fields": "temp.hum",
            "target_database": "downsampled",
        },
        database="downsampled",
        holds=f"SELECT sum(record_count) = {ROWS} AND min(temp_avg) >= 20 AND max(temp_avg) < 25 FROM home_minutes",
    ),
    "downsampler-request": Official(
        path="influxdata/downsampler/downsampler.py",
        spec="request:downsample",
        body={
            "source_measurement": "home",
            "target_measurement": "home_minutes",
            "interval": "1min",
            "batch_size": "1d",
            "calculations": [["temp", "max"]],
        },
        holds=f"SELECT sum(record_count) = {ROWS} AND max(temp_max) = 24 FROM home_minutes",
    ),
    "schema_validator": Official(
        path="influxdata/schema_validator/schema_validator.py",
        spec="all_tables",
        arguments={
            "schema_file": "influxdata/schema_validator/schema_validator_config.json",
            "target_database": "valid",
            "write_rejection_log": "true",
        },
        lines=(
            ("weather,location=us-east,station_id=s1 temperature=20.5,humidity=40.0", 1),
            ("weather,location=nowhere,station_id=s1 temperature=20.5,humidity=40.0", 2),
        ),
        database="valid",
        holds="SELECT (SELECT count(*) FROM weather_clean) = 1 AND (SELECT count(*) FROM _schema_rejections) = 1",
    ),
    "signal_generator": Official(
        path="influxdata/signal_generator/signal_generator.py",
        spec="every:1d",
        times=2,
        holds="SELECT count(value) > 0 FROM signal",
    ),
    "system_metrics": Official(
        path="influxdata/system_metrics/system_metrics.py",
        spec="every:1d",
        arguments={
            "config_file_path": "influxdata/system_metrics/system_metrics_config_scheduler.toml",
        },
        holds="SELECT (SELECT count(*) FROM system_cpu WHERE host = 'localhost') = 1 "
        "AND (SELECT count(*) FROM system_memory) = 1",
    ),
    "valuecounter": Official(
        path="influxdata/valuecounter/valuecounter.py",
        spec="every:1d",
        arguments={"table": "home", "fields": "status"},
        lines=repeated('home,room=K status="ok"', 1, first=1),
        times=2,
        holds="SELECT count(*) = 1 AND max(status_ok) = 1 FROM home_valuecounts WHERE room = 'K'",
    ),
    "state_change-writes": Official(
        path="influxdata/state_change/state_change_check_plugin.py",
        spec="all_tables",
        arguments=NOTIFYING | {"measurement": "home", "field_thresholds": "temp:30:2"},
        lines=repeated("home,room=K temp=30", 2, first=10),
        database="notified",
        holds=NOTIFIED.format("temp in table home changed to 30"),
    ),
    "state_change-schedule": Official(
        path="influxdata/state_change/state_change_check_plugin.py",
        spec="every:1d",
        arguments=NOTIFYING | {"measurement": "home", "field_change_count": "status:1", "window": "2h"},
        database="notified",
        holds=NOTIFIED.format("status in table home changed"),
    ),
    "mad_check": Official(
        path="influxdata/mad_check/mad_check_plugin.py",
        spec="all_tables",
        arguments=NOTIFYING | {"measurement": "home", "mad_thresholds": "temp:2.5:5:2"},
        lines=(
            *(
                one
                for n in range(9)
                for one in repeated(f"home,room=K temp={20 + n % 3}", 1, first=10 + n)
            ),
            *repeated("home,room=K temp=500", 3, first=20),
        ),
        database="notified",
        holds=NOTIFIED.format("temp in home outlier"),
    ),
    "threshold-writes": Official(
        path="influxdata/threshold_deadman_checks/threshold_deadman_checks_plugin.py",
        spec="all_tables",
        arguments=NOTIFYING
        | {"measurement": "home", "field_conditions": "temp>30-WARN", "trigger_count": "1"},
        lines=repeated("home,room=K temp=50", 1, first=10),
        database="notified",
        holds=NOTIFIED.format("[WARN]%temp"),
    ),
    "deadman-schedule": Official(
        path="influxdata/threshold_deadman_checks/threshold_deadman_checks_plugin.py",
        spec="every:1d",
        arguments=NOTIFYING
        | {"measurement": "silent", "deadman_check": "true", "window": "10min", "trigger_count": "1"},
        lines=(("silent,room=K temp=1", -7200),),
        database="notified",
        holds=NOTIFIED.format("silent"),
    ),
    "forecast_error_evaluator": Official(
        path="influxdata/forecast_error_evaluator/forecast_error_evaluator.py",
        spec="every:1d",
        arguments=NOTIFYING
        | {
            "forecast_measurement": "forecast",
            "actual_measurement": "actual",
            "forecast_field": "predicted",
            "actual_field": "temp",
            "error_metric": "rmse",
            "error_thresholds": 'WARN-"1.0"',
            "window": "2h",
        },
        lines=repeated("forecast predicted=40\nactual temp=20", 3, first=-30),
        database="notified",
        holds=NOTIFIED.format("WARN"),
    ),
    "simple_data_replicator": Official(
        path="influxdata/simple_data_replicator/simple_data_replicator.py",
        spec="every:1d",
        arguments={
            "host": "{url}",
            "remote_token": "apiv3_none",
            "database": "replica",
            "source_measurement": "home",
            "window": "2h",
            "unique_file_suffix": "once",
            "verify_ssl": "false",
        },
        database="replica",
        holds=f"SELECT count(*) = {ROWS} FROM home",
    ),
    "wal_plugin": Official(
        path="examples/wal_plugin/wal_plugin.py",
        spec="all_tables",
        arguments={"double_count_table": "home"},
        lines=repeated("home,room=K temp=20", 1, first=10),
        holds="SELECT max(row_count) = 2 FROM write_reports WHERE table_name = 'home'",
    ),
}


@pytest.fixture
def engine(official_plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine with ten minutes of rows, one each second, and a copy of the checkout as its plugins."""
    for name in ("PLUGIN_DIR", "INFLUXDB3_PLUGIN_DIR", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    plugin_dir = tmp_path / "plugins"
    for part in ("influxdata", "examples"):
        shutil.copytree(official_plugins / part, plugin_dir / part)
    (plugin_dir / "notify.py").write_text(NOTIFY)
    with Engine(
        plugin_dir=plugin_dir,
        data_dir=tmp_path / "data",
        without_auth=True,
        http_bind="127.0.0.1:0",
        environ={},
    ) as running:
        began = time.time_ns()
        running.write(
            "house",
            "\n".join(
                f"home,room={'KL'[n % 2]} temp={20 + n % 5},hum={40 + n % 7},n={n}i,"
                f'status="{"ok" if n % 4 < 2 else "down"}" {began - (ROWS - n) * SECOND}'
                for n in range(ROWS)
            ),
        )
        running.triggers.create("house", "notify", "notify.py", "request:notify")
        yield running


@pytest.mark.parametrize("name", PLUGINS)
def test_official_plugin_works_unchanged(engine: Engine, name: str) -> None:
    """Its trigger, created over HTTP, runs without failure and has the effect that its documentation names."""
    plugin = PLUGINS[name]
    runs = []
    engine.triggers.subscribe(runs.append)
    with Server(engine) as server:
        assert server.wait_ready(WAIT_SECONDS)
        assert server.url is not None
        with httpx.Client(base_url=server.url, timeout=WAIT_SECONDS) as api:
            create(api, plugin, server.url)
            cause(engine, api, plugin)
        settle(engine)
    found = [run for run in runs if run.trigger == "official"]
    assert found
    assert [
        run.failure or run.write_errors for run in found if run.outcome is not RunOutcome.SUCCESS
    ] == []
    said = [(one.level.name, one.text) for run in found for one in run.logs]
    (answer,) = engine.query(plugin.holds, plugin.database).to_pylist()
    assert list(answer.values()) == [True], said


def create(api: httpx.Client, plugin: Official, url: str) -> None:
    arguments = {name: text.replace("{url}", url) for name, text in plugin.arguments.items()}
    if "senders" in arguments:
        arguments["port_override"] = url.rsplit(":", 1)[1]
    body = {
        "db": "house",
        "trigger_name": "official",
        "plugin_filename": plugin.path,
        "trigger_specification": plugin.spec,
        "trigger_arguments": arguments or None,
        "trigger_settings": {"run_async": False, "error_behavior": "log"},
        "disabled": False,
    }
    answer = api.post("/api/v3/configure/processing_engine_trigger", json=body)
    assert answer.status_code == 200, answer.text


def cause(engine: Engine, api: httpx.Client, plugin: Official) -> None:
    now = time.time_ns()
    for line, seconds in plugin.lines:
        instant_ns = now + seconds * SECOND
        engine.write("house", "\n".join(f"{one} {instant_ns}" for one in line.splitlines()))
        settle(engine)
    if plugin.spec.startswith("request:"):
        path = plugin.spec.removeprefix("request:")
        answer = api.post(f"/api/v3/engine/{path}", json=dict(plugin.body))
        assert answer.status_code == 200, answer.text
    elif plugin.spec.startswith("every:"):
        for n in range(plugin.times):
            instant_ns = (now // SECOND + 1 + n) * SECOND
            engine.triggers.fire(
                "official",
                ScheduleEvent(instant_ns=instant_ns, cause=Cause(kind=CauseKind.FIRE)),
                database="house",
            )
