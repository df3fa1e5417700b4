"""What pytest is told about tests that need something from outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

OFFICIAL_PLUGINS = "PROCENGINE_OFFICIAL_PLUGINS"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--official-plugins``, by default what the environment variable of that name says."""
    parser.addoption(
        "--official-plugins",
        metavar="PATH",
        default=os.environ.get(OFFICIAL_PLUGINS),
        help=f"a checkout of influxdata/influxdb3_plugins, whose plugins are run (or {OFFICIAL_PLUGINS})",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests on official plugins where there are none."""
    if config.getoption("--official-plugins"):
        return
    left_out = [item for item in items if item.get_closest_marker("official") is not None]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def official_plugins(request: pytest.FixtureRequest) -> Path:
    """The checkout of influxdata/influxdb3_plugins that was named."""
    path = Path(request.config.getoption("--official-plugins")).expanduser().resolve()
    assert (path / "influxdata").is_dir(), f"{path} is no checkout of influxdata/influxdb3_plugins"
    return path
