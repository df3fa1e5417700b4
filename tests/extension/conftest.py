"""A real IPython shell in a folder of its own, with the extension loaded and what it shows kept."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from procengine.engine import Engine

HOT_ROOMS = """%%plugin hot_rooms --trigger table:home --database house --args limit=22.5
def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            if row["temp"] > float(args["limit"]):
                influxdb3_local.warn("hot:", row["room"])
                line = LineBuilder("alert").tag("room", row["room"]).float64_field("temp", row["temp"])
                influxdb3_local.write(line)
"""


class KeptDisplays(DisplayPublisher):
    """Keeps what is displayed, instead of sending it to a front end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bundles: list[dict[str, str]] = []

    def publish(self, data: dict[str, str], *args: object, **kwargs: object) -> None:
        """Keep one display."""
        self.bundles.append(data)


class Notebook:
    """A shell that runs cells, and says what came back."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell

    def run(self, cell: str) -> Any:
        """Run a cell that must succeed; return its result."""
        result = self.shell.run_cell(cell, store_history=True)
        result.raise_error()
        return result.result

    def fails(self, cell: str) -> str:
        """Run a cell that must end in a usage error; return its text."""
        error = self.shell.run_cell(cell, store_history=True).error_in_exec
        assert type(error).__name__ == "UsageError", error
        return str(error)

    @property
    def shown(self) -> list[str]:
        """The texts of what was displayed, oldest first."""
        return [bundle["text/plain"] for bundle in self.shell.display_pub.bundles]

    @property
    def engine(self) -> Engine:
        """The running engine."""
        return self.shell.magics_manager.registry["ProcengineMagics"].session.engine


@pytest.fixture
def plain_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A shell without the extension, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell.instance(config=config)
    shell.display_pub = KeptDisplays(shell=shell)
    yield Notebook(shell)
    if "procengine" in shell.extension_manager.loaded:
        shell.run_cell("%unload_ext procengine")
    atexit.unregister(
        shell.atexit_operations
    )  # it collects garbage, once a shell: a minute after many tests
    InteractiveShell.clear_instance()


@pytest.fixture
def notebook(plain_notebook: Notebook) -> Notebook:
    """A shell with the extension and an engine that keeps nothing on disk."""
    plain_notebook.run("%load_ext procengine\n%procengine restart --object-store memory")
    plain_notebook.shell.display_pub.bundles.clear()
    return plain_notebook
