"""In a real kernel: a fired run stops where a debugger is, at the prompt or in the front end; others go on."""

from __future__ import annotations

import json
import queue
import re
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.extension.test_kernel import Kernel

STEPS = """%%plugin {name} --trigger table:{name} --database house --limit wall=60s
def doubled(value):
    twice = 2 * value
    {inside}
    return twice

def process_writes(influxdb3_local, table_batches, args=None):
    first = table_batches[0]["rows"][0]["temp"]
    print("to the log")
    again = doubled(first)
    influxdb3_local.info("doubled", again)
"""

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Debugged(Kernel):
    """A kernel whose prompts are answered, and whose debugger is spoken to."""

    thread_id = 0
    """The thread that was stopped last."""

    def answer(self, code: str, answers: Sequence[str]) -> str:
        """Run a cell, answer its prompts one by one; return its output. All answers must be asked for."""
        left = list(answers)
        cell = str(self.client.execute(code, allow_stdin=True))

        def done() -> bool:
            try:
                asked = self.client.get_stdin_msg(timeout=0.02)
            except queue.Empty:
                return self.is_done(cell)
            assert asked["content"]["prompt"] == "ipdb> "
            self.client.input(left.pop(0))
            return False

        self.wait(done)
        assert not left
        return ESCAPES.sub("", self.output(cell))

    def debug(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send the debugger a request over the control channel; return the reply's body."""
        self.sequence = getattr(self, "sequence", 0) + 1
        content = {
            "seq": self.sequence,
            "type": "request",
            "command": command,
            "arguments": arguments,
        }
        request = self.client.session.msg("debug_request", content)
        self.client.control_channel.send(request)
        deadline = time.monotonic() + 30
        while True:
            assert time.monotonic() < deadline, f"no reply to {command}"
            reply = self.client.control_channel.get_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                assert reply["content"].get("success"), reply["content"]
                return dict(reply["content"].get("body") or {})

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the bodies of the debugger's events of a name so far."""
        return [
            m["content"]["body"]
            for m in self.messages
            if m["msg_type"] == "debug_event" and m["content"]["event"] == name
        ]

    def event(self, name: str) -> dict[str, Any]:
        """Wait for an event of the debugger; return its body."""
        self.wait(lambda: self.events(name))
        return self.events(name)[-1]

    def stop_after(self, number: int, cell: str) -> list[dict[str, Any]] | None:
        """Wait for the stop after so many; return its stack, None if the cell ends before."""
        self.wait(lambda: len(self.events("stopped")) > number or self.is_done(cell))
        stops = self.events("stopped")
        if len(stops) <= number:
            return None
        self.thread_id = stops[number]["threadId"]
        return list(self.debug("stackTrace", threadId=self.thread_id)["stackFrames"])


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debugged]:
    """A kernel with the extension, in a folder of its own."""
    one = Debugged(tmp_path_factory.mktemp("kernel"))
    try:
        one.run("%load_ext procengine")
        one.run("engine = get_ipython().magics_manager.registry['ProcengineMagics'].session.engine")
        one.run("import threading")
        one.run(STEPS.format(name="plain", inside="pass"))
        one.run(STEPS.format(name="marked", inside="breakpoint()"))
        yield one
    finally:
        one.stop()


def test_debugged_run_stops_at_the_first_line(kernel: Debugged) -> None:
    """Without a breakpoint a plugin stops at its entry point's first line, the cell's, and can be walked."""
    shown = kernel.answer(
        '%fire plain --debug --lp "plain,room=a temp=21"',
        ["p len(table_batches)", "n", "n", "n", "p again", "c"],
    )

    assert "(8)process_writes()" in shown.split("(9)process_writes()")[0]
    assert "---> 11     influxdb3_local.info" in shown
    assert "\n42.0\n" in shown
    assert "plain: success" in shown
    assert "print to the log" in shown


def test_debugged_run_stops_at_breakpoint(kernel: Debugged) -> None:
    """Where a plugin says ``breakpoint()``, the run goes on until there."""
    shown = kernel.answer(
        '%fire marked --debug --lp "marked,room=a temp=21"', ["p twice", "u", "p first", "c"]
    )

    assert "----> 5     return twice" in shown.partition("ipdb")[0]
    assert "(8)process_writes()" not in shown
    assert "42.0" in shown
    assert "21.0" in shown
    assert "marked: success" in shown


def test_steps_pass_over_the_engine(kernel: Debugged) -> None:
    """Stepping into what ``influxdb3_local`` and ``print`` do leads to the plugin's next line."""
    shown = kernel.answer('%fire plain --debug --lp "plain,room=a temp=21"', ["s", "s", "s", "s", "c"])

    assert "local_api.py" not in shown
    assert "output.py" not in shown
    assert "(2)doubled()" in shown


def test_quitting_the_debugger_cancels_the_run(kernel: Debugged) -> None:
    """``q`` ends the run, and the card says so by the plugin's own line."""
    shown = kernel.answer('%fire plain --debug --lp "plain,room=a temp=21"', ["n", "q"])

    assert "plain: cancelled" in shown
    assert "line 9, in process_writes" in shown
    assert "KeyboardInterrupt: quit in the debugger" in shown
    assert "debugged_run.py" not in shown


def test_stop_button_at_the_prompt_cancels_the_run(kernel: Debugged) -> None:
    """As ``q`` does."""
    cell = str(
        kernel.client.execute('%fire plain --debug --lp "plain,room=a temp=21"', allow_stdin=True)
    )
    kernel.client.get_stdin_msg(timeout=20)
    kernel.manager.interrupt_kernel()
    kernel.wait(lambda: kernel.is_done(cell))

    assert "plain: cancelled" in kernel.output(cell)
    assert "quit in the debugger" in kernel.output(cell)


def test_trigger_can_be_disabled_while_a_run_of_it_stands_at_the_prompt(kernel: Debugged) -> None:
    """The run ends when the reader lets it go on."""
    kernel.run("disabling = threading.Thread(target=engine.triggers.disable, args=('house', 'plain'))")
    shown = kernel.answer(
        '%fire plain --debug --lp "plain,room=a temp=21"',
        [
            "!get_ipython().user_ns['disabling'].start()",
            "!while not influxdb3_local.__run__.thread._token.cancelled: pass",
            "p 'still here'",
            "c",
        ],
    )
    kernel.run("disabling.join(); engine.triggers.enable('house', 'plain')")

    assert "'still here'" in shown
    assert "plain: cancelled" in shown


def test_debugger_needs_somebody_to_ask(kernel: Debugged) -> None:
    """Where a front end has no prompt, nothing is fired."""
    cell = str(
        kernel.client.execute('%fire plain --debug --lp "plain,room=a temp=21"', allow_stdin=False)
    )
    kernel.wait(lambda: kernel.is_done(cell))

    assert "--debug asks in the cell's prompt, and this front end has none" in kernel.output(cell)
    assert "plain: " not in kernel.output(cell)


def test_other_triggers_go_on_while_one_stands_at_the_prompt(kernel: Debugged) -> None:
    """What is written meanwhile runs its trigger."""
    shown = kernel.answer(
        '%fire plain --debug --lp "plain,room=a temp=21"',
        [
            "!import threading; ran = threading.Event()",
            "!engine = get_ipython().user_ns['engine']",
            "!leave = engine.triggers.subscribe(lambda run: ran.set() if run.trigger == 'marked' else None)",
            "!written = engine.write('house', 'marked,room=b temp=1')",
            "p 'ran', ran.wait(20)",
            "c",
        ],
    )

    assert "('ran', True)" in shown
    assert "plain: success" in shown


def test_plugin_of_a_folder_is_debugged(kernel: Debugged) -> None:
    """A step leads from one of its files into another."""
    kernel.run(
        "%%plugin rooms/__init__ --trigger every:1h --database house\n"
        "from rooms.rules import rule\n"
        "def process_scheduled_call(influxdb3_local, call_time, args=None):\n"
        "    influxdb3_local.info(rule(3))\n"
    )
    kernel.run("%%plugin rooms/rules\ndef rule(number):\n    breakpoint()\n    return number + 1\n")
    shown = kernel.answer("%fire rooms --debug", ["p number", "u", "c"])

    assert "return number + 1" in shown
    assert "influxdb3_local.info(rule(3))" in shown
    assert "INFO  4" in shown


def test_breakpoint_of_a_background_run_is_kept_for_debug(kernel: Debugged) -> None:
    """A run that a write caused passes it, says so, and ``%debug`` finds the values of that moment."""
    written = kernel.run("%%write house\nmarked,room=a temp=21")
    assert "breakpoint() in doubled, line 3 of marked.py" in kernel.card(written)
    assert "%debug looks at it" in kernel.card(written)
    assert "INFO  doubled 42.0" in kernel.card(written)

    shown = kernel.answer("%debug", ["p twice", "u", "p first", "p 'again' in locals()", "q"])

    assert "----> 4     breakpoint()" in shown
    assert "42.0" in shown
    assert "21.0" in shown
    assert "False" in shown


def test_debug_opens_what_a_run_in_the_background_failed_with(kernel: Debugged) -> None:
    """A run that no cell waits for is opened by ``%debug``, too."""
    kernel.run(
        "%%plugin broken --trigger request:broken --database house\n"
        "def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):\n"
        "    missing = 'nothing'\n"
        "    return query_parameters[missing]\n"
    )
    kernel.run(
        "from procengine.model.run import Cause, CauseKind\n"
        "from procengine.processing.event import RequestEvent\n"
        "event = RequestEvent(method='GET', query_params={}, headers={}, body=b'', "
        "cause=Cause(kind=CauseKind.REQUEST))\n"
        "thread = threading.Thread(target=engine.triggers.request, args=('broken', event))\n"
        "thread.start(); thread.join()"
    )

    shown = kernel.answer("%debug", ["p missing", "q"])

    assert "----> 4     return query_parameters[missing]" in shown
    assert "'nothing'" in shown


def test_cells_own_error_is_not_lost_to_background_failures(kernel: Debugged) -> None:
    """What a cell raised is what ``%debug`` opens, though a run fails later."""
    kernel.run("mine = 3\n1 / (mine - 3)")
    kernel.run(
        "thread = threading.Thread(target=engine.triggers.request, args=('broken', event))\n"
        "thread.start(); thread.join()"
    )

    shown = kernel.answer("%debug", ["p mine", "q"])

    assert "1 / (mine - 3)" in shown


def test_profiled_run_tells_where_its_time_went(kernel: Debugged) -> None:
    """The card has the plugin's functions by the cell's lines, and its calls of the engine."""
    shown = kernel.output(kernel.run('%fire plain --profile --lp "plain,room=a temp=21"'))

    assert "in the entry point, the profiler's own cost included" in shown
    assert re.search(r"doubled +1× .* Cell In\[\d+\], line 2", shown)
    assert re.search(r"influxdb3_local\.info +1× .* engine", shown)


def api(kernel: Debugged) -> Callable[[str, bytes], Any]:
    """Return what posts to the kernel's HTTP API from this process."""
    kernel.run("from procengine.http import server_of\nserver = server_of(engine)")
    url, token = kernel.output(kernel.run("print(server.url, server.token())")).split()

    def ask(path: str, body: bytes) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(url + path, data=body, headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=20) as response:
            text = response.read()
        return json.loads(text) if text else None

    return ask


@pytest.fixture
def seen_kernel(kernel: Debugged) -> Iterator[Debugged]:
    """The kernel with the front end's debugger on."""
    kernel.messages.clear()
    kernel.debug(
        "initialize",
        clientID="test",
        adapterID="",
        linesStartAt1=True,
        columnsStartAt1=True,
        pathFormat="path",
    )
    kernel.debug("attach")
    try:
        yield kernel
    finally:
        kernel.debug("disconnect", restart=False, terminateDebuggee=False)


def test_visual_debugger_stops_in_a_plugin_cell_and_the_engine_goes_on(seen_kernel: Debugged) -> None:
    """A breakpoint of the cell's whole source binds; while the run stands there, the engine writes and answers."""
    source = STEPS.format(name="seen", inside="pass")
    path = seen_kernel.debug("dumpCell", code=source)["sourcePath"]
    bound = seen_kernel.debug(
        "setBreakpoints", source={"path": path}, breakpoints=[{"line": 3}], sourceModified=False
    )
    assert bound["breakpoints"][0]["verified"]
    seen_kernel.debug("configurationDone")
    seen_kernel.run(source)
    ask = api(seen_kernel)

    fired = seen_kernel.start('%fire seen --debug --lp "seen,room=a temp=21"')
    stopped = seen_kernel.event("stopped")
    frames = seen_kernel.debug("stackTrace", threadId=stopped["threadId"])["stackFrames"]
    assert (frames[0]["name"], frames[0]["line"], frames[0]["source"]["path"]) == ("doubled", 3, path)
    assert not seen_kernel.is_done(fired)

    ask("/api/v3/write_lp?db=house", b"marked,room=c temp=4")
    question = json.dumps(
        {"db": "house", "q": "SELECT temp FROM marked WHERE room = 'c'", "format": "json"}
    )
    assert ask("/api/v3/query_sql", question.encode()) == [{"temp": 4.0}]
    assert not seen_kernel.is_done(fired)

    seen_kernel.debug("continue", threadId=stopped["threadId"])
    seen_kernel.wait(lambda: seen_kernel.is_done(fired))
    assert "seen: success" in seen_kernel.output(fired)


def test_visual_debugger_stops_at_breakpoint(seen_kernel: Debugged) -> None:
    """Where the plugin says ``breakpoint()``, while the front end's debugger is on: in its frame."""
    fired = seen_kernel.start('%fire marked --debug --lp "marked,room=a temp=21"')
    stopped = seen_kernel.event("stopped")
    frames = seen_kernel.debug("stackTrace", threadId=stopped["threadId"])["stackFrames"]
    assert frames[0]["name"] == "doubled"
    seen_kernel.debug("continue", threadId=stopped["threadId"])
    seen_kernel.wait(lambda: seen_kernel.is_done(fired))
    assert "marked: success" in seen_kernel.output(fired)


@pytest.mark.parametrize("step", ["next", "stepIn", "stepOut"])
def test_step_past_a_plugins_end_leads_to_the_cell(seen_kernel: Debugged, step: str) -> None:
    """Neither the engine's frames nor those of libraries that it calls come in between, whatever the step."""
    source = STEPS.format(name="stepped", inside="pass")
    path = seen_kernel.debug("dumpCell", code=source)["sourcePath"]
    fire = '%fire stepped --debug --lp "stepped,room=a temp=21"'
    several = f"before = 1\n{fire}\nafter = 2\n"
    cell_path = seen_kernel.debug("dumpCell", code=several)["sourcePath"]
    seen_kernel.debug(
        "setBreakpoints", source={"path": path}, breakpoints=[{"line": 11}], sourceModified=False
    )
    seen_kernel.debug("configurationDone")
    seen_kernel.run(source)

    cell = seen_kernel.start(several)
    frames = seen_kernel.stop_after(0, cell)
    assert frames is not None
    assert [(one["name"], one["line"]) for one in frames[:2]] == [
        ("process_writes", 11),
        ("<module>", 2),
    ]
    seen_kernel.debug(step, threadId=seen_kernel.thread_id)
    places = []
    while (frames := seen_kernel.stop_after(1 + len(places), cell)) is not None:
        places.append((frames[0]["source"]["path"], frames[0]["line"]))
        seen_kernel.debug("next" if len(places) < 2 else "continue", threadId=seen_kernel.thread_id)
    assert places == [(cell_path, 2), (cell_path, 3)]
    seen_kernel.run("assert after == 2")

    alone = seen_kernel.start(fire)
    assert seen_kernel.stop_after(3, alone) is not None
    seen_kernel.debug(step, threadId=seen_kernel.thread_id)
    assert seen_kernel.stop_after(4, alone) is None
    assert "stepped: success" in seen_kernel.output(alone)


def test_engines_frames_are_passed_over_also_if_the_debugger_was_on_before(tmp_path: Path) -> None:
    """Loading tells a debugger that is on, and unloading takes the engine's folders out again."""
    kernel = Debugged(tmp_path)
    try:
        kernel.debug(
            "initialize",
            clientID="test",
            adapterID="",
            linesStartAt1=True,
            columnsStartAt1=True,
            pathFormat="path",
        )
        kernel.debug("attach")
        kernel.run("modules = get_ipython().kernel.debugger.kernel_modules\nbefore = list(modules)")
        kernel.run("%load_ext procengine")
        source = STEPS.format(name="seen", inside="pass")
        path = kernel.debug("dumpCell", code=source)["sourcePath"]
        kernel.debug("setBreakpoints", source={"path": path}, breakpoints=[{"line": 11}])
        kernel.debug("configurationDone")
        kernel.run(source)
        cell = kernel.start('%fire seen --debug --lp "seen,room=a temp=21"')
        frames = kernel.stop_after(0, cell)
        assert frames is not None
        assert [one["name"] for one in frames] == ["process_writes", "<module>"]
        kernel.debug("continue", threadId=kernel.thread_id)
        kernel.wait(lambda: kernel.is_done(cell))
        assert "True" in kernel.output(kernel.run("%unload_ext procengine\nmodules == before"))
    finally:
        kernel.stop()
