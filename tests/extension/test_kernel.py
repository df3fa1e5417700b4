"""In a real kernel: what runs later shows under the cell that caused it, and nothing else does."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

SLOW = """%%plugin slow --trigger table:slow --database house
import pathlib, time
def process_writes(influxdb3_local, table_batches, args=None):
    name = table_batches[0]["rows"][0]["name"]
    pathlib.Path(f"entered-{name}").touch()
    while not pathlib.Path(f"go-{name}").exists():
        time.sleep(0.01)
    print("printed by", name)
    influxdb3_local.info("done with", name)
"""

SLOW_THAT_WRITES = """%%plugin late --trigger table:late --database house
import pathlib, time
def process_writes(influxdb3_local, table_batches, args=None):
    while not pathlib.Path("go-late").exists():
        time.sleep(0.01)
    influxdb3_local.write(LineBuilder("after").int64_field("n", 1))
"""

AFTER_IT = """%%plugin next --trigger table:after --database house
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info("after it")
"""


class Kernel:
    """A kernel and what it said, by the cell that it said it for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(
            cwd=str(folder), env={**os.environ, "IPYTHONDIR": str(folder / "ipython")}
        )
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.messages: list[dict[str, Any]] = []

    def stop(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def start(self, code: str) -> str:
        """Send a cell; return its id."""
        return str(self.client.execute(code))

    def run(self, code: str, timeout: float = 30) -> str:
        """Run a cell to its end; return its id."""
        cell = self.start(code)
        self.wait(lambda: self.is_done(cell), timeout)
        return cell

    def wait(self, condition: Any, timeout: float = 30) -> None:
        """Take in messages until a condition holds."""
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, "the kernel did not get there"
            try:
                self.messages.append(self.client.get_iopub_msg(timeout=min(left, 0.5)))
            except queue.Empty:
                continue

    def of(self, cell: str) -> list[dict[str, Any]]:
        """Return the messages of a cell."""
        return [m for m in self.messages if m["parent_header"].get("msg_id") == cell]

    def is_done(self, cell: str) -> bool:
        """Tell whether a cell has ended."""
        return any(m["content"].get("execution_state") == "idle" for m in self.of(cell))

    def output(self, cell: str) -> str:
        """Return all text that a cell printed or showed at first."""
        parts = []
        for message in self.of(cell):
            content = message["content"]
            if message["msg_type"] == "stream":
                parts.append(content["text"])
            elif message["msg_type"] in {"display_data", "execute_result"}:
                parts.append(content["data"].get("text/plain", ""))
            elif message["msg_type"] == "error":
                parts.append(f"{content['ename']}: {content['evalue']}")
        return "\n".join(parts)

    def card(self, cell: str) -> str:
        """Return the card of a cell as it stands, later drawings included."""
        ids = [
            m["content"]["transient"]["display_id"]
            for m in self.of(cell)
            if m["msg_type"] == "display_data" and "display_id" in m["content"].get("transient", {})
        ]
        drawn = [
            m["content"]["data"]["text/plain"]
            for m in self.messages
            if m["msg_type"] in {"display_data", "update_display_data"}
            and m["content"].get("transient", {}).get("display_id") == ids[-1]
        ]
        return str(drawn[-1])


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with the extension, in a folder of its own."""
    one = Kernel(tmp_path_factory.mktemp("kernel"))
    try:
        one.run("%load_ext procengine")
        yield one
    finally:
        one.stop()


def test_cards_of_overlapping_runs_show_each_their_own(kernel: Kernel) -> None:
    """Two cells whose runs outlast them: each card follows its own write's run, to its end."""
    kernel.run(SLOW)

    first = kernel.run("%%write house\nslow,name=a n=1i")
    second = kernel.run("%%write house\nslow,name=b n=1i")
    assert "this card follows them" in kernel.card(first)
    assert "this card follows them" in kernel.card(second)

    (kernel.folder / "go-a").touch()
    (kernel.folder / "go-b").touch()
    kernel.wait(lambda: "done with b" in kernel.card(second) and "follows" not in kernel.card(second))
    kernel.wait(lambda: "done with a" in kernel.card(first) and "follows" not in kernel.card(first))

    assert "done with a" in kernel.card(first)
    assert "done with b" not in kernel.card(first)
    assert "done with a" not in kernel.card(second)


def test_card_follows_runs_that_a_late_run_causes(kernel: Kernel) -> None:
    """A run that outlasts the cell writes, and what that causes comes to the same card."""
    kernel.run(SLOW_THAT_WRITES)
    kernel.run(AFTER_IT)
    cell = kernel.run("%%write house\nlate n=1i")
    assert "this card follows them" in kernel.card(cell)

    (kernel.folder / "go-late").touch()
    # While what was caused runs, the card names it already.
    kernel.wait(lambda: "after late: next" in kernel.card(cell) and "follows" not in kernel.card(cell))

    assert kernel.card(cell).count("success") == 2


def test_printed_text_lands_in_no_cell(kernel: Kernel) -> None:
    """A plugin that prints while another cell runs leaves that cell's output alone; its log has the text."""
    kernel.run(SLOW)
    writing = kernel.run("%%write house\nslow,name=c n=1i")

    busy = kernel.start(
        "import pathlib, time\npathlib.Path('go-c').touch()\n"
        "_engine = get_ipython().magics_manager.registry['ProcengineMagics'].session.engine\n"
        "print('idle:', _engine.wait_idle(20))"
    )
    kernel.wait(lambda: kernel.is_done(busy))
    kernel.wait(lambda: "print printed by c" in kernel.card(writing))

    assert kernel.output(busy) == "idle: True\n"
    assert "print printed by c" in kernel.card(writing)


WATCH = """
import pathlib, threading
_engine = get_ipython().magics_manager.registry['ProcengineMagics'].session.engine
_sql = "SELECT count(*) AS n FROM system.queries WHERE running AND query_text NOT LIKE '%system.queries%'"
def _watch():
    while _engine.query(_sql, 'house')['n'][0].as_py() == 0:
        pass
    pathlib.Path('query-runs').touch()
threading.Thread(target=_watch).start()
"""


def test_query_can_be_interrupted(kernel: Kernel) -> None:
    """What takes long says so; the stop button ends it with one short line, and the kernel and engine live on."""
    kernel.run("%%write house\n" + "\n".join(f"numbers n={i}i {i + 1}" for i in range(2000)))
    kernel.run(WATCH)
    slow = kernel.start(
        "%%query house\nSELECT count(*) FROM numbers a, numbers b, numbers c WHERE a.n * b.n > c.n"
    )
    kernel.wait((kernel.folder / "query-runs").exists)
    kernel.wait(lambda: "querying: since" in kernel.output(slow))

    kernel.manager.interrupt_kernel()
    kernel.wait(lambda: kernel.is_done(slow))

    assert "UsageError: interrupted" in kernel.output(slow)
    again = kernel.run("%%query house\nSELECT count(*) AS n FROM numbers")
    assert "| 2000 |" in kernel.output(again)
    assert kernel.card(slow) == ""


SLOW_FILL = """
import time
from procengine.write.table_history import TableHistory
read = TableHistory.reduced
def slowly(*arguments, **more):
    for part in read(*arguments, **more):
        while True:
            time.sleep(0.01)
            yield part
TableHistory.reduced = slowly
"""


def test_cache_fill_can_be_interrupted(kernel: Kernel) -> None:
    """A cache that takes long to fill says so; the stop button leaves none, and the next one is whole."""
    kernel.run("%%write house\nfilled,room=Attic temp=1\nfilled,room=Hall temp=2")
    kernel.run(SLOW_FILL)
    create = "%influxdb3 create last_cache --database house --table filled seen"
    filling = kernel.start(create)
    kernel.wait(lambda: "filling the cache: since" in kernel.output(filling))

    kernel.manager.interrupt_kernel()
    kernel.wait(lambda: kernel.is_done(filling))
    assert "UsageError: interrupted; there is no cache" in kernel.output(filling)
    assert kernel.card(filling) == ""

    kernel.run("TableHistory.reduced = read")
    assert "created" in kernel.output(kernel.run(create)).lower()
    counted = kernel.run("%%query house\nSELECT count(*) AS n FROM last_cache('filled', 'seen')")
    assert "| 2 |" in kernel.output(counted)


def test_fired_plugin_can_be_interrupted(kernel: Kernel) -> None:
    """A fired plugin runs on the main thread: the stop button cancels it, and the card says so."""
    kernel.run(
        "%%plugin endless --trigger every:1h --database house\n"
        "def process_scheduled_call(influxdb3_local, call_time, args=None):\n"
        "    import pathlib\n    pathlib.Path('entered').touch()\n    while True: pass\n"
    )
    fired = kernel.start("%fire endless")
    kernel.wait((kernel.folder / "entered").exists)

    kernel.manager.interrupt_kernel()
    kernel.wait(lambda: kernel.is_done(fired), timeout=20)

    assert "endless: cancelled" in kernel.output(fired)


def test_waiting_cell_can_be_interrupted(kernel: Kernel) -> None:
    """Interrupting the wait leaves rows and run alone; the card says so and follows the run."""
    kernel.run(SLOW)
    writing = kernel.start("%%write house\nslow,name=d n=1i")
    kernel.wait((kernel.folder / "entered-d").exists)

    kernel.manager.interrupt_kernel()
    kernel.wait(lambda: kernel.is_done(writing))
    assert "the wait was interrupted; the rows are stored and runs go on" in kernel.card(writing)

    (kernel.folder / "go-d").touch()
    kernel.wait(lambda: "done with d" in kernel.card(writing))


def test_replay_can_be_interrupted(kernel: Kernel) -> None:
    """The stop button ends a replay, also one inside a run that does not end; the next cell replays anew."""
    kernel.run(
        "%%plugin stuck --trigger table:rooms --database house\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    import pathlib\n    while table_batches[0]['rows'][0]['temp'] > 1:\n"
        "        pathlib.Path('replay-entered').touch()\n"
    )
    kernel.run("rows = 'rooms temp=1 1000000000\\nrooms temp=2 2000000000\\nrooms temp=1 3000000000'")
    replaying = kernel.start("%replay rows -p ns --trigger stuck")
    kernel.wait((kernel.folder / "replay-entered").exists)

    kernel.manager.interrupt_kernel()
    kernel.wait(lambda: kernel.is_done(replaying), timeout=20)

    assert "of 3 rows; nothing outside the replay has changed" in kernel.output(replaying)
    again = kernel.run(
        "result = %replay rows -p ns --trigger stuck --to 1970-01-01T00:00:02\nprint(result.row_count)"
    )
    assert "1\n" in kernel.output(again)


def test_created_cache_is_a_card_with_the_commands_answer_behind_it(kernel: Kernel) -> None:
    """A notebook shows what was created in a line; the text beside it is what the command line prints."""
    kernel.run("%%write house\nhome,room=A temp=1,hum=2")
    last = kernel.run(
        "%influxdb3 create last_cache -d house -t home --key-columns room --value-columns temp newest"
    )
    distinct = kernel.run("%influxdb3 create distinct_cache -d house -t home --columns room rooms")
    pages = [
        message["content"]["data"]
        for cell in (last, distinct)
        for message in kernel.of(cell)
        if message["msg_type"] == "display_data"
    ]

    assert [page["text/plain"].startswith("new cache created: {\n") for page in pages] == [True, True]
    first, second = [page["text/html"].partition("<details")[0] for page in pages]
    assert "last-value cache newest created" in first
    assert "1 key column · 1 value column · 1 row a key · kept for 4h" in first
    assert "last_cache(&#x27;home&#x27;, &#x27;newest&#x27;)" in first
    assert "distinct-value cache rooms created" in second
    assert "100,000 combinations at most" in second
