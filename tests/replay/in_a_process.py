"""Replays rows through plugins of several kinds, in a process of its own, and prints what came of it.

``python -m tests.replay.in_a_process FOLDER``: the plugins are put into the folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from procengine.engine import Engine
from tests.replay.conftest import NOON_NS, SECOND, replayed

QUERIES = (
    (
        "SELECT array_to_string(array_agg(temp), ' ')::varchar AS temps, "
        "string_agg(room::varchar, ' ')::varchar AS r, "
        "array_to_string(array_agg(DISTINCT room::varchar), ' ')::varchar AS rooms FROM home"
    ),
    (
        "SELECT room, avg(temp) AS temp, first_value(temp) AS f, array_to_string(array_agg(temp), ' ')::varchar AS t "
        "FROM home GROUP BY room"
    ),
    "SELECT DISTINCT room, floor FROM home",
    "SELECT a.room, b.temp FROM home a JOIN home b ON a.room = b.room WHERE b.temp > 24",
    "SELECT room::varchar AS room, temp FROM last_cache('home')",
    "SELECT room::varchar AS room, floor::varchar AS floor FROM distinct_cache('home')",
    "SELECT table_name::varchar AS t FROM information_schema.tables WHERE table_schema = 'iox'",
    (
        "SELECT table_name::varchar AS t, column_name::varchar AS c FROM information_schema.columns "
        "ORDER BY table_schema, table_name, ordinal_position"
    ),
    "SELECT trigger_name::varchar AS n FROM system.processing_engine_triggers",
)
ASKING = """
def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.info(influxdb3_local.query({sql!r}))
"""
KEEPING = """
import threading

class Box:
    def __init__(self, rooms):
        self.rooms, self.lock = rooms, threading.Lock()

def process_writes(influxdb3_local, table_batches, args=None):
    box = influxdb3_local.cache.get("box") or Box(set())
    for batch in table_batches:
        influxdb3_local.info(batch["table_name"], batch["rows"])
        for row in batch["rows"]:
            box.rooms.add(row["room"])
            line = LineBuilder("seen").tag("room", row["room"]).tag("by", "keeping")
            influxdb3_local.write(line.float64_field("temp", row["temp"]).int64_field("n", len(box.rooms)))
    influxdb3_local.cache.put("box", box)
    influxdb3_local.cache.put("rooms", {room: [room] for room in sorted(box.rooms)})
"""


def lines() -> str:
    """Return rows of many rooms, two at a time."""
    return "\n".join(
        f"home,room=r{(n * k + n) % 23},floor=f{n % 3} temp={20 + n % 7}.{k},hum={n}i {NOON_NS + n * SECOND}"
        for n in range(40)
        for k in range(2)
    )


def main(folder: Path) -> None:
    """Replay, and print rows, state, logs and the digest as JSON."""
    with Engine(plugin_dir=folder, object_store="memory", environ={}) as engine:
        engine.catalog.create_database("house")
        engine.write("house", f"home,room=r0,floor=f0 temp=1,hum=1i {NOON_NS - SECOND}")
        engine.last_caches.create("house", "home", key_columns=["room"])
        engine.distinct_caches.create("house", "home", columns=["room", "floor"])
        (folder / "keeping.py").write_text(KEEPING)
        engine.triggers.create("house", "keeping", "keeping.py", "table:home")
        for number, sql in enumerate(QUERIES):
            name = f"asking_{number}"
            (folder / f"{name}.py").write_text(ASKING.format(sql=sql))
            engine.triggers.create("house", name, f"{name}.py", "every:10s")
        result = replayed(engine, lines(), seed=3)
    said = {
        "rows": {".".join(place): str(rows.to_pylist()) for place, rows in result.tables.items()},
        "state": {one.key: one.contents for one in result.state},
        "logs": list(map(str, result.logs.to_pylist())),
        "columns": [
            line for line in map(str, result.logs["log_text"].to_pylist()) if "'c': 'room'" in line
        ],
        "errors": result.error_count,
        "digest": result.digest,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
