"""The original's OpenAPI description, read by schemathesis: whatever is sent, no answer is a fault of the server.

The description is the original's own and no part of this project: it is looked for where the variable
``PROCENGINE_TEST_OPENAPI`` says, and beside the checkout. What is sent is the same each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from procengine import Engine
from procengine.http import Server
from procengine.model.trigger import ENTRY_POINTS
from tests.http.conftest import SECONDS
from tests.http.test_routes import served_routes
from tests.readme import ROOT

VARIABLE = "PROCENGINE_TEST_OPENAPI"
FILE = "influxdb3-enterprise-openapi.yaml"
EXAMPLES = 8

METHODS = frozenset({"get", "post", "put", "delete"})

KNOWN = {
    "db": ["mydb", "other", "third"],
    "bucket": ["mydb", "other"],
    "database": ["mydb", "other"],
    "table": ["sensors", "made"],
    "plugin_filename": ["request.py", "package/"],
    "filename": ["request.py", "package/"],
    "trigger_name": ["t", "u"],
    "plugin_name": ["t", "u", "request.py"],
    "relative_path": ["__init__.py", "a/b.py"],
    "input_lp": ["sensors,t=a f=1", "sensors f=2i"],
    "duration": ["1h", "30 days"],
    "retention_period": ["1h", "30 days"],
    "key_columns": [["t"], []],
    "columns": [["t"], ["t", "s"]],
    "tags": [["t"], []],
    "hard_delete_at": ["now", "never", "default", "2030-01-01T00:00:00Z"],
    "q": ["SELECT 1", "SELECT * FROM sensors", "SHOW TABLES"],
    "format": ["json", "jsonl", "csv", "pretty", "parquet"],
}
"""What the description leaves open, and a server has to know to get far."""

NAMED_FAULTS = (
    "failed to parse trigger from ",
    "Plugin error: ",
    "Processing engine error: plugin error: ",
    "Cannot delete running plugin ",
    "invalid node name (",
)
"""How the answers 500 begin that section 8 names."""


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    """The description, reduced to what is served."""
    pytest.importorskip("schemathesis")
    import yaml

    places = [Path(os.environ[VARIABLE])] if VARIABLE in os.environ else []
    places.append(ROOT.parent / "shared" / "reference" / FILE)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        pytest.skip(f"no OpenAPI description: set {VARIABLE} to the path of the original's {FILE}")
    read: dict[str, Any] = yaml.safe_load(found.read_text(encoding="utf-8"))
    served = {(method.lower(), path.removesuffix("*")) for method, path in served_routes()}
    read["paths"] = {
        path: kept
        for path, item in read["paths"].items()
        if (
            kept := {
                key: value
                for key, value in item.items()
                if key not in METHODS or (key, path.partition("{")[0]) in served
            }
        )
        and METHODS & set(kept)
    }
    _name_what_is_known(read)
    return read


def _name_what_is_known(part: object) -> None:
    """Let parameters and fields of a description have the values of `KNOWN`."""
    if isinstance(part, list):
        for one in part:
            _name_what_is_known(one)
    if not isinstance(part, dict):
        return
    if "in" in part and part.get("name") in KNOWN:
        part["schema"] = {"enum": KNOWN[part["name"]]}
    fields = part.get("properties")
    if isinstance(fields, dict):
        fields |= {name: {"enum": KNOWN[name]} for name in KNOWN.keys() & fields.keys()}
    for one in part.values():
        _name_what_is_known(one)


@pytest.fixture
def options() -> dict[str, object]:
    """No tokens, so that none is lost on the way; no installer, which would ask the network."""
    return {"without_auth": True, "package_manager": "disabled"}


@pytest.fixture
def url(engine: Engine, server: Server) -> Iterator[str]:
    """The address of a server that has what the description's examples speak of."""
    assert server.url is not None
    engine.write("mydb", 'sensors,t=a f=1,s="x" 1')
    text = "\n".join(
        f"def {name}(influxdb3_local, *rest):\n    influxdb3_local.info(rest)\n    return 'x'"
        for name in ENTRY_POINTS.values()
    )
    for name in ("request.py", "package/__init__.py"):
        engine.plugin_uploads.write(name, text)
    engine.triggers.create("mydb", "t", "request.py", "request:hello-world")
    yield server.url
    assert engine.running


def test_no_answer_is_a_fault(url: str, engine: Engine, description: dict[str, Any]) -> None:
    """Data that the description allows, and data that it does not, are answered below 500, or as section 8 names."""
    import schemathesis

    schema = schemathesis.openapi.from_dict(description)
    sent = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
                sent += _send(strategy, url)
            except hypothesis.errors.Unsatisfiable:
                continue  # there is nothing that it does not allow
    assert sent > 300
    assert engine.query("SELECT 1 AS one", "mydb").to_pylist() == [{"one": 1}]


def _send(strategy: hypothesis.strategies.SearchStrategy[Any], url: str) -> int:
    sent = 0

    @hypothesis.seed(0)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def send(case: Any) -> None:
        nonlocal sent
        for name in [name for name in case.headers or () if name.lower() == "content-length"]:
            del case.headers[name]  # a length that is not the body's keeps both sides waiting
        answer = case.call(base_url=url, timeout=SECONDS)
        sent += 1
        assert answer.status_code < 500 or answer.text.startswith(NAMED_FAULTS), (
            f"{case.as_curl_command()}\n{answer.status_code} {answer.text}"
        )

    send()
    return sent
