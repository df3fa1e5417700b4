"""An engine with a plugin folder, a virtual clock where time matters, and a way to write plugins."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procengine import Engine
from procengine.clock import VirtualClock

START_NS = 1_700_000_000_000_000_000


@pytest.fixture
def plugin_dir(tmp_path: Path) -> Path:
    """The folder of the plugins."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands still until a test moves it."""
    return VirtualClock(START_NS)


@pytest.fixture
def engine(plugin_dir: Path, clock: VirtualClock) -> Iterator[Engine]:
    """A running engine in memory, under the virtual clock."""
    with Engine(plugin_dir=plugin_dir, object_store="memory", environ={}, clock=clock) as running:
        yield running


@pytest.fixture
def plugin(plugin_dir: Path) -> Callable[[str, str], str]:
    """Write a plugin file; return its name."""

    def write(name: str, source: str) -> str:
        path = plugin_dir / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return path.name

    return write
