"""An engine with a plugin, and a server that is as strict as the original."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from procengine import Engine
from procengine.deploy import Bundle, Deployed, Plan, Records, bundle_of, deploy, make_plan
from procengine.remote import RemoteServer
from tests.deploy.strict_server import TOKEN, StrictServer, strict_server

TEXT = """def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info(influxdb3_local.query("SELECT * FROM last_cache('home')"))


def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.info("ticked")
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine with a table, two caches, and a plugin with two triggers."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "hot.py").write_text(TEXT)
    with Engine(plugin_dir=plugins, environ={}) as running:
        running.write("house", 'home,room=Attic temp=24.5,n=3i,ok=t,name="a" 1000000000')
        running.catalog.create_last_cache("house", "home", name="rooms", key_columns=["room"])
        running.catalog.create_distinct_cache("house", "home", name="names", columns=["room"])
        running.triggers.create(
            "house", "hot_rooms", "hot.py", "table:home", arguments={"api_token": "s3cret"}
        )
        running.triggers.create("house", "tick", "hot.py", "every:3600s", error_behavior="retry")
        yield running


@pytest.fixture
def server() -> Iterator[StrictServer]:
    """The strict server, empty."""
    with strict_server(StrictServer()) as state:
        yield state


@dataclass
class Deployer:
    """Deploys the engine's plugin to the strict server, as often as it is asked to."""

    engine: Engine
    server: StrictServer
    records: Records = field(default_factory=lambda: Records(None))
    name: str = "hot"
    told: list[str] = field(default_factory=list)

    def remote(self, token: str = TOKEN) -> RemoteServer:
        """Connect."""
        return RemoteServer(self.server.url, token=token)

    def bundle(self, *packages: str) -> Bundle:
        """Take the plugin as it is now."""
        return bundle_of(self.engine, self.name, packages=packages)

    def plan(self, *packages: str, token: str = TOKEN, node_spec: str | None = None) -> Plan:
        """Return what would be done."""
        record = self.records.of(self.server.url)
        bundle = self.bundle(*packages)
        return make_plan(self.remote(token), self.server.url, bundle, record, node_spec=node_spec)

    def deploy(self, *packages: str, node_spec: str | None = None) -> Deployed:
        """Plan, and carry it out."""
        plan = self.plan(*packages, node_spec=node_spec)
        return deploy(self.remote(), plan, self.records, tell=self.told.append)


@pytest.fixture
def deployer(engine: Engine, server: StrictServer) -> Deployer:
    """Deploys from the engine to the strict server."""
    return Deployer(engine, server)
