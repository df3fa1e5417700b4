"""Calls that make a run unlike the one before are found, by whatever name they were imported."""

from __future__ import annotations

import ast

import pytest

from procengine.model.portability import NoteCode, portability_notes
from procengine.model.varying_calls import (
    clock_calls,
    leaves_order_open,
    random_calls,
    set_walks,
    sql_chance,
    thread_calls,
)

CLOCKS = [
    ("import time\ntime.time()", "time.time"),
    ("import time as t\nt.time_ns()", "time.time_ns"),
    ("from time import monotonic as m\nm()", "time.monotonic"),
    ("import datetime\ndatetime.datetime.now()", "datetime.datetime.now"),
    ("from datetime import datetime as dt, UTC\ndt.now(UTC)", "datetime.datetime.now"),
    ("from datetime import date\ndate.today()", "datetime.date.today"),
    ("import time\ntime.gmtime()", "time.gmtime"),
    ("import pandas as pd\npd.Timestamp.now()", "pandas.Timestamp.now"),
    ("import time\ntime.strftime('%H')", "time.strftime"),
    ("import time\nclock = time.perf_counter", "time.perf_counter"),
    ("from time import process_time\nprocess_time()", "time.process_time"),
]

RANDOM = [
    ("import random\nrandom.random()", "random.random"),
    ("from random import choice as pick\npick([1])", "random.choice"),
    ("import random\nrandom.Random()", "random.Random"),
    ("import random\nrandom.seed()\nx = 1", None),
    ("import numpy as np\nnp.random.rand()", "numpy.random.rand"),
    ("from numpy import random as nr\nnr.default_rng()", "numpy.random.default_rng"),
    ("import uuid\nuuid.uuid4()", "uuid.uuid4"),
    ("from secrets import token_hex\ntoken_hex()", "secrets.token_hex"),
    ("import os\nos.urandom(8)", "os.urandom"),
    ("import uuid\nkeys = dict(default_factory=uuid.uuid4)", "uuid.uuid4"),
    ("text = 'a'\nhash(text)", "hash"),
    ("thing = object()\nid(thing)", "id"),
]

STEADY = [
    "import time\ntime.gmtime(0)",
    "import time\ntime.sleep(1)",
    "time.time()",
    "from datetime import datetime\ndatetime.fromisoformat('2024-01-01')",
    "import random\nrandom.seed(7)\nrandom.random()",
    "import random\nrandom.Random(7).random()",
    "import numpy as np\nnp.random.default_rng(seed=7)",
    "import uuid\nuuid.uuid5(uuid.NAMESPACE_DNS, 'a')",
    "from .time import time\ntime()",
    "import time\ntime.strftime('%H', time.gmtime(0))",
    "def hash(text): return 3\nhash('a')",
    "class Key:\n    def __hash__(self): return hash(self.name)",
    "def f(id): return id",
]


@pytest.mark.parametrize(("source", "name"), CLOCKS)
def test_varying_calls_finds_clocks(source: str, name: str) -> None:
    """A call that reads a clock is found in its line by its full name."""
    assert list(clock_calls(ast.parse(source))) == [(name, 2)]


@pytest.mark.parametrize(("source", "name"), RANDOM)
def test_varying_calls_finds_random(source: str, name: str | None) -> None:
    """A call that draws without a seed is found in its line by its full name."""
    assert list(random_calls(ast.parse(source))) == ([] if name is None else [(name, 2)])


@pytest.mark.parametrize("source", STEADY)
def test_varying_calls_leaves_steady_ones_alone(source: str) -> None:
    """Calls that give the same for the same arguments, or draw with a seed, are not named."""
    module = ast.parse(source)
    assert [*clock_calls(module), *random_calls(module)] == []


def test_varying_calls_without_a_seed_do_not_count_as_seeded() -> None:
    """``random.seed()`` seeds from the system, so what is drawn after it is still named."""
    module = ast.parse("import random\nrandom.seed()\nrandom.random()")
    assert list(random_calls(module)) == [("random.random", 3)]


def test_varying_calls_become_notes() -> None:
    """The notes of a plugin name both kinds, with their lines."""
    source = "import time, uuid\ndef process_scheduled_call(a, b, c=None):\n    time.time()\n    uuid.uuid4()\n"
    assert [(note.code, note.line_number) for note in portability_notes(source)] == [
        (NoteCode.WALL_CLOCK, 3),
        (NoteCode.UNSEEDED_RANDOM, 4),
    ]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import threading\nthreading.Thread(target=f).start()", "threading.Thread"),
        ("from threading import Timer\nTimer(1, f)", "threading.Timer"),
        (
            "from concurrent.futures import ThreadPoolExecutor as Pool\nPool(2)",
            "concurrent.futures.ThreadPoolExecutor",
        ),
        ("import multiprocessing as mp\nmp.Pool()", "multiprocessing.Pool"),
    ],
)
def test_threads_are_found(source: str, name: str) -> None:
    """Whatever lets things go on at the same time is found by its full name."""
    assert list(thread_calls(ast.parse(source))) == [(name, 2)]


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT Random ( ) AS r", "random()"),
        ("SELECT uuid()", "uuid()"),
        ("SELECT random FROM home", None),
        ("SELECT now()", None),
    ],
)
def test_chance_in_sql_is_found(sql: str, name: str | None) -> None:
    """Functions of SQL that no seed settles; ``now()`` is the virtual clock's in a replay."""
    assert sql_chance(sql) == name


@pytest.mark.parametrize(
    ("sql", "is_open"),
    [
        ("SELECT * FROM home LIMIT 3", True),
        ("SELECT a FROM b UNION ALL SELECT c FROM d", True),
        ("SELECT * FROM home ORDER BY time LIMIT 3", False),
        ("SELECT * FROM home", False),
        ("SHOW TABLES", True),
        ("SELECT table_name FROM information_schema.tables", True),
        ("SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox'", False),
        ("SELECT table_name FROM information_schema.tables ORDER BY 1", False),
        ("SELECT limits FROM reunion", False),
    ],
)
def test_order_that_is_left_open_is_found(sql: str, is_open: bool) -> None:
    """Rows are chosen, or of several queries or schemas, and nothing says in which order."""
    assert leaves_order_open(sql) == is_open


def test_varying_calls_of_threads_and_sql_become_notes() -> None:
    """By codes of their own, with their lines."""
    source = (
        "import threading\n"
        "def process_scheduled_call(influxdb3_local, call_time, args=None):\n"
        "    threading.Thread(target=print).start()\n"
        "    influxdb3_local.query('SELECT uuid() FROM home LIMIT 1')\n"
    )
    assert [(note.code, note.line_number) for note in portability_notes(source)] == [
        (NoteCode.THREADS, 3),
        (NoteCode.ROW_ORDER, 4),
        (NoteCode.UNSEEDED_RANDOM, 4),
    ]


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("for one in set(rows): f(one)", True),
        ("for one in {'a', b}: f(one)", True),
        ("for one in frozenset(a) - known: f(one)", True),
        ("x = [f(one) for one in {g(a) for a in b}]", True),
        ("x = list(set(rows))", True),
        ("x = ', '.join({f(a) for a in b})", True),
        ("for one in sorted(set(rows)): f(one)", False),
        ("x = {f(one) for one in set(rows)}", False),
        ("x = any(f(one) for one in set(rows))", False),
        ("for one in {1, 2}: f(one)", False),
        ("for one in {'a': 1}: f(one)", False),
    ],
)
def test_walks_through_sets_are_found(line: str, is_found: bool) -> None:
    """Where a set of more than numbers is made and gone through in its own order, but where no order matters."""
    assert list(set_walks(ast.parse(f"import x\n{line}"))) == [2] * is_found
    codes = [note.code for note in portability_notes(line)]
    assert codes.count(NoteCode.SET_ORDER) == is_found
