"""Checks of a plugin's text when a trigger is created."""

from __future__ import annotations

import ast

import pytest

from procengine.errors import PluginSourceError
from procengine.model.trigger import TriggerKind
from procengine.processing.entry_point import check_entry_point, missing_text

WRITE, SCHEDULE, REQUEST = TriggerKind.WRITE, TriggerKind.SCHEDULE, TriggerKind.REQUEST


def check(text: str, kind: TriggerKind, first_line: int = 1) -> None:
    check_entry_point(ast.parse(text), kind, filename="p.py", first_line=first_line)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("def process_writes(a, b, c): pass", WRITE),
        ("def process_writes(a, b, c=None, d=1, *, e=2): pass", WRITE),
        ("def process_writes(*args): pass", WRITE),
        ("def process_writes(a, /, b, *args): pass", WRITE),
        ("def process_scheduled_call(a, b, c=None): pass", SCHEDULE),
        ("def process_request(a, b, c, d, e=None): yield 'streamed'", REQUEST),
        ("process_writes = lambda a, b, c: None", WRITE),
        ("process_writes: object = print", WRITE),
        ("from helpers import process_writes", WRITE),
        ("from helpers import run as process_writes", WRITE),
        ("from helpers import *", WRITE),
        ("if True:\n    def process_writes(a, b, c): pass\nelse:\n    process_writes = None", WRITE),
        (
            "try:\n    pass\nexcept Exception:\n    pass\nelse:\n    def process_writes(a, b, c): pass",
            WRITE,
        ),
        ("@wrapped\ndef process_writes(anything): pass", WRITE),
        ("class process_writes:\n    def __init__(self, a, b, c): pass", WRITE),
        (
            "try:\n    from x import process_writes\nexcept ImportError:\n    process_writes = None",
            WRITE,
        ),
        ("process_writes = 5\ndef process_writes(a, b, c): pass", WRITE),
        ("process_writes, other = print, 5", WRITE),
        ("process_writes: object", WRITE),
        ("globals()['process_writes'] = print", WRITE),
        ("def process_writes(a): pass\ndef process_writes(a, b, c): pass", WRITE),
        ("def process_writes(a, b, c):\n    def inner():\n        yield 1", WRITE),
    ],
)
def test_accepted(text: str, kind: TriggerKind) -> None:
    """An entry point that can be called, as far as the text shows, is accepted."""
    check(text, kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", WRITE),
        ("def process_write(a, b, c): pass", WRITE),
        ("def process_writes(a, b, c): pass", SCHEDULE),
        ("class Plugin:\n    def process_writes(self, a, b, c): pass", WRITE),
        ("def outer():\n    def process_writes(a, b, c): pass", WRITE),
        ("process_writes", WRITE),
    ],
)
def test_missing(text: str, kind: TriggerKind) -> None:
    """Section 6: the original's text for a missing function."""
    with pytest.raises(
        PluginSourceError, match=r"^the process_\w+ function is not present in the plugin\. "
    ):
        check(text, kind)


@pytest.mark.parametrize(
    ("text", "kind", "hint"),
    [
        ("def process_write(a, b, c): pass", WRITE, "process_write: did you mean process_writes?"),
        ("process_writers = print", WRITE, "process_writers: did you mean process_writes?"),
        ("def process_request_(a): pass", REQUEST, "process_request_: did you mean process_request?"),
        ("def processWrites(a): pass", WRITE, "processWrites: did you mean process_writes?"),
        ("def process_schedule_call(a): pass", SCHEDULE, "did you mean process_scheduled_call?"),
        ("def process_request(*a): pass", WRITE, "process_request, which request triggers call"),
        (
            "def process_request(*a): pass\ndef process_writes(*a): pass",
            SCHEDULE,
            "process_writes, which write triggers call and process_request, which request triggers call",
        ),
    ],
)
def test_near_misses(text: str, kind: TriggerKind, hint: str) -> None:
    """Behind the original's text stands what the plugin has in the entry point's stead."""
    with pytest.raises(PluginSourceError) as raised:
        check(text, kind)
    told, _, rest = str(raised.value).partition(" (it has ")
    assert told.endswith(missing_text(kind))
    assert rest.removesuffix(")").endswith(hint)


@pytest.mark.parametrize("text", ["", "def process(a): pass", "def helper(): pass\nimport os"])
def test_far_names_are_not_suggested(text: str) -> None:
    """A name that is no slip of the entry point's is not brought up."""
    with pytest.raises(PluginSourceError) as raised:
        check(text, WRITE)
    assert str(raised.value).endswith(missing_text(WRITE))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("process_writes = 5", "the process_writes of the plugin is 5, which cannot be called"),
        ("process_writes: str = 'name'", "is 'name', which cannot be called"),
        ("other = process_writes = None", "is None, which cannot be called"),
        (f"process_writes = {list(range(40))}", "is [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11..., which"),
        ("def process_writes(a, b, c): pass\nprocess_writes = {}", "is {}, which cannot be called"),
    ],
)
def test_plain_values(text: str, fault: str) -> None:
    """An entry point that is a number, text or list in the end is refused at its line."""
    with pytest.raises(PluginSourceError) as raised:
        check(text, WRITE, first_line=10)
    assert fault in str(raised.value)
    assert "Should be defined as: process_writes(" in str(raised.value)
    assert raised.value.line_number == 9 + len(text.splitlines())


@pytest.mark.parametrize(
    ("text", "kind", "fault"),
    [
        (
            "def process_writes(a, b): pass",
            WRITE,
            (
                "the process_writes function cannot take the 3 positional arguments of its call: "
                "process_writes(a, b). Should be defined as: "
                "process_writes(influxdb3_local, table_batches, args=None)"
            ),
        ),
        (
            "def process_writes(a, b, c, d): pass",
            WRITE,
            "cannot take the 3 positional arguments of its call: process_writes(a, b, c, d)",
        ),
        ("def process_request(a, b, c): pass", REQUEST, "cannot take the 5 positional arguments"),
        (
            "def process_scheduled_call(a, b, c, *, d): pass",
            SCHEDULE,
            (
                "requires keyword arguments that its call does not give: "
                "process_scheduled_call(a, b, c, *, d)"
            ),
        ),
        ("async def process_writes(a, b, c): pass", WRITE, "'async def', and nothing would await it"),
        ("def process_writes(a, b, c): yield", WRITE, "has a 'yield', so calling it would run nothing"),
    ],
)
def test_uncallable(text: str, kind: TriggerKind, fault: str) -> None:
    """What cannot take its call is named, with what is expected, and the line."""
    with pytest.raises(PluginSourceError) as raised:
        check(f"import os\n{text}", kind, first_line=10)
    assert fault in str(raised.value)
    assert (raised.value.filename, raised.value.line_number) == ("p.py", 11)
