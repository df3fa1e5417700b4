"""What does the first run of a kernel cost beside itself?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FIRST_RUN = """
import sys
import threading
from pathlib import Path

from procengine import Engine

folder = Path(sys.argv[1])
with Engine(plugin_dir=folder / "plugins", data_dir=folder / "data", object_store="file") as engine:
    engine.catalog.create_database("db")
    engine.triggers.create("db", "ticks", "noting.py", "every:1s")
    ran = threading.Event()
    engine.triggers.subscribe(lambda run: ran.set())
    assert ran.wait(60)
print("pandas" in sys.modules, end=" ")
with Engine(plugin_dir=folder / "plugins", data_dir=folder / "data", object_store="file") as engine:
    ended = [run.outcome.value for run in engine.triggers.runs]
print("success" in ended)
"""

PLUGIN = """
def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.info("a line of its own")
"""


def test_a_first_run_and_its_history_import_no_pandas(tmp_path: Path) -> None:
    """A run, and what is written of it, do without pandas, whose import takes a third of a second."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "noting.py").write_text(PLUGIN)
    done = subprocess.run(
        [sys.executable, "-c", FIRST_RUN, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]  # no pandas; and the run is there at the next start
