"""Fixtures of the tests of plugins and triggers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processing.plugin_doubles import PluginBench


@pytest.fixture
def plugin_bench(tmp_path: Path) -> Iterator[PluginBench]:
    """A folder of plugins with everything that runs them."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    bench = PluginBench(folder)
    yield bench
    bench.close()
