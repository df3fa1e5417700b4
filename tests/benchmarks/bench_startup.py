"""How long does ``%load_ext procengine`` take, over importing its libraries?"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile

from tests.benchmarks.measurement import Measurement

ROUNDS = 7

SCRIPT = """
import json, sys, time
from IPython.core.interactiveshell import InteractiveShell
began = time.perf_counter()
import ipykernel, ipywidgets, numpy, pyarrow, traitlets
imported = time.perf_counter()
shell = InteractiveShell.instance()
ready_to_load = time.perf_counter()
shell.run_line_magic("load_ext", "procengine")
loaded = time.perf_counter()
heavy = [name for name in ("pandas", "datafusion", "matplotlib") if name in sys.modules]
shell.run_line_magic("unload_ext", "procengine")
print("FIGURES" + json.dumps([imported - began, loaded - ready_to_load, heavy]))
"""


def _once(folder: str) -> tuple[float, float, list[str]]:
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    shown = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    libraries, load, heavy = json.loads(shown.split("FIGURES")[1])
    return libraries, load, heavy


def run() -> list[Measurement]:
    """Measure in fresh processes, byte code cached."""
    with tempfile.TemporaryDirectory() as folder:
        _once(folder)
        figures = [_once(folder) for _ in range(ROUNDS)]
    libraries = statistics.median(each[0] for each in figures)
    load = statistics.median(each[1] for each in figures)
    return [
        Measurement(
            name="%load_ext procengine",
            value=load * 1000,
            budget=500,
            unit="ms",
            baseline="over importing its libraries",
            details={"libraries_ms": libraries * 1000, "load_ms": load * 1000},
        ),
        Measurement(
            name="heavy libraries that %load_ext imports without need",
            value=max(len(each[2]) for each in figures),
            budget=0,
            unit="modules",
            baseline="pandas, DataFusion, matplotlib",
        ),
    ]
