"""When the globals of a run go."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from procengine.model.run import RunOutcome
from procengine.processing.run_globals import RunGlobals
from tests.processing.plugin_doubles import PluginBench, request_event

FUNCTIONS = """
def helper():
    return 41

def process(step=1):
    return helper() + step
"""

MARKED = """
from tests.processing.test_run_globals import Marker

marker = Marker()

def helper():
    return marker

def process_request(local, params, headers, body, args):
    local.cache.put("seen", 1)
    {body}
"""


class Marker:
    """An object in a plugin's globals, which goes when they do."""

    seen: weakref.ref[Marker]

    def __init__(self) -> None:
        Marker.seen = weakref.ref(self)


@pytest.fixture
def _without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _globals_of(text: str, kept: dict[str, Any] | None = None) -> RunGlobals:
    names: dict[str, Any] = {"kept": kept}
    exec(text, names)
    return RunGlobals(names)


def test_globals_of_plain_functions_are_emptied() -> None:
    """Nothing but its own functions refers to what such a text was executed in."""
    assert _globals_of(FUNCTIONS).release()


@pytest.mark.parametrize(
    "text",
    [
        "kept['it'] = process\n",
        "kept['it'] = lambda: helper() + 1\n",
        "class Rooms:\n    def __call__(self):\n        return helper() + 1\nkept['it'] = Rooms()\n",
        "def outer():\n    return lambda: helper() + 1\nkept['it'] = outer()\n",
        "import functools\nkept['it'] = functools.partial(process)\n",
        "def numbers():\n    yield helper() + 1\nkept['it'] = numbers().__next__\n",
        "kept['it'] = lambda names=globals(): names['helper']() + 1\n",
    ],
    ids=["function", "lambda", "object", "inner function", "partial", "generator", "globals"],
)
def test_what_a_plugin_left_behind_works_on(text: str) -> None:
    """Globals that something outside still needs stay as they are."""
    kept: dict[str, Any] = {}
    assert not _globals_of(FUNCTIONS + text, kept).release()
    assert kept["it"]() == 42


def test_a_finalizer_of_a_class_of_the_file_finds_its_globals() -> None:
    """An object of the file is left to the collector, which calls finalizers before it takes the ring apart."""
    kept: dict[str, Any] = {}
    text = """
class Rooms:
    def __del__(self):
        kept['it'] = helper()

rooms = Rooms()
"""
    assert not _globals_of(FUNCTIONS + text, kept).release()
    gc.collect()
    assert kept == {"it": 41}


@pytest.mark.usefixtures("_without_collector")
def test_a_run_leaves_no_globals_for_the_collector(plugin_bench: PluginBench) -> None:
    """What a single file's run was executed in goes with the run."""
    run = plugin_bench.run(MARKED.format(body="return 'x'"), request_event())
    assert run.outcome is RunOutcome.SUCCESS
    assert Marker.seen() is None


@pytest.mark.usefixtures("_without_collector")
def test_a_failed_run_keeps_what_its_traceback_shows(plugin_bench: PluginBench) -> None:
    """The failure's exception stands in frames of the plugin, whose globals stay."""
    run = plugin_bench.run(MARKED.format(body="1 / 0"), request_event())
    assert run.failure is not None
    assert run.failure.exception is not None
    traceback = run.failure.exception.__traceback__
    while traceback is not None and "marker" not in traceback.tb_frame.f_globals:
        traceback = traceback.tb_next
    assert traceback is not None
    assert traceback.tb_frame.f_globals["helper"]() is Marker.seen()
