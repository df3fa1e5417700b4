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


FIRST_WRITE = """
import sys
from pathlib import Path

from procengine import Engine

folder, wanted = Path(sys.argv[1]), sys.argv[2] == "again"
with Engine(plugin_dir=folder / "plugins", data_dir=folder / "data", object_store="file") as engine:
    if not wanted:
        engine.catalog.create_database("db")
        engine.triggers.create("db", "rows", "rows.py", "table:home")
    counted = engine.triggers.statistics("db", "rows").runs
    engine.write("db", 'home,room=a t=1.5,n=3i,u=4u,s="x",b=t 1\\nhome n=3i 2\\nhome,room=b s="y\\\\"" 3')
    engine.write("db", "\\n".join(f"bulk,room=a{n % 9} t={n}.5,n={n}i,u={n}u,b=t {n}" for n in range(2_000)))
    assert engine.triggers.wait_idle(60)
    (rows,) = engine.query("SELECT count(*) AS n FROM home", "db").to_pylist()
    seen = [run.logs[1].text for run in engine.triggers.runs][-1]
print(counted, rows["n"], "pandas" in sys.modules, seen)
"""

ROWS = """
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info(table_batches[0]["rows"])
"""


def test_a_first_write_its_run_and_a_restart_import_no_pandas(tmp_path: Path) -> None:
    """Neither few lines nor many, the run that few rows cause, a count of them, nor what an engine before ran."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "rows.py").write_text(ROWS)
    told = []
    for which in ("first", "again"):
        done = subprocess.run(
            [sys.executable, "-c", FIRST_WRITE, str(tmp_path), which],
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(done.stdout.strip())
    rows = (
        "[{'room': 'a', 't': 1.5, 'n': 3, 'u': 4, 's': 'x', 'b': True, 'time': 1000000000}, "
        "{'n': 3, 'time': 2000000000}, {'room': 'b', 's': 'y\"', 'time': 3000000000}]"
    )
    assert told == [f"0 3 False {rows}", f"1 3 False {rows}"]
