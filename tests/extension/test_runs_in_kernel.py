"""In a real kernel: what the timeline and the tail of logs say to their page, and when they say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.extension.test_kernel import Kernel

ECHO = """%%plugin echo --trigger request:echo --database house
def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    influxdb3_local.info("said")
    return "here"
"""
WATCH_TICKERS = """from procengine_jupyter.inspectors.ticker import Ticker
ticks, tickers, tick, make = [], [], Ticker._tick, Ticker.__init__
def made(self, loop, callback):
    tickers.append(self)
    make(self, loop, callback, 0.01)
Ticker.__init__ = made
Ticker._tick = lambda self: (ticks.append(1), tick(self))
"""


class Page:
    """What a page has of one inspector, and says to it."""

    def __init__(self, kernel: Kernel, cell: str) -> None:
        self.kernel = kernel
        ran = kernel.run(cell)
        self.widgets: dict[str, str] = {}
        for message in kernel.of(ran):
            if message["msg_type"] == "comm_open":
                state = message["content"]["data"].get("state", {})
                for name, mark in (("timeline", "bounds"), ("table", "row_count")):
                    if mark in state:
                        self.widgets[name] = message["content"]["comm_id"]
        self.seen = len(kernel.messages)

    def say(self, widget: str, **content: object) -> None:
        """Say something as the page does."""
        data = {"method": "custom", "content": content}
        client = self.kernel.client
        message = client.session.msg("comm_msg", {"comm_id": self.widgets[widget], "data": data})
        client.shell_channel.send(message)

    def said(self) -> list[dict[str, Any]]:
        """Return what the kernel said to the page since this was asked."""
        new, self.seen = self.kernel.messages[self.seen :], len(self.kernel.messages)
        return [one["content"]["data"] for one in new if one["msg_type"] == "comm_msg"]

    def wait_for(self, kind: str) -> dict[str, Any]:
        """Wait until a widget says something of a kind; return its message, with the buffers."""
        start = self.seen

        def found() -> list[dict[str, Any]]:
            return [
                one
                for one in self.kernel.messages[start:]
                if one["msg_type"] == "comm_msg"
                and one["content"]["data"].get("content", {}).get("kind") == kind
            ]

        self.kernel.wait(found)
        return found()[-1]

    def number(self, expression: str) -> int:
        """Return a number that the kernel has."""
        return int(self.kernel.output(self.kernel.run(f"print({expression})")))

    def wait_for_looks(self, count: int = 20) -> None:
        """Wait until the kernel's loop has looked some times more."""
        before = self.number("len(ticks)")
        self.kernel.wait(lambda: self.number("len(ticks)") >= before + count)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel whose inspectors look a hundred times a second."""
    one = Kernel(Path(tmp_path_factory.mktemp("runs")))
    try:
        for cell in ("%load_ext procengine", ECHO, WATCH_TICKERS, "%fire echo"):
            one.run(cell)
        yield one
    finally:
        one.stop()


def test_timeline_speaks_of_new_runs_alone(kernel: Kernel) -> None:
    """A page is told that there is something new, and gets the marks when it asks; nothing is said otherwise."""
    page = Page(kernel, "%inspect runs")
    page.say("timeline", kind="sight", in_sight=True, place="cell")
    page.say(
        "timeline",
        **{"kind": "window", "from": 0, "to": 4e15, "place": "cell"},
        bins=100,
        first_lane=0,
        last_lane=5,
    )
    marks = page.wait_for("marks")
    assert marks["content"]["data"]["content"]["count"] == 1
    assert [len(buffer) for buffer in marks["buffers"]] == [3 * 8, 4 * 4]
    page.said()

    page.wait_for_looks()
    assert page.said() == []

    kernel.run("%fire echo")
    kernel.wait(lambda: any("version" in one.get("state", {}) for one in page.said()))

    page.say("timeline", kind="sight", in_sight=False, place="cell")
    kernel.wait(lambda: page.number("sum(one.is_running for one in tickers)") == 0)
    page.said()
    kernel.run("%fire echo")
    assert page.said() == []


def test_tail_of_logs_speaks_of_new_lines_alone(kernel: Kernel) -> None:
    """A look that finds no new line sends nothing; a new line raises the number of rows."""
    page = Page(kernel, "%inspect logs")
    assert "timeline" not in page.widgets
    page.say("table", kind="sight", in_sight=True, place="cell")
    page.say("table", kind="rows", start=0, count=40, place="cell")
    page.wait_for("rows")
    page.said()

    page.wait_for_looks()
    assert page.said() == []

    kernel.run("%fire echo")
    kernel.wait(lambda: any("row_count" in one.get("state", {}) for one in page.said()))
    page.say("table", kind="sight", in_sight=False, place="cell")
    kernel.wait(lambda: page.number("sum(one.is_running for one in tickers)") == 0)
