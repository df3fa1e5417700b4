"""Loading and unloading mirror each other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.extension.conftest import Notebook


def engine_threads() -> list[str]:
    """Return the names of the engine's threads that live."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("procengine")]


def test_load_starts_an_engine_beside_the_notebook(plain_notebook: Notebook, tmp_path: Path) -> None:
    """The plugin folder and a file store lie beside the notebook, and the card says so."""
    plain_notebook.run("%load_ext procengine")

    config = plain_notebook.engine.config
    assert (config.plugin_dir, config.data_dir) == (tmp_path / "plugins", tmp_path / ".procengine")
    assert config.object_store == "file"
    assert "Processing engine: up" in plain_notebook.shown[0]
    assert ".procengine (object store file)" in plain_notebook.shown[0]


def test_unload_takes_everything_back(plain_notebook: Notebook) -> None:
    """Magics, completion, options, the switch interval and all threads go."""
    shell, interval = plain_notebook.shell, sys.getswitchinterval()
    matchers = list(shell.Completer.custom_matchers)

    plain_notebook.run("%load_ext procengine")
    assert sys.getswitchinterval() == pytest.approx(0.0005)
    assert engine_threads()
    plain_notebook.run("%unload_ext procengine")

    assert engine_threads() == []
    assert sys.getswitchinterval() == pytest.approx(interval)
    assert "ProcessingEngine" not in {type(each).__name__ for each in shell.configurables}
    assert shell.Completer.custom_matchers == matchers
    assert not {"procengine", "plugin", "fire", "query", "influxdb3"} & {
        name for names in shell.magics_manager.magics.values() for name in names
    }


def test_reload_keeps_data_and_leaks_no_thread(plain_notebook: Notebook) -> None:
    """Reloading starts another engine on the same folder."""
    plain_notebook.run("%load_ext procengine")
    before = sorted(engine_threads())
    plain_notebook.run("%%write house\nhome,room=Attic temp=24.5 1")

    plain_notebook.run("%reload_ext procengine")

    assert sorted(engine_threads()) == before
    assert plain_notebook.engine.query("SELECT room FROM home", "house").num_rows == 1


def test_both_names_load_one_engine(plain_notebook: Notebook) -> None:
    """``procengine_jupyter`` is the same extension: the second load only shows the card."""
    plain_notebook.run("%load_ext procengine")
    engine = plain_notebook.engine

    plain_notebook.run("%load_ext procengine_jupyter")

    assert plain_notebook.engine is engine
    assert len(plain_notebook.shown) == 2


def test_engine_that_cannot_start_leaves_the_magics(
    plain_notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card says why it is down; after mending, ``%procengine start`` starts it."""
    monkeypatch.setenv("INFLUXDB3_PLUGIN_DIR", "")

    plain_notebook.run("%load_ext procengine")
    assert "Processing engine: down" in plain_notebook.shown[0]
    assert "unset the variable INFLUXDB3_PLUGIN_DIR" in plain_notebook.shown[0]
    assert "the engine is down" in plain_notebook.fails("%%query house\nSELECT 1")

    monkeypatch.delenv("INFLUXDB3_PLUGIN_DIR")
    assert plain_notebook.run("%procengine start").running


def test_environment_wins_over_the_notebooks_folders(
    plain_notebook: Notebook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The folders beside the notebook are defaults: variables come first, %config before them."""
    monkeypatch.setenv("INFLUXDB3_PLUGIN_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("INFLUXDB3_NODE_ID", "from-environment")

    plain_notebook.run("%load_ext procengine")
    assert plain_notebook.engine.config.plugin_dir == tmp_path / "elsewhere"

    plain_notebook.run("%config ProcessingEngine.node_id = 'from-config'")
    assert plain_notebook.engine.config.node_id == "from-environment"
    plain_notebook.run("%procengine restart")
    assert plain_notebook.engine.config.node_id == "from-config"
    assert re.search(
        r"node_id += from-config  \(%config\)", plain_notebook.run("%procengine config").text()
    )


def test_configuration_file_is_read(plain_notebook: Notebook, tmp_path: Path) -> None:
    """``--config`` names a TOML file, whose folders win over the notebook's."""
    file = tmp_path / "engine.toml"
    file.write_text(f'plugin-dir = "{tmp_path / "mine"}"\nnode-id = "from-file"\n')
    plain_notebook.run("%load_ext procengine")

    plain_notebook.run(f"%procengine restart --config {file}")

    config = plain_notebook.engine.config
    assert (config.plugin_dir, config.node_id) == (tmp_path / "mine", "from-file")


def test_stop_and_start(notebook: Notebook) -> None:
    """A stopped engine has no thread, and says how to start it; starting twice is one engine."""
    assert "down: stopped" in notebook.run("%procengine stop").text()
    assert engine_threads() == []
    assert "%procengine start starts it" in notebook.fails("%%write house\nhome temp=1")

    first = notebook.run("%procengine start --object-store memory")
    assert notebook.run("%procengine start") is first
    assert "restart takes options" in notebook.fails("%procengine start --node-id x")


def test_memory_store_promises_nothing(notebook: Notebook) -> None:
    """With the memory object store the engine's card says that nothing survives the process."""
    engine = notebook.run("%procengine")

    text = notebook.shell.display_formatter.format(engine)[0]["text/plain"]

    assert "memory: nothing survives this process" in text


def test_without_plugins_the_plugin_magics_say_so(notebook: Notebook) -> None:
    """``--no-plugins`` leaves the plugin part off."""
    notebook.run("%procengine restart --object-store memory --no-plugins")

    assert "No plugin directory configured" in notebook.fails("%fire x --at now")
    assert "No plugin directory configured" in notebook.fails("%procengine triggers")
    notebook.run("%%write house\nhome temp=1")
    assert "1 row into house.home" in notebook.shown[-1]


def test_folder_in_use_is_refused_with_the_reason(plain_notebook: Notebook, tmp_path: Path) -> None:
    """A second engine on the same data folder is refused, and the card names the first one's process."""
    from procengine.engine import Engine

    with Engine(data_dir=tmp_path / ".procengine"):
        plain_notebook.run("%load_ext procengine")

    assert "Processing engine: down" in plain_notebook.shown[0]


STREAMING_WHEN_IT_ENDS = """\
%load_ext procengine
%procengine restart --object-store memory
from procengine.http import server_of
from procengine.http.flight.ticket import format_ticket
from pyarrow import flight
engine = get_ipython().magics_manager.registry["ProcengineMagics"].session.engine
engine.catalog.create_database("db")
server = server_of(engine)
server.wait_ready()
options = flight.FlightCallOptions(headers=[(b"authorization", b"Bearer " + server.token().encode())])
connection = flight.connect(server.url.replace("http", "grpc"))
sql = "SELECT a.value FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
reader = connection.do_get(flight.Ticket(format_ticket("db", sql)), options)
print("rows:", reader.read_chunk().data.num_rows > 0)
"""


@pytest.mark.parametrize("cells", ["%load_ext procengine\n", STREAMING_WHEN_IT_ENDS])
def test_shell_that_ends_stops_the_engine_without_a_word(tmp_path: Path, cells: str) -> None:
    """Nothing that ends with the interpreter needs a thread that it no longer gives; nor while a client reads."""
    environment = os.environ | {"IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONUNBUFFERED": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"],
        input=cells,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.returncode == 0
    assert ("rows: True" in ended.stdout) == (cells is STREAMING_WHEN_IT_ENDS)
