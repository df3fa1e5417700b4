"""Objects of plugins' own classes in the plugin cache: they survive, with the plugin's identity."""

from __future__ import annotations

import builtins
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from procengine.model.run import RunOutcome
from procengine.processing.cancellation import CancelToken
from tests.processing.plugin_doubles import scheduled
from tests.processing.test_plugin_cache_kept import CACHE, WAIT_SECONDS, Engines

COUNTER = """
class Counter:
    def __init__(self):
        self.n = 0
    def add(self):
        self.n += 1
        return self.n
"""

KINDS = """
import enum, collections, dataclasses, typing

class Plain:
    pass

class Slotted:
    __slots__ = ("a", "b")

@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    a: int
    b: list

class Color(enum.Enum):
    RED = 1

Point = collections.namedtuple("Point", "x y")

class Typed(typing.NamedTuple):
    x: int

class Fault(ValueError):
    pass

class Counts(dict):
    pass

class Outer:
    class Inner:
        a = 1

class Kind(type):
    def __eq__(self, other):
        return False
    __hash__ = type.__hash__

class Strange(metaclass=Kind):
    a = 3

def double(n):
    return 2 * n

def made(**attributes):
    plain = Plain()
    plain.__dict__.update(attributes)
    return plain

def line():
    return LineBuilder("t").int64_field("n", 1)

def slotted():
    found = Slotted()
    found.a = 7
    return found
"""


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    """Benches over one state folder."""
    engines = Engines(tmp_path)
    yield engines
    engines.bench.close()


def test_an_object_of_a_single_files_class_survives(engines: Engines) -> None:
    """The object comes back with its state, and goes on by the code of the plugin."""
    body = f"""
        {CACHE}
        counter = cache.get('counter')
        if counter is None:
            counter = Counter()
            cache.put('counter', counter)
        influxdb3_local.info(counter.add())
    """
    seen = []
    for _ in range(3):
        for _ in range(2):
            run = engines.run(body, COUNTER)
            assert [key.key for key in run.cache_keys] == ["counter"]
            seen.append(run.logs[1].text)
        engines.crash()
    assert seen == ["1", "2", "3", "4", "5", "6"]
    assert engines.log() == []


@pytest.mark.parametrize(
    ("value", "check"),
    [
        ("made(a=[1])", "value.a == [1]"),
        ("slotted()", "value.a == 7"),
        ("Record(1, [2])", "(value.a, value.b) == (1, [2])"),
        ("Color.RED", "(value.name, value.value) == ('RED', 1)"),
        ("Point(1, 2)", "value == (1, 2) and value.y == 2"),
        ("Typed(1)", "value.x == 1"),
        ("Fault('no', 1)", "value.args == ('no', 1)"),
        ("Counts(a=1)", "value == {'a': 1}"),
        ("Outer.Inner()", "value.a == 1"),
        ("Strange()", "value.a == 3"),
        ("Plain", "value.__name__ == 'Plain'"),
        ("double", "value(4) == 8"),
        ("__import__('functools').partial(double, 5)", "value() == 10"),
        ("collections.defaultdict(Counts)", "value['x'] == {}"),
        ("made(a=1).__init__", "value() is None"),
        ("line()", "value.build() == 't n=1i'"),
        ("[made(a=Point(1, made(b=Color.RED)))]", "value[0].a.y.b.name == 'RED'"),
    ],
)
def test_what_a_single_file_defines_survives(engines: Engines, value: str, check: str) -> None:
    """Classes of every make, their instances, and functions come back."""
    engines.run(f"{CACHE}cache.put('k', {value})", KINDS)
    assert engines.log() == []
    engines.crash()
    engines.run(f"{CACHE}value = cache.get('k')\nassert {check}, value", KINDS)
    engines.run(f"{CACHE}value = cache.get('k')\nassert {check}, value", KINDS)
    assert engines.log() == []


def test_a_cached_object_is_no_instance_of_the_running_class(engines: Engines) -> None:
    """As in the original each run defines its classes anew; after a restart it is no other way."""
    body = f"""
        {CACHE}
        counter = cache.get('counter')
        cache.put('counter', counter or Counter())
        cache.put('other', cache.get('other') or Counter())
        influxdb3_local.info(isinstance(counter, Counter), type(counter) is type(cache.get('other')))
    """
    assert engines.run(body, COUNTER).logs[1].text == "False False"
    assert engines.run(body, COUNTER).logs[1].text == "False True"
    engines.restart()
    for _ in range(2):
        assert engines.run(body, COUNTER).logs[1].text == "False True"


def test_looking_at_an_object_that_came_back_changes_nothing(engines: Engines) -> None:
    """An object that was unpickled shares names of attributes anew: other bytes, but no change."""
    engines.run(f"{CACHE}cache.put('k', made(first='first'))", KINDS)
    engines.restart()
    for _ in range(2):
        assert engines.run(f"{CACHE}assert cache.get('k').first == 'first'", KINDS).cache_keys == ()


def test_an_object_goes_on_by_the_code_as_it_is(engines: Engines) -> None:
    """A plugin that was corrected while the engine was down corrects its objects."""
    engines.run(f"{CACHE}cache.put('counter', Counter())", COUNTER)
    engines.restart()
    changed = COUNTER.replace("+= 1", "+= 10")
    run = engines.run(f"{CACHE}influxdb3_local.info(cache.get('counter').add())", changed)
    assert run.logs[1].text == "10"


def test_an_object_whose_class_is_gone_stays_stored(engines: Engines) -> None:
    """``get`` gives its default, the log says why once, and the value is back when the class is."""
    engines.run(f"{CACHE}cache.put('counter', Counter())\ncache.put('n', 1)", COUNTER)
    engines.restart()
    for _ in range(2):
        run = engines.run(f"{CACHE}assert (cache.get('counter', 'none'), cache.get('n')) == ('none', 1)")
        assert run.cache_keys == ()
    (text,) = engines.log()
    assert text == (
        "plugin cache: the stored value of key 'counter' (Counter) cannot be restored and counts as missing; it "
        "stays stored until the key is put or deleted: NotFoundInPluginError: plugin plugin.py has no 'Counter' any "
        "more"
    )
    engines.restart()
    assert engines.run(f"{CACHE}cache.get('counter').add()", COUNTER).outcome is RunOutcome.SUCCESS


def test_an_object_whose_plugin_is_gone_stays_stored(engines: Engines) -> None:
    """A global value of another plugin's class, whose file was removed, counts as missing."""
    engines.run(f"{CACHE}cache.put('counter', Counter(), use_global=True)", COUNTER, "one.py")
    engines.restart()
    (engines.plugins / "one.py").unlink()
    get = f"{CACHE}assert cache.get('counter', 'none', use_global=True) == 'none'"
    engines.run(get, filename="two.py", trigger_id=2)
    (text,) = engines.log()
    assert text.startswith(
        "global plugin cache: the stored value of key 'counter' (Counter) cannot be restored"
    )
    assert "plugin 'one.py' is gone: " in text


def test_an_object_whose_plugin_raises_stays_stored(engines: Engines) -> None:
    """What the text of the other plugin raises is the reason, SystemExit included."""
    engines.run(f"{CACHE}cache.put('counter', Counter(), use_global=True)", COUNTER, "one.py")
    engines.restart()
    (engines.plugins / "one.py").write_text("raise SystemExit('no more')")
    engines.run(f"{CACHE}cache.get('counter', use_global=True)", filename="two.py", trigger_id=2)
    (text,) = engines.log()
    assert text.endswith("SystemExit: no more")


def test_classes_inside_functions_are_named(engines: Engines) -> None:
    """A class that has no place in the plugin's text cannot be found again: its objects stay in memory."""
    engines.run(f"{CACHE}\nclass Local: pass\ncache.put('k', Local())")
    (text,) = engines.log()
    assert "key 'k' (process_scheduled_call.<locals>.Local) cannot be pickled" in text


def test_namesakes_of_two_plugins_are_kept_apart(engines: Engines) -> None:
    """An object of one plugin's class that another plugin changes stays the first one's."""
    one, two = "class Item:\n    who = 'one'\n", "class Item:\n    who = 'two'\n"
    engines.run(f"{CACHE}cache.put('item', Item(), use_global=True)", one, "one.py")
    body = f"{CACHE}item = cache.get('item', use_global=True)\nitem.n = 1\ncache.put('mine', Item())"
    engines.run(body, two, "two.py", 2)
    engines.crash()
    body = f"""
        {CACHE}
        item = cache.get('item', use_global=True)
        influxdb3_local.info(item.who, item.n, cache.get('mine').who)
    """
    assert engines.run(body, two, "two.py", 2).logs[1].text == "one 1 two"


def test_objects_of_an_earlier_runs_class_can_be_added_later(engines: Engines) -> None:
    """An object that no commit has seen before, of the class of a run that is over, belongs to the same plugin."""
    engines.run(f"{CACHE}cache.put('class', [lambda: Counter])", COUNTER)  # stays in memory
    engines.run(f"{CACHE}cache.put('late', cache.get('class')[0]()())", COUNTER)
    engines.crash()
    run = engines.run(f"{CACHE}influxdb3_local.info(cache.get('late').add())", COUNTER)
    assert run.logs[1].text == "1"


def test_nothing_is_unpickled_before_it_is_asked_for(engines: Engines) -> None:
    """A value that cannot be restored costs nobody who does not ask for it; listing does not ask."""
    engines.run(f"{CACHE}cache.put('counter', Counter())\ncache.put('n', 1)", COUNTER)
    engines.restart()
    (engines.plugins / "plugin.py").write_text("raise ValueError('broken')")
    assert [value.type_name for value in engines.bench.caches.values()] == ["Counter", "int"]
    assert engines.get("n") == 1
    assert engines.log() == []
    counter = engines.bench.caches.values()[0]
    with pytest.raises(ValueError, match="broken"):
        counter.value  # noqa: B018


def test_a_cancelled_run_can_leave_an_endless_value(engines: Engines) -> None:
    """Unpickling runs the plugin's code and is interrupted with it; the bytes stay what they are."""
    head = (
        "class Endless:\n"
        "    def __setstate__(self, state):\n        {}\n"
        "    def __getstate__(self):\n        return 1\n"
    )
    engines.run(f"{CACHE}cache.put('k', Endless())", head.format("pass"))
    engines.restart()
    token, reached = CancelToken(), threading.Event()
    engines.bench.caches.for_trigger("db", 1).put("reached", reached, use_global=True)
    looping = head.format("reached.set()\n        while True: pass")
    body = (
        f"global reached\n{CACHE}reached = cache.get('reached', use_global=True)\n{{}}\ncache.get('k')"
    )
    # The class comes from an execution of its own, which has to know the event as well.
    body = body.format("import builtins\nbuiltins.reached = reached")
    canceller = threading.Thread(target=lambda: reached.wait(WAIT_SECONDS) and token.cancel())
    canceller.start()
    try:
        run = engines.bench.run(scheduled(body, looping), cancel=token)
    finally:
        vars(builtins).pop("reached", None)
    canceller.join()
    assert run.outcome is RunOutcome.CANCELLED
    engines.run(f"{CACHE}assert cache.get('k') is not None", head.format("pass"))


PACKAGE = {
    "__init__.py": """
from .parts.counters import Counter

def process_scheduled_call(influxdb3_local, call_time, args=None):
    cache = influxdb3_local.cache
    counter = cache.get("counter")
    if counter is None:
        counter = Counter()
        cache.put("counter", counter)
    influxdb3_local.info(counter.add(), isinstance(counter, Counter))
""",
    "parts/__init__.py": "",
    "parts/counters.py": COUNTER,
}


def save_package(engines: Engines, name: str, **changes: str) -> None:
    for file, text in (PACKAGE | changes).items():
        engines.bench.save(text, f"{name}/{file}")


def run_package(engines: Engines, name: str) -> str:
    run = engines.bench.run(filename=name)
    assert run.failure is None, run.failure.traceback_text
    return run.logs[1].text


@pytest.mark.parametrize("name", ["counting", "json"])
def test_an_object_of_a_directory_plugin_survives(engines: Engines, name: str) -> None:
    """Its class is found in the package, whatever name that was imported by, and is the one that runs use."""
    save_package(engines, name)
    assert run_package(engines, name) == "1 True"
    engines.crash()
    assert run_package(engines, name) == "2 True"
    assert run_package(engines, name) == "3 True"
    assert engines.log() == []


def test_an_object_of_a_package_that_was_reloaded_survives(engines: Engines) -> None:
    """An object of the package's former state is no instance of its class, is stored, and comes back as one."""
    save_package(engines, "counting")
    assert run_package(engines, "counting") == "1 True"
    engines.bench.save(COUNTER.replace("+= 1", "+= 10"), "counting/parts/counters.py")
    assert run_package(engines, "counting") == "2 False"
    engines.crash()
    assert run_package(engines, "counting") == "12 True"
    assert engines.log() == []


def test_an_object_of_a_package_is_read_before_any_run_of_it(engines: Engines) -> None:
    """An inspector, or another plugin with a global value, imports what the value needs."""
    save_package(engines, "counting")
    run_package(engines, "counting")
    engines.restart()
    assert "counting" not in sys.modules
    (value,) = engines.bench.caches.values()
    assert (value.type_name, value.value.n) == ("counting.parts.counters.Counter", 1)


def test_an_object_of_a_module_that_is_gone_stays_stored(engines: Engines) -> None:
    """The reason names the module inside the package."""
    save_package(engines, "counting")
    run_package(engines, "counting")
    engines.restart()
    shutil.rmtree(engines.plugins / "counting" / "parts")
    flat = PACKAGE["__init__.py"].replace(".parts.counters", ".counters")
    for file, text in (("__init__.py", flat), ("counters.py", COUNTER)):
        engines.bench.save(text, f"counting/{file}")
    run = engines.bench.run(filename="counting")
    assert [entry.text for entry in run.logs][1:3] == ["1 True", run.logs[2].text]
    assert "ModuleNotFoundError: No module named 'counting.parts'" in engines.log()[0]
