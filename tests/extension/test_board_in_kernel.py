"""In a real kernel: what a board that is looked at, or not, says to its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.extension.test_kernel import Kernel

ECHO = """%%plugin echo --trigger request:echo --database house
def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    return "here"
"""
COUNT_TICKS = """from procengine_jupyter.inspectors.ticker import Ticker
ticks, tick = [], Ticker._tick
Ticker._tick = lambda self: (ticks.append(1), tick(self))
Ticker.__init__.__defaults__ = (0.01,)
"""


class Board:
    """A board in a kernel, and the page that it talks to."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        for cell in ("%load_ext procengine", ECHO, COUNT_TICKS):
            kernel.run(cell)
        cell = kernel.run("%inspect")
        opened = [one["content"] for one in kernel.of(cell) if one["msg_type"] == "comm_open"]
        (self.table,) = (one["comm_id"] for one in opened if "row_count" in one["data"].get("state", {}))
        self.seen = len(kernel.messages)

    def say(self, **content: object) -> None:
        """Say something as the page does."""
        data = {"method": "custom", "content": content}
        message = self.kernel.client.session.msg("comm_msg", {"comm_id": self.table, "data": data})
        self.kernel.client.shell_channel.send(message)

    def ticks(self) -> int:
        """Return how often the kernel's loop has looked."""
        return int(self.kernel.output(self.kernel.run("print(len(ticks))")))

    def said(self) -> list[dict[str, Any]]:
        """Return what the kernel said to the page since this was asked."""
        new, self.seen = self.kernel.messages[self.seen :], len(self.kernel.messages)
        return [one["content"]["data"] for one in new if one["msg_type"] == "comm_msg"]

    def wait_for(self, kind: str) -> dict[str, Any]:
        """Wait until the table says something of a kind; return it."""
        start = self.seen

        def found() -> list[dict[str, Any]]:
            contents = [
                one["content"]["data"].get("content", {})
                for one in self.kernel.messages[start:]
                if one["msg_type"] == "comm_msg"
            ]
            return [one for one in contents if one.get("kind") == kind]

        self.kernel.wait(found)
        return found()[-1]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    """A board in a kernel of its own."""
    kernel = Kernel(tmp_path)
    yield Board(kernel)
    kernel.stop()


def test_a_board_speaks_only_when_something_changed_and_it_is_in_sight(board: Board) -> None:
    """Many looks at what is the same say nothing; a run is one changed row; hidden, nobody looks."""
    assert board.ticks() == 0
    board.say(kind="sight", in_sight=True, place="cell")
    board.say(kind="rows", start=0, count=40, place="cell")
    assert board.wait_for("rows")["cells"][0][:2] == ["echo", "idle"]
    board.said()

    before = board.ticks()
    board.kernel.wait(lambda: board.ticks() >= before + 20)
    assert board.said() == []

    board.kernel.run("%fire echo")
    changed = board.wait_for("changed")
    assert [*changed["cells"]] == ["0"]

    board.say(kind="sight", in_sight=False, place="cell")
    hidden = board.ticks()
    board.said()
    board.kernel.run("%fire echo")
    board.kernel.run("import asyncio; await asyncio.sleep(0.1)")
    assert board.ticks() == hidden
    assert board.said() == []
