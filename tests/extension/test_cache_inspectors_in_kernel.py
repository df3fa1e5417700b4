"""In a real kernel: an inspector of a cache sends what changed, and else nothing; what a page types is put."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.extension.test_kernel import Kernel

COUNTS = """%%plugin counts --trigger table:home --database house
def process_writes(influxdb3_local, table_batches, args=None):
    cache = influxdb3_local.cache
    cache.put("n", cache.get("n", 0) + 1, ttl=3600)
"""

LOOKS = """
from procengine_jupyter.inspectors.inspector import Inspector
looks = []
def counted(self, look=Inspector.refresh_if_changed):
    looks.append(1)
    look(self)
Inspector.refresh_if_changed = counted
"""


class Page:
    """Stands for the page of a notebook: hears what widgets say, and answers them."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def widget(self, **state: Any) -> str:
        """Return the newest widget whose state had these values when it was made."""
        found = [
            message["content"]["comm_id"]
            for message in self.kernel.messages
            if message["msg_type"] == "comm_open"
            and state.items() <= message["content"]["data"]["state"].items()
        ]
        return str(found[-1])

    def heard(self, widget: str) -> list[dict[str, Any]]:
        """Return all that a widget has said since it was made."""
        return [
            message["content"]["data"]
            for message in self.kernel.messages
            if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == widget
        ]

    def say(self, widget: str, data: dict[str, Any]) -> None:
        """Tell a widget something, and wait until the kernel has taken it."""
        client = self.kernel.client
        message = client.session.msg("comm_msg", {"comm_id": widget, "data": data})
        client.shell_channel.send(message)
        told = message["header"]["msg_id"]
        self.kernel.wait(lambda: self.kernel.is_done(told))

    def custom(self, widget: str, **content: Any) -> None:
        """Send a message of a widget's own kind."""
        self.say(widget, {"method": "custom", "content": content})

    def press(self, label: str) -> None:
        """Press the newest button of a label."""
        button = self.widget(_model_name="ButtonModel", description=label)
        self.custom(button, event="click")

    def table(self) -> str:
        """Return the newest table."""
        return self.widget(_anywidget_id="procengine_jupyter.inspectors.table_widget.TableWidget")

    def cells(self, table: str) -> list[list[str | None]]:
        """Ask for a table's rows."""
        before = len(self.heard(table))
        self.custom(table, kind="rows", start=0, count=20, place="cell")

        def rows() -> list[dict[str, Any]]:
            said = [data["content"] for data in self.heard(table)[before:] if "content" in data]
            return [content for content in said if content["kind"] == "rows"]

        self.kernel.wait(lambda: bool(rows()))
        found: list[list[str | None]] = rows()[-1]["cells"]
        return found


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel whose trigger has cached a value."""
    one = Kernel(tmp_path_factory.mktemp("kernel"))
    try:
        one.run("%load_ext procengine\n" + LOOKS)
        one.run(COUNTS)
        one.run("%%write house\nhome,room=Attic temp=1")
        yield one
    finally:
        one.stop()


def looks(kernel: Kernel) -> int:
    """Return how often inspectors have looked whether something changed."""
    return int(kernel.output(kernel.run("print(len(looks))")).strip())


def test_an_idle_inspector_is_silent_and_a_hidden_one_does_not_look(kernel: Kernel) -> None:
    """Not even a time to live that counts down is worth a message; a run that changed the value is."""
    page = Page(kernel)
    kernel.run("%inspect cache")
    table = page.table()
    assert page.cells(table)[0][1:4] == ["n", "int", "1"]
    page.custom(table, kind="sight", in_sight=True, place="cell")

    heard, began = len(page.heard(table)), looks(kernel)
    while looks(kernel) < began + 3:
        kernel.wait(lambda: True)
    assert len(page.heard(table)) == heard

    kernel.run("%%write house\nhome,room=Attic temp=2")
    kernel.wait(lambda: len(page.heard(table)) > heard)
    kernel.wait(
        lambda: any(data["content"]["cells"] for data in page.heard(table)[heard:] if "content" in data)
    )
    (changed,) = [data["content"] for data in page.heard(table)[heard:] if "content" in data]
    assert (changed["kind"], changed["cells"]["0"][3]) == ("changed", "2")
    assert changed["now"] > 1_600_000_000_000

    page.custom(table, kind="sight", in_sight=False, place="cell")
    watching = kernel.run(
        "import gc\nfrom procengine_jupyter.inspectors.live_inspector import LiveInspector\n"
        "print([one.is_watching for one in gc.get_objects() if isinstance(one, LiveInspector)])"
    )
    assert kernel.output(watching).strip() == "[False]"


def test_what_is_typed_into_the_form_is_what_the_next_run_gets(kernel: Kernel) -> None:
    """Chosen, opened, typed and sent, as a page does it."""
    page = Page(kernel)
    kernel.run("%inspect cache counts")
    table = page.table()
    page.custom(table, kind="choose", row=0)
    page.press("edit value…")
    typed = page.widget(_model_name="TextareaModel")
    page.say(typed, {"method": "update", "state": {"value": "41"}, "buffer_paths": []})
    page.press("edit value")
    assert page.cells(table)[0][3] == "41"
    kernel.run("%%write house\nhome,room=Attic temp=3")
    kernel.run("%inspect cache counts")
    assert page.cells(page.table())[0][3] == "42"


def test_a_node_is_opened_by_a_click(kernel: Kernel) -> None:
    """The page sends the row, and gets the nodes beneath it."""
    page = Page(kernel)
    kernel.run("%influxdb3 create distinct_cache --database house --table home --columns room rooms")
    kernel.run("%%write house\nhome,room=Attic,floor=2 temp=1\nhome,room=Hall,floor=0 temp=1")
    kernel.run(
        "%influxdb3 create distinct_cache --database house --table home --columns floor,room floors"
    )
    kernel.run("%inspect distinct floors")
    table = page.table()
    closed = [row[0] for row in page.cells(table)]
    assert closed[-2:] == ["▸ 0", "▸ 2"]
    page.custom(table, kind="toggle", row=len(closed) - 1)
    assert [row[0] for row in page.cells(table)] == [*closed[:-1], "▾ 2", "\u2003· Attic"]
