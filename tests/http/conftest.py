"""A served engine, and clients that show its token or none."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.http import Server

START_NS = 1_700_000_000_000_000_000
SECONDS = 30.0


@pytest.fixture
def plugin_dir(tmp_path: Path) -> Path:
    """The folder of the plugins."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


@pytest.fixture
def plugin(plugin_dir: Path) -> Callable[[str, str], str]:
    """Write a plugin file; return its name."""

    def write(name: str, source: str) -> str:
        path = plugin_dir / f"{name}.py"
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return path.name

    return write


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands still until a test moves it."""
    return VirtualClock(START_NS)


@pytest.fixture
def options() -> dict[str, object]:
    """The engine's options beyond the usual; a test module overrides it."""
    return {}


@pytest.fixture
def engine(plugin_dir: Path, clock: VirtualClock, options: dict[str, object]) -> Iterator[Engine]:
    """A running engine in memory that is to be served on a free port."""
    settings = {"http_bind": "127.0.0.1:0"} | options
    with Engine(
        plugin_dir=plugin_dir, object_store="memory", environ={}, clock=clock, **settings
    ) as running:
        yield running


@pytest.fixture
def server(engine: Engine) -> Iterator[Server]:
    """The engine's server, ready."""
    with Server(engine) as running:
        assert running.wait_ready(SECONDS)
        yield running


@pytest.fixture
def anyone(server: Server) -> Iterator[httpx.Client]:
    """A client without a token."""
    assert server.url is not None
    with httpx.Client(base_url=server.url, timeout=SECONDS) as client:
        yield client


@pytest.fixture
def api(server: Server) -> Iterator[httpx.Client]:
    """A client with the admin token."""
    assert server.url is not None
    headers = {"Authorization": f"Bearer {server.token()}"}
    with httpx.Client(base_url=server.url, timeout=SECONDS, headers=headers) as client:
        yield client
