"""In a real kernel: each inspector and panel is silent unless something changed and somebody sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.extension.test_kernel import Kernel

WATCH_TICKERS = """
from procengine_jupyter.inspectors.ticker import Ticker
ticks, tickers, tick, make = [], [], Ticker._tick, Ticker.__init__
def made(self, loop, callback, seconds=1):
    tickers.append(self)
    make(self, loop, callback, 0.01)
Ticker.__init__ = made
Ticker._tick = lambda self: (ticks.append(1), tick(self))
"""
COUNTS = """%%plugin counts --trigger table:home --database house
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info("seen", len(table_batches))
    influxdb3_local.cache.put("n", influxdb3_local.cache.get("n", 0) + 1, ttl=3600)
"""
COPIES = """%%plugin copies --trigger table:street --database other
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.write(LineBuilder("copy").int64_field("n", len(table_batches)))
"""
CACHES = (
    "%influxdb3 create last_cache --database house --table home --key-columns room last_rooms",
    "%influxdb3 create distinct_cache --database house --table home --columns room rooms",
)
ROWS = "rows = '\\n'.join(f'home,room=Cellar temp={n} {1_700_000_000 + n}' for n in range(50))"
WRITE = "%%write house\nhome,room={room} temp=20"
MAKE_PLUGIN = (
    "%%plugin {room}\ndef process_request(influxdb3_local, a, b, c, args=None):\n    return 'x'"
)

INSTRUMENTS = {
    "%inspect": (WRITE, "counts"),
    "%inspect graph other": ("%%write other\nstreet,name={room} cars=1", "copies"),
    "%inspect runs": (WRITE, "counts"),
    "%inspect runs counts": (WRITE, "counts"),
    "%inspect logs": (WRITE, "seen"),
    "%inspect plugins": (MAKE_PLUGIN, "counts.py"),
    "%inspect tables": (WRITE, "home"),
    "%inspect cache": (WRITE, "house/counts"),
    "%inspect cache counts": (WRITE, "int"),
    "%inspect last": (WRITE, "last_rooms"),
    "%inspect last last_rooms": (WRITE, "Attic"),
    "%inspect distinct": (WRITE, "rooms"),
    "%inspect distinct rooms": (WRITE, "Attic"),
    "under_way = %replay rows -p s --speed 1x --background --paused --database house\nunder_way": (
        "under_way.step()",
        "50 rows",
    ),
}
"""What is run, the cell that changes what it shows, and a text of its static form."""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with one of everything, whose instruments look a hundred times a second."""
    one = Kernel(tmp_path_factory.mktemp("kernel"))
    try:
        for cell in ("%load_ext procengine", WATCH_TICKERS, COUNTS, WRITE.format(room="Attic"), *CACHES):
            one.run(cell)
        for cell in ("%%write other\nroad,name=a cars=1", COPIES, ROWS):
            one.run(cell)
        yield one
    finally:
        one.stop()


def number(kernel: Kernel, expression: str) -> int:
    """Return a number that the kernel has."""
    return int(kernel.output(kernel.run(f"print({expression})")))


def sighted(kernel: Kernel, cell: str) -> list[str]:
    """Return the widgets of a cell that can say whether they are in sight."""
    return [
        message["content"]["comm_id"]
        for message in kernel.of(cell)
        if message["msg_type"] == "comm_open"
        and "_anywidget_id" in message["content"]["data"].get("state", {})
    ]


def say(kernel: Kernel, widget: str, **content: Any) -> None:
    """Say something as a page does, and wait until the kernel has taken it."""
    data = {"method": "custom", "content": content}
    message = kernel.client.session.msg("comm_msg", {"comm_id": widget, "data": data})
    kernel.client.shell_channel.send(message)
    told = message["header"]["msg_id"]
    kernel.wait(lambda: kernel.is_done(told))


def said_since(kernel: Kernel, seen: int) -> list[dict[str, Any]]:
    """Return what was said to the page since so many messages."""
    return [one["content"]["data"] for one in kernel.messages[seen:] if one["msg_type"] == "comm_msg"]


def look_some_times(kernel: Kernel) -> None:
    """Wait until the kernel's loop has looked some times more."""
    before = number(kernel, "len(ticks)")
    kernel.wait(lambda: number(kernel, "len(ticks)") >= before + 10)


@pytest.mark.parametrize("cell", INSTRUMENTS)
def test_an_instrument_speaks_only_of_what_changed_in_sight(kernel: Kernel, cell: str) -> None:
    """Not before it is seen; idle, it is silent; a change comes by itself; hidden again, the loop looks no more."""
    change, static = INSTRUMENTS[cell]
    shown = kernel.run(cell)
    (bundle,) = [m["content"]["data"] for m in kernel.of(shown) if m["msg_type"] == "execute_result"]
    assert static in bundle["text/plain"]
    assert static in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert number(kernel, "sum(one.is_running for one in tickers)") == 0

    widgets = sighted(kernel, shown)
    for widget in widgets:
        say(kernel, widget, kind="sight", in_sight=True, place="cell")
        say(kernel, widget, kind="rows", start=0, count=40, place="cell")
    look_some_times(kernel)
    seen = len(kernel.messages)
    look_some_times(kernel)
    assert said_since(kernel, seen) == []

    kernel.run(change.format(room="Hall"))
    kernel.wait(lambda: said_since(kernel, seen) != [])

    for widget in widgets:
        say(kernel, widget, kind="sight", in_sight=False, place="cell")
    assert number(kernel, "sum(one.is_running for one in tickers)") == 0
    seen, ticked = len(kernel.messages), number(kernel, "len(ticks)")
    kernel.run(change.format(room="Loft"))
    assert number(kernel, "len(ticks)") == ticked
    assert said_since(kernel, seen) == []


def test_an_instrument_tells_when_the_engine_is_another_one(kernel: Kernel) -> None:
    """It outlives a stop and a restart of the engine: it says that it is down, and then shows the new one."""
    shown = kernel.run("board = %inspect\nboard")
    table = sighted(kernel, shown)[0]
    say(kernel, table, kind="sight", in_sight=True, place="cell")
    seen = len(kernel.messages)
    kernel.run("%procengine stop")
    kernel.wait(lambda: "the engine is down" in str(said_since(kernel, seen)))
    kernel.run("%procengine start")
    kernel.wait(lambda: number(kernel, "len(board.problem)") == 0)
    say(kernel, table, kind="sight", in_sight=False, place="cell")
