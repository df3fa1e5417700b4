"""Section 8: health, ping, metrics, routes that are not there, and what all answers carry."""

from __future__ import annotations

import uuid
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from procengine import Engine
from procengine.http.health_routes import VERSION


@pytest.mark.parametrize("path", ["/health", "/api/v1/health", "/ready"])
def test_health(api: httpx.Client, path: str) -> None:
    """A server that runs says so."""
    answer = api.get(path)
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ping(api: httpx.Client, method: str) -> None:
    """Ping tells the product and its version, in the body and in headers."""
    answer = api.request(method, "/ping")
    assert answer.status_code == 200
    assert list(answer.json()) == ["product_name", "version", "revision", "process_id"]
    assert answer.json()["version"] == answer.headers["x-influxdb-version"] == VERSION
    assert answer.headers["x-influxdb-build"] == "Enterprise"
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert uuid.UUID(answer.headers["request-id"])
    assert answer.json()["process_id"] == api.get("/ping").json()["process_id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/ping"),
        ("PUT", "/ping"),
        ("GET", "/"),
        ("GET", "/health/"),
        ("GET", "/Health"),
        ("GET", "/h%65alth"),
        ("GET", "/api/v3/write_lp"),
        ("DELETE", "/api/v3/query_sql"),
        ("GET", "/api/v3/engine"),
        ("GET", "/" + "x" * 20_000),
    ],
)
def test_unrouted(api: httpx.Client, method: str, path: str) -> None:
    """A path or a method that is not there is 404; nothing is decoded, redirected or 405."""
    answer = api.request(method, path)
    assert answer.status_code == 404
    assert answer.text == ("" if method == "HEAD" else "Not found")
    assert "access-control-allow-origin" not in answer.headers


def test_answers_carry_the_cluster_uuid(api: httpx.Client, anyone: httpx.Client, engine: Engine) -> None:
    """Every answer names the cluster, errors included."""
    for answer in (api.get("/health"), api.get("/nowhere"), anyone.get("/health"), api.options("/")):
        assert answer.headers["cluster-uuid"] == engine.catalog.instance_id


def test_answers_of_success_may_be_read_by_all_pages(api: httpx.Client) -> None:
    """Where a token protects the API, successful answers allow all origins, and so does a preflight."""
    origin = {"Origin": "https://example.org"}
    assert api.get("/health", headers=origin).headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in api.get("/nowhere", headers=origin).headers


def test_preflight(anyone: httpx.Client) -> None:
    """OPTIONS needs no token, and allows everything for a day, whatever the path."""
    answer = anyone.options("/api/v3/write_lp", headers={"Origin": "https://example.org"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "*"
    assert answer.headers["access-control-allow-headers"] == "*"
    assert answer.headers["access-control-max-age"] == "86400"


def test_metrics_are_prometheus_text(api: httpx.Client) -> None:
    """What is counted is read by Prometheus' own parser: requests by path, method and kind, and their durations."""
    for path in ("/health", "/health", "/nowhere", "/api/v3/engine/x"):
        api.get(path)
    answer = api.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text.endswith("# EOF\n")
    families = {one.name: one for one in text_string_to_metric_families(answer.text)}
    counts = {
        (sample.labels["path"], sample.labels["status"]): sample.value
        for sample in families["http_requests"].samples
    }
    assert counts == {
        ("/health", "ok"): 2,
        ("other", "client_error"): 1,
        ("/api/v3/engine/*", "client_error"): 1,
    }
    durations = families["http_request_duration_seconds"]
    assert durations.type == "histogram"
    health = [one for one in durations.samples if one.labels["path"] == "/health"]
    by_bound = [one.value for one in health if one.name.endswith("_bucket")]
    assert by_bound == sorted(by_bound)
    assert [one.value for one in health if one.name.endswith("_count")] == [2]


def test_metrics_of_the_engine(api: httpx.Client, engine: Engine, plugin_dir: Path) -> None:
    """Writes, queries, triggers and caches are counted, whoever asked."""
    (plugin_dir / "p.py").write_text(
        "def process_request(local, query_params, request_headers, request_body, args=None):\n"
        "    local.write(LineBuilder('made').int64_field('n', 1))\n"
        "    return 'x' if query_params else 1 / 0\n"
    )
    engine.write("home", "cpu,host=a v=1\ncpu,host=b v=2")
    engine.triggers.create("home", "t", "p.py", "request:t")
    engine.catalog.create_last_cache("home", "cpu", name="lc")
    engine.catalog.create_distinct_cache("home", "cpu", columns=["host"], name="dc")
    api.post("/api/v3/write_lp?db=home", content="cpu,host=a v=3\nnonsense")
    api.get("/api/v3/engine/t?ok=1")
    api.get("/api/v3/engine/t")
    engine.query("SELECT * FROM cpu", "home")
    api.get("/api/v3/query_sql?db=home&q=SELECT+*+FROM+nope")
    families = {one.name: one for one in text_string_to_metric_families(api.get("/metrics").text)}

    def value(family: str, suffix: str = "", **labels: str) -> float:
        (found,) = [
            sample.value
            for sample in families[family].samples
            if sample.name == family + suffix and labels.items() <= sample.labels.items()
        ]
        return float(found)

    assert value("influxdb3_write_lines", "_total", db="home") == 4
    assert value("influxdb3_write_lines_rejected", "_total", db="home") == 1
    assert value("influxdb3_write_bytes", "_total", db="home") > 60
    assert value("influxdb3_write_duration_seconds", "_count") == 3
    phases = "influxdb_iox_query_log_phase_entered"
    assert value(phases, "_total", phase="received") == 2
    assert value(phases, "_total", phase="success") == 1
    assert value(phases, "_total", phase="fail") == 1
    assert value("influxdb_iox_query_log_running") == 0
    assert value("influxdb_iox_query_log_end2end_duration_seconds", "_count") == 2
    runs = "influxdb3_processing_engine_runs"
    assert value(runs, "_total", trigger="t", outcome="success") == 1
    assert value(runs, "_total", trigger="t", outcome="error") == 1
    assert value("influxdb3_processing_engine_run_duration_seconds", "_count", trigger="t") == 2
    assert value("influxdb3_processing_engine_trigger_state", state="enabled") == 1
    assert value("influxdb3_processing_engine_trigger_state", state="paused") == 0
    assert value("influxdb3_processing_engine_trigger_errors", "_total", trigger="t") == 1
    assert value("influxdb3_processing_engine_queue_depth", trigger="t") == 0
    assert {sample.labels["kind"] for sample in families["influxdb3_cache_rows"].samples} == {
        "last",
        "distinct",
    }
