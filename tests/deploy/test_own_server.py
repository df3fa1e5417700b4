"""A deployment to a server of procengine's own, another process that is reached over HTTP and Flight."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.flight as flight
import pytest

from procengine import Engine
from procengine.deploy import (
    Deployed,
    DeployFailedError,
    Plan,
    Records,
    bundle_of,
    deploy,
    make_plan,
    plan_text,
)
from procengine.errors import InvalidInputError
from procengine.model.result_format import ResultFormat
from procengine.remote import RefusedByServerError, RemoteServer
from tests.deploy.conftest import TEXT
from tests.deploy.cutting_proxy import cutting_proxy
from tests.test_command_line import serving

WRITER = """def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        line = LineBuilder("seen").int64_field("rows", len(batch["rows"]))
        influxdb3_local.write(line)
"""


@dataclass
class There:
    """Another process that serves, and what was deployed to it."""

    url: str
    token: str
    engine: Engine
    records: Records = field(default_factory=lambda: Records(None))

    def remote(self) -> RemoteServer:
        """Connect."""
        return RemoteServer(self.url, token=self.token)

    def plan(self, *packages: str) -> Plan:
        """Return what would be done."""
        bundle = bundle_of(self.engine, "hot", packages=packages)
        return make_plan(self.remote(), self.url, bundle, self.records.of(self.url))

    def deploy(self, *packages: str) -> Deployed:
        """Plan, and carry it out."""
        return deploy(self.remote(), self.plan(*packages), self.records)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query over HTTP."""
        pieces = self.remote().query("house", sql, ResultFormat.JSON, "sql")
        found: list[dict[str, Any]] = json.loads(b"".join(pieces))
        return found

    def rows_by_flight(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query over Flight."""
        ticket = flight.Ticket(json.dumps({"database": "house", "sql_query": sql}).encode())
        options = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {self.token}".encode())])
        with flight.connect(self.url.replace("http://", "grpc+tcp://")) as client:
            found: list[dict[str, Any]] = client.do_get(ticket, options).read_all().to_pylist()
        return found


@pytest.fixture
def there(engine: Engine, tmp_path: Path) -> Iterator[There]:
    """A process with a plugin directory."""
    folder = tmp_path / "there"
    (folder / "plugins").mkdir(parents=True)
    with serving("--plugin-dir", str(folder / "plugins"), cwd=folder) as (_, url, token):
        assert token is not None
        yield There(url, token, engine)


def write(engine: Engine, text: str) -> None:
    """Change the plugin here."""
    (engine.plugins.folder / "hot.py").write_text(text)


def test_new_then_the_same_then_changed_then_broken(there: There) -> None:
    """The plugin runs there; the same again does nothing; a change goes live; one that fails leaves the old."""
    write(there.engine, WRITER + TEXT.partition("\n\n\n")[2])
    done = there.deploy()
    assert [one.passed for one in done.tried] == [True, True]
    there.remote().write("house", b'home,room=Attic temp=1,n=1i,ok=t,name="b"', _options())
    assert _seen(there) == [{"rows": 1}]
    assert there.plan().is_empty, plan_text(there.plan())
    assert there.deploy().steps == ()
    write(there.engine, WRITER.replace("len(batch", "100 + len(batch") + TEXT.partition("\n\n\n")[2])
    assert there.deploy().beside == ("procengine_staged/hot.py",)
    there.remote().write("house", b'home,room=Attic temp=2,n=1i,ok=t,name="b"', _options())
    assert _seen(there) == [{"rows": 1}, {"rows": 101}]
    write(there.engine, WRITER.replace("len(batch", "1 / 0 + len(batch") + TEXT.partition("\n\n\n")[2])
    with pytest.raises(DeployFailedError, match="ZeroDivisionError"):
        there.deploy()
    there.remote().write("house", b'home,room=Attic temp=3,n=1i,ok=t,name="b"', _options())
    assert _seen(there) == [{"rows": 1}, {"rows": 101}, {"rows": 101}]


def _seen(there: There) -> list[dict[str, Any]]:
    """Return what the plugin there wrote, once it has run for all that was written to ``home``."""
    wanted = len(there.rows("SELECT temp FROM home"))
    rows: list[dict[str, Any]] = []
    while len(rows) < wanted:
        tables = there.rows("SELECT table_name FROM information_schema.tables WHERE table_name = 'seen'")
        rows = there.rows_by_flight("SELECT rows FROM seen ORDER BY time") if tables else []
    return rows


def _options() -> Any:
    from procengine.cli.target import WriteOptions

    return WriteOptions(precision=None, accept_partial=True, no_sync=False, gzip=False)


def test_a_folder_is_swapped_as_one(there: There) -> None:
    """A folder's new files replace all of the old, and are known the next time."""
    engine = there.engine
    folder = engine.plugins.folder / "pack"
    folder.mkdir()
    (folder / "__init__.py").write_text(f"from . import words\n{TEXT}")
    (folder / "words.py").write_text("HELLO = 1\n")
    for one in engine.triggers.list():
        engine.triggers.delete(one.database, one.name, force=True)
    engine.triggers.create("house", "hot_rooms", "pack", "table:home")
    bundle = bundle_of(engine, "pack")
    records = Records(None)
    deploy(there.remote(), make_plan(there.remote(), there.url, bundle, records.of(there.url)), records)
    (folder / "words.py").rename(folder / "other.py")
    (folder / "__init__.py").write_text(f"from . import other\n{TEXT}")
    bundle = bundle_of(engine, "pack")
    plan = make_plan(there.remote(), there.url, bundle, records.of(there.url))
    assert "former code until it is restarted" in plan_text(plan)
    done = deploy(there.remote(), plan, records)
    assert "replace the folder pack" in done.steps
    names = there.remote().query(
        "_internal", "SELECT file_name FROM system.plugin_files", ResultFormat.JSON, "sql"
    )
    assert {row["file_name"] for row in json.loads(b"".join(names))} == {"__init__.py", "other.py"}
    assert make_plan(there.remote(), there.url, bundle, records.of(there.url)).is_empty


def test_a_failed_package_leaves_the_triggers_alone(there: There) -> None:
    """A server that says that packages failed is heard; a server of procengine says so at once."""
    with pytest.raises(DeployFailedError, match="install packages") as failed:
        there.deploy("no such package")
    assert "packages no such package may be installed; nothing removes them" in failed.value.left
    assert there.rows("SELECT * FROM system.processing_engine_triggers") == []


def test_no_plugin_directory_there(engine: Engine, tmp_path: Path) -> None:
    """A server without a plugin directory is a problem of the plan."""
    folder = tmp_path / "bare"
    folder.mkdir()
    with serving(cwd=folder) as (_, url, token):
        assert token is not None
        there = There(url, token, engine)
        assert len(there.plan().problems) == 1
        with pytest.raises(InvalidInputError, match="runs no plugins"):
            there.deploy()


def test_disabled_packages_there(engine: Engine, tmp_path: Path) -> None:
    """A server that installs none says so; no trigger is made."""
    folder = tmp_path / "closed"
    (folder / "plugins").mkdir(parents=True)
    words = ("--plugin-dir", str(folder / "plugins"), "--package-manager", "disabled")
    with serving(*words, cwd=folder) as (_, url, token):
        assert token is not None
        there = There(url, token, engine)
        with pytest.raises(DeployFailedError, match="has been disabled"):
            there.deploy("numpy")
        assert there.rows("SELECT * FROM system.processing_engine_triggers") == []


def test_a_wrong_token_there(there: There) -> None:
    """It is told by the plan, which asks nothing more."""
    there.token = "apiv3_other"
    with pytest.raises(RefusedByServerError, match="401"):
        there.plan()


@pytest.mark.parametrize("lets_it_through", [False, True], ids=["not done", "done, not answered"])
def test_each_request_may_be_cut(there: There, tmp_path: Path, *, lets_it_through: bool) -> None:
    """Whichever request of a change is lost: what lives there is as before, and what stays is named."""
    there.deploy()
    engine = there.engine
    write(engine, TEXT + "# more\n")
    engine.triggers.delete("house", "hot_rooms", force=True)
    engine.triggers.create("house", "hot_rooms", "hot.py", "table:home", arguments={"limit": "1"})
    engine.triggers.disable("house", "tick")
    engine.catalog.delete_last_cache("house", "home", "rooms")
    engine.catalog.create_last_cache("house", "home", name="rooms", key_columns=["room"], count=3)
    live = tmp_path / "there" / "plugins" / "hot.py"
    before = _state(there), live.read_text()
    with cutting_proxy(there.url) as proxy:
        proxy.lets_it_through = lets_it_through
        remote = RemoteServer(proxy.url, token=there.token)
        failures = 0
        while True:
            plan = there.plan()
            proxy.begin(failures)
            failed = _failure_of(remote, plan, there.records)
            if failed is None:
                break
            assert (_state(there), live.read_text()) == before, failed
            assert all("procengine_staged/hot.py" in each for each in failed.left), failed
            failures += 1
        assert failures > 15
    assert _state(there) != before[0]
    assert there.plan().is_empty, plan_text(there.plan())


def _failure_of(remote: RemoteServer, plan: Plan, records: Records) -> DeployFailedError | None:
    try:
        deploy(remote, plan, records)
    except DeployFailedError as error:
        return error
    return None


def _state(there: There) -> list[list[dict[str, Any]]]:
    """Return triggers, their arguments and caches, but for the numbers that a new one gets."""
    tables = ("processing_engine_triggers", "processing_engine_trigger_arguments", "last_caches")
    found = [there.rows(f"SELECT * FROM system.{name}") for name in (*tables, "distinct_caches")]
    return [sorted(rows, key=str) for rows in found]
