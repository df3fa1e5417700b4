"""An engine with a database of rooms, plugins, and replays of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procengine.engine import Engine
from procengine.replay import (
    Replay,
    ReplayOptions,
    ReplayResult,
    SourceFormat,
    read_data,
    start_replay,
)

NOON_NS = 1_700_000_000_000_000_000 // 60_000_000_000 * 60_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND

Put = Callable[[str, str], None]


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """The plugin folder."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


@pytest.fixture
def engine(plugins: Path) -> Iterator[Engine]:
    """An engine that keeps nothing on disk, with an empty database ``house``."""
    with Engine(plugin_dir=plugins, object_store="memory", environ={}) as engine:
        engine.catalog.create_database("house")
        yield engine


@pytest.fixture
def put(engine: Engine, plugins: Path) -> Put:
    """Save a plugin and create a trigger of its name with a specification."""

    def put(text: str, spec: str, name: str = "p", **settings: object) -> None:
        (plugins / f"{name}.py").write_text(text)
        engine.triggers.create("house", name, f"{name}.py", spec, **settings)

    return put


def lines(count: int, *, step_ns: int = SECOND, start_ns: int = NOON_NS) -> str:
    """Return rows of one room, by default a second apart."""
    return "\n".join(
        f"home,room=Attic temp={20 + n % 7}.5 {start_ns + n * step_ns}" for n in range(count)
    )


def begin(engine: Engine, data: object, **options: object) -> Replay:
    """Begin to replay line protocol, or an Arrow table of ``home``."""
    how = SourceFormat(table=None if isinstance(data, str) else "home")
    return start_replay(engine, read_data(data, how, name="rows"), "house", ReplayOptions(**options))


def replayed(engine: Engine, data: object, **options: object) -> ReplayResult:
    """Replay to the end."""
    return begin(engine, data, **options).wait(60)
