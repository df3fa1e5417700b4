"""What does a board cost that is looked at, while a thousand triggers run?"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from procengine_jupyter.inspectors.board_state import BoardState
from procengine_jupyter.inspectors.inspector import Inspector
from procengine_jupyter.inspectors.live_inspector import LiveInspector

from procengine import Engine
from tests.benchmarks.measurement import Measurement

TRIGGERS = 1_000
LOOKS = 10
PLUGIN = "def process_scheduled_call(influxdb3_local, call_time, args=None):\n    pass\n"
PAGE = {"kind": "rows", "start": 0, "count": 55, "place": "cell"}
"""What a page asks for: the rows in its frame, and some above and below."""


def run() -> list[Measurement]:
    """Measure a board that looks once a second at a thousand triggers, a hundred of which run each second."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tick.py").write_text(PLUGIN)
        with Engine(plugin_dir=folder, object_store="memory", environ={}) as engine:
            engine.catalog.create_database("db")
            for number in range(TRIGGERS):
                seconds = ",".join(str(second) for second in range(number % 10, 60, 10))
                engine.triggers.create("db", f"t{number:04}", "tick.py", f"cron:{seconds} * * * * *")
            return measured(engine)


def measured(engine: Engine) -> list[Measurement]:
    """Look ten times, a second apart, at triggers that run meanwhile."""
    state = BoardState(engine, open_inspector=lambda what, name, database: inspector)
    inspector = Inspector(lambda: state)
    live = LiveInspector(inspector)
    live.table._handle_custom_msg(PAGE, [])
    runs_before = sum(one.runs for one in engine.triggers.statistics())
    looks: list[float] = []
    for _ in range(LOOKS):
        time.sleep(1)
        began = time.thread_time()
        inspector.refresh_if_changed()
        looks.append(time.thread_time() - began)
    runs = sum(one.runs for one in engine.triggers.statistics()) - runs_before
    return [
        Measurement(
            name="board of 1,000 triggers at 100 runs/s, of one core",
            value=sum(looks) / LOOKS * 100,
            budget=5,
            unit="%",
            baseline="none",
            details={"median look ms": statistics.median(looks) * 1e3, "runs/s": runs / LOOKS},
        )
    ]
