"""Loading plugins: paths, hot reload and packages of section 6."""

from __future__ import annotations

import importlib
import linecache
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from procengine.errors import PluginPathError, PluginSourceError
from procengine.model.run import Run, RunOutcome
from procengine.model.trigger import TriggerKind
from procengine.processing.plugin_registry import PluginRegistry, text_plugin
from tests.processing.plugin_doubles import PluginBench, make_trigger, schedule_event, scheduled

SCHEDULE = TriggerKind.SCHEDULE


@pytest.fixture(autouse=True)
def _modules_are_put_back() -> Iterator[None]:
    """No test leaves modules, finders or path entries behind."""
    modules, path, finders = set(sys.modules), list(sys.path), list(sys.meta_path)
    yield
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in {"neighbour", "rooms", "late"}:
            del sys.modules[name]
    assert (sys.path, sys.meta_path) == (path, finders)


def said(run: Run) -> str:
    """Return the one line that a run logged between start and finish."""
    assert run.failure is None, run.failure.traceback_text or run.failure.message
    (entry,) = run.logs[1:-1]
    return entry.text


def say(what: str) -> str:
    """Return a schedule plugin that logs an expression."""
    return scheduled(f"influxdb3_local.info({what})")


# Paths


@pytest.mark.parametrize("filename", ["../out.py", "a/../../out.py", "a/../b.py", "/etc/passwd", ".."])
def test_paths_cannot_leave_the_folder_by_name(plugin_bench: PluginBench, filename: str) -> None:
    """Section 6: ``..`` and absolute names are path traversal, whether or not they would lead out."""
    with pytest.raises(PluginPathError) as raised:
        plugin_bench.registry.check(filename, SCHEDULE)
    assert str(raised.value) == (
        f"Path traversal detected: plugin filename '{filename}' attempts to access files "
        "outside the plugin directory"
    )


def test_paths_cannot_leave_the_folder_by_link(plugin_bench: PluginBench, tmp_path: Path) -> None:
    """Section 6: a link that leads out is path traversal: of a file, a folder, or an ``__init__.py``."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "plugin.py").write_text(say("1"))
    (outside / "__init__.py").write_text(say("1"))
    folder = plugin_bench.folder
    (folder / "file.py").symlink_to(outside / "plugin.py")
    (folder / "linked").symlink_to(outside)
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").symlink_to(outside / "__init__.py")
    for filename in ("file.py", "linked", "linked/plugin.py", "linked/missing.py", "package"):
        with pytest.raises(PluginPathError, match=r"^Path traversal detected"):
            plugin_bench.registry.check(filename, SCHEDULE)
        assert plugin_bench.run(filename=filename).outcome is RunOutcome.ERROR


def test_links_inside_the_folder_are_followed(plugin_bench: PluginBench) -> None:
    """A link within the plugin directory is no traversal."""
    plugin_bench.save(say("1"))
    (plugin_bench.folder / "link.py").symlink_to(plugin_bench.folder / "plugin.py")
    plugin_bench.registry.check("link.py", SCHEDULE)


def test_missing_plugins(plugin_bench: PluginBench) -> None:
    """Section 6: the original's texts for what is not there."""
    folder = plugin_bench.folder
    (folder / "empty").mkdir()
    for filename, text in {
        "gone.py": f"reading plugin file: Plugin not found: {folder / 'gone.py'}",
        "empty/": "reading plugin file: Multi-file plugin directory must contain __init__.py: "
        f"{folder / 'empty'}",
    }.items():
        with pytest.raises(PluginPathError) as raised:
            plugin_bench.registry.check(filename, SCHEDULE)
        assert str(raised.value) == text


@pytest.mark.parametrize("filename", ["a\0b.py", "gh:some/plugin.py"])
def test_names_that_are_no_files(plugin_bench: PluginBench, filename: str) -> None:
    """A null byte, and a plugin of a repository, are refused with a reason."""
    with pytest.raises(PluginPathError):
        plugin_bench.registry.check(filename, SCHEDULE)


def test_a_folder_that_vanishes(plugin_bench: PluginBench) -> None:
    """What was loaded goes on with its last good code; anything else says that the folder is gone."""
    plugin_bench.save(say("1"))
    assert said(plugin_bench.run()) == "1"
    shutil.rmtree(plugin_bench.folder)
    assert said(plugin_bench.run()) == "1"
    with pytest.raises(PluginPathError) as raised:
        plugin_bench.registry.check("plugin.py", SCHEDULE)
    assert str(raised.value) == (
        f"cannot load plugin 'plugin.py': the plugin directory {plugin_bench.folder} does not exist"
    )
    assert plugin_bench.registry.plugins() == ()


# Texts


@pytest.mark.parametrize(
    ("data", "message", "line"),
    [
        (b"x = 1\ndef f(:\n", "SyntaxError: invalid syntax (plugin.py, line 2)", 2),
        (b"x = '\0'", "plugin code contains null bytes", None),
        (b"x = 1\n# \xff", "is not UTF-8: byte 0xff in line 2", 2),
        (b"  x = 1", "IndentationError: unexpected indent (plugin.py, line 1)", 1),
        (b"x = 1", "the process_scheduled_call function is not present in the plugin", None),
        (b"def process_scheduled_call(a): pass", "cannot take the 3 positional arguments", 1),
    ],
)
def test_check_refuses_what_cannot_run(
    plugin_bench: PluginBench, data: bytes, message: str, line: int | None
) -> None:
    """A plugin is compiled and its entry point looked for at creation; the fault's line is named."""
    (plugin_bench.folder / "plugin.py").write_bytes(data)
    with pytest.raises(PluginSourceError) as raised:
        plugin_bench.registry.check("plugin.py", SCHEDULE)
    assert message in str(raised.value)
    assert raised.value.line_number == line


def test_check_runs_nothing(plugin_bench: PluginBench, tmp_path: Path) -> None:
    """Checking a plugin does not execute it."""
    mark = tmp_path / "ran"
    plugin_bench.save(f"open({str(mark)!r}, 'w')\n" + say("1"))
    plugin_bench.registry.check("plugin.py", SCHEDULE)
    assert not mark.exists()


def test_deep_nesting_is_refused_not_fatal(plugin_bench: PluginBench) -> None:
    """A text that the compiler gives up on is a failed run."""
    run = plugin_bench.run("x = " + "(" * 300 + ")" * 300)
    assert run.outcome is RunOutcome.ERROR


def test_byte_order_mark_is_accepted(plugin_bench: PluginBench) -> None:
    """An editor's byte order mark is no syntax error."""
    (plugin_bench.folder / "plugin.py").write_bytes(b"\xef\xbb\xbf" + say("1").encode())
    assert said(plugin_bench.run()) == "1"


# Hot reload of single files


def test_changed_file_is_loaded_before_the_next_run(plugin_bench: PluginBench) -> None:
    """Section 6: hot reload, however soon after the last read and of whatever length."""
    for number in range(5):
        assert said(plugin_bench.run(say(str(number)))) == str(number)


def test_copies_that_keep_an_old_time_are_noticed(plugin_bench: PluginBench) -> None:
    """Unlike the original, a younger time is not needed."""
    path = plugin_bench.folder / plugin_bench.save(say("'new'"))
    assert said(plugin_bench.run()) == "new"
    path.write_text(say("'old'"))
    os.utime(path, (1, 1))
    assert said(plugin_bench.run()) == "old"


def test_unreadable_file_leaves_the_last_good_code(plugin_bench: PluginBench) -> None:
    """Section 6: a file that is gone, or no text any more, does not end its triggers."""
    path = plugin_bench.folder / plugin_bench.save(say("1"))
    assert said(plugin_bench.run()) == "1"
    path.write_bytes(b"\xff\xff")
    assert said(plugin_bench.run()) == "1"
    path.unlink()
    assert said(plugin_bench.run()) == "1"
    assert said(plugin_bench.run(say("2"))) == "2"


def test_unchanged_file_is_compiled_once(plugin_bench: PluginBench) -> None:
    """The code object is kept as long as the text is the same."""
    plugin_bench.save(say("1"))
    first = plugin_bench.registry.load("plugin.py")
    os.utime(plugin_bench.folder / "plugin.py")
    assert plugin_bench.registry.load("plugin.py") is first


# Where texts come from


def test_registered_origin_names_the_cell(plugin_bench: PluginBench) -> None:
    """A cell's plugin shows the cell's file name and lines, until the file is edited."""
    text = "def process_scheduled_call(a, b, c):\n    1/0\n"
    plugin_bench.save(text)
    plugin_bench.registry.register_origin("plugin.py", text, display_filename="<cell 7>", first_line=2)
    failure = plugin_bench.run().failure
    assert failure is not None
    assert (failure.filename, failure.line_number) == ("<cell 7>", 3)
    assert '  File "<cell 7>", line 3, in process_scheduled_call\n    1/0' in failure.traceback_text
    edited = plugin_bench.run("\n" + text).failure
    assert edited is not None
    assert (edited.filename, edited.line_number) == (str(plugin_bench.folder / "plugin.py"), 3)
    linecache.cache.pop("<cell 7>", None)


def test_syntax_errors_count_from_the_cell_as_well(plugin_bench: PluginBench) -> None:
    """The line of a syntax error is the cell's."""
    text = "x = 1\ndef f(:\n"
    plugin_bench.save(text)
    plugin_bench.registry.register_origin("plugin.py", text, display_filename="<cell>", first_line=3)
    with pytest.raises(PluginSourceError) as raised:
        plugin_bench.registry.check("plugin.py", SCHEDULE)
    assert (raised.value.filename, raised.value.line_number) == ("<cell>", 4)
    linecache.cache.pop("<cell>", None)


@pytest.mark.parametrize("dry_run", [False, True])
def test_files_of_a_package_name_their_cells(plugin_bench: PluginBench, dry_run: bool) -> None:
    """Each file of a directory plugin shows the cell it came from, until it is edited; others show themselves."""
    init = "from .rules import divide\ndef process_scheduled_call(a, b, c):\n    divide()\n"
    rules = "def divide():\n    1/0\n"
    plugin_bench.save(rules, "rooms/rules.py")
    plugin_bench.save(init, "rooms/__init__.py")
    register = plugin_bench.registry.register_origin
    register("rooms/rules.py", rules, display_filename="<cell 8>", first_line=2)
    register("rooms/__init__.py", init, display_filename="<cell 9>", first_line=4)

    failure = plugin_bench.run(filename="rooms", dry_run=dry_run).failure
    assert failure is not None
    assert (failure.filename, failure.line_number) == ("<cell 8>", 3)
    assert '  File "<cell 9>", line 6, in process_scheduled_call\n    divide()' in failure.traceback_text
    assert '  File "<cell 8>", line 3, in divide\n    1/0' in failure.traceback_text

    plugin_bench.save("\n" + rules, "rooms/rules.py")
    edited = plugin_bench.run(filename="rooms", dry_run=dry_run).failure
    assert edited is not None
    path = str(plugin_bench.folder / "rooms" / "rules.py")
    assert (edited.filename, edited.line_number) == (path, 3)
    assert '  File "<cell 9>", line 6, in process_scheduled_call' in edited.traceback_text
    for cell in ("<cell 8>", "<cell 9>"):
        linecache.cache.pop(cell, None)


def test_faults_of_a_package_count_from_the_cell(plugin_bench: PluginBench) -> None:
    """At creation, too, the line of a file's mistake is the cell's."""
    init = "def process_scheduled_call(a):\n    pass\n"
    plugin_bench.save(init, "rooms/__init__.py")
    register = plugin_bench.registry.register_origin
    register("rooms/__init__.py", init, display_filename="<cell>", first_line=3)
    with pytest.raises(PluginSourceError, match="cannot take the 3 positional arguments") as raised:
        plugin_bench.registry.check("rooms", SCHEDULE)
    assert (raised.value.filename, raised.value.line_number) == ("<cell>", 3)
    linecache.cache.pop("<cell>", None)


def test_text_without_a_file(plugin_bench: PluginBench) -> None:
    """A text that is not saved can be run; its lines show in tracebacks."""
    code = text_plugin("def process_scheduled_call(a, b, c):\n    1/0\n", display_filename="<draft>")
    run = plugin_bench.runner.run(make_trigger("draft"), schedule_event(), dry_run=True, code=code)
    assert run.failure is not None
    assert "    1/0" in run.failure.traceback_text
    linecache.cache.pop("<draft>", None)


# Packages

PACKAGE = """
from .parts import VALUE
count = 0
def process_scheduled_call(influxdb3_local, call_time, args=None):
    global count
    count += 1
    influxdb3_local.info(__name__, VALUE, count)
"""


def save_package(bench: PluginBench, name: str = "rooms", value: str = "1", init: str = PACKAGE) -> str:
    bench.save(init, f"{name}/__init__.py")
    bench.save(f"VALUE = {value}\n", f"{name}/parts.py")
    return name


def test_package_keeps_its_state(plugin_bench: PluginBench) -> None:
    """Section 6: imported under the directory's name, relative imports work, state persists."""
    save_package(plugin_bench)
    assert [said(plugin_bench.run(filename="rooms")) for _ in range(2)] == ["rooms 1 1", "rooms 1 2"]
    assert said(plugin_bench.run(filename="rooms/")) == "rooms 1 3"
    assert "rooms.parts" in sys.modules


def test_package_reloads_as_a_unit(plugin_bench: PluginBench) -> None:
    """A change of any of its files imports the package anew, submodules included; its state begins anew."""
    save_package(plugin_bench)
    assert said(plugin_bench.run(filename="rooms")) == "rooms 1 1"
    plugin_bench.save("VALUE = 2\n", "rooms/parts.py")
    assert said(plugin_bench.run(filename="rooms")) == "rooms 2 1"
    assert said(plugin_bench.run(filename="rooms")) == "rooms 2 2"


def test_touched_package_keeps_its_state(plugin_bench: PluginBench) -> None:
    """A file whose time changed and whose text did not is no reason to lose state."""
    save_package(plugin_bench)
    plugin_bench.run(filename="rooms")
    os.utime(plugin_bench.folder / "rooms" / "parts.py")
    assert said(plugin_bench.run(filename="rooms")) == "rooms 1 2"


def test_failed_import_leaves_nothing_half_loaded(plugin_bench: PluginBench) -> None:
    """Section 6: the original's text; the old modules stay in place until the package can be imported again."""
    save_package(plugin_bench)
    plugin_bench.run(filename="rooms")
    old = sys.modules["rooms"], sys.modules["rooms.parts"]
    save_package(plugin_bench, value="1/0")
    for _ in range(2):
        failure = plugin_bench.run(filename="rooms").failure
        assert failure is not None
        assert failure.message == (
            "Failed to import plugin module 'rooms': ZeroDivisionError: division by zero\n"
            "Hint: Check for syntax errors or missing dependencies in Python files."
        )
        assert failure.filename == str(plugin_bench.folder / "rooms" / "parts.py")
    assert (sys.modules["rooms"], sys.modules["rooms.parts"]) == old
    save_package(plugin_bench, value="3")
    assert said(plugin_bench.run(filename="rooms")) == "rooms 3 1"


def test_first_import_that_fails_leaves_no_module(plugin_bench: PluginBench) -> None:
    """A package that never could be imported is not in ``sys.modules``."""
    save_package(plugin_bench, value="1/0")
    plugin_bench.run(filename="rooms")
    assert not [name for name in sys.modules if name.startswith("rooms")]


def test_names_do_not_collide(plugin_bench: PluginBench) -> None:
    """Directories called like each other, or like other modules, have names of their own and find themselves."""
    init = PACKAGE.replace("from .parts import", "from rooms.parts import")
    for folder in ("a", "b"):
        plugin_bench.save(init, f"{folder}/rooms/__init__.py")
        plugin_bench.save(f"VALUE = {folder!r}\n", f"{folder}/rooms/parts.py")
    save_package(plugin_bench, "colorsys", "'mine'", PACKAGE.replace("__name__", "__name__[:9]"))
    standard = importlib.import_module("colorsys")
    assert said(plugin_bench.run(filename="a/rooms")) == "rooms a 1"
    second = said(plugin_bench.run(filename="b/rooms"))
    assert second.startswith("rooms_")
    assert second.endswith(" b 1")
    assert said(plugin_bench.run(filename="colorsys")) == "colorsys_ mine 1"
    assert importlib.import_module("colorsys") is standard


def test_modules_are_importable_later(plugin_bench: PluginBench) -> None:
    """A package may import its parts when they are needed, and has LineBuilder and print as any plugin."""
    plugin_bench.save(
        """
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            from . import late
            import rooms.late as again
            late.work(influxdb3_local)
            influxdb3_local.info(again is late, __file__.endswith("__init__.py"))
        """,
        "rooms/__init__.py",
    )
    plugin_bench.save(
        """
        def work(local) -> LineBuilder:
            print("printed")
            local.write(LineBuilder("t").int64_field("n", 1))
        """,
        "rooms/late.py",
    )
    run = plugin_bench.run(filename="rooms")
    assert [entry.text for entry in run.logs[1:-1]] == ["printed", "True True"]
    assert [w.lines for w in plugin_bench.writes.taken] == ["t n=1i"]


def test_neighbours_are_importable_during_the_import(plugin_bench: PluginBench) -> None:
    """As the original's test of paths: modules beside the directory can be imported while it is."""
    plugin_bench.save("VALUE = 'beside'\n", "neighbour.py")
    save_package(plugin_bench, init="import neighbour\n" + say("neighbour.VALUE"))
    assert said(plugin_bench.run(filename="rooms")) == "beside"


def test_dry_run_of_a_package_leaves_its_state(plugin_bench: PluginBench) -> None:
    """A dry run imports the package apart from the one that triggers use, and takes it away after."""
    save_package(plugin_bench)
    plugin_bench.run(filename="rooms")
    dry = said(plugin_bench.run(filename="rooms", dry_run=True))
    assert dry.endswith(" 1 1")
    assert not dry.startswith("rooms 1")
    assert said(plugin_bench.run(filename="rooms")) == "rooms 1 2"
    assert [name for name in sys.modules if name.startswith("rooms_")] == []


def test_check_of_a_package(plugin_bench: PluginBench) -> None:
    """All files of a package are compiled at creation; the entry point is looked for in ``__init__.py``."""
    save_package(plugin_bench)
    plugin_bench.registry.check("rooms", SCHEDULE)
    with pytest.raises(PluginSourceError, match=r"^the process_writes function is not present"):
        plugin_bench.registry.check("rooms", TriggerKind.WRITE)
    plugin_bench.save("def broken(:", "rooms/parts.py")
    with pytest.raises(PluginSourceError) as raised:
        plugin_bench.registry.check("rooms", SCHEDULE)
    assert raised.value.filename == str(plugin_bench.folder / "rooms" / "parts.py")


def test_runs_at_the_same_time_import_a_package_once(plugin_bench: PluginBench) -> None:
    """Several threads whose runs find a new package share one import."""
    init = "import threading\nimports = []\n" + say("'imported'")
    plugin_bench.save(init, "rooms/__init__.py")
    start = threading.Barrier(4, timeout=10)
    runs: list[Run] = []

    def go() -> None:
        start.wait()
        runs.append(plugin_bench.run(filename="rooms"))

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [said(run) for run in runs] == ["imported"] * 4
    assert [name for name in sys.modules if name.startswith("rooms")] == ["rooms"]


def test_close_takes_packages_away(plugin_bench: PluginBench) -> None:
    """Two registries do not share packages, and a closed one leaves no module behind."""
    save_package(plugin_bench)
    plugin_bench.run(filename="rooms")
    other = PluginRegistry(plugin_bench.folder)
    other.load("rooms").entry_point(SCHEDULE)
    assert len([name for name in sys.modules if name.startswith("rooms")]) == 4
    other.close()
    plugin_bench.registry.close()
    assert [name for name in sys.modules if name.startswith("rooms")] == []


# Lists


def test_list_of_plugins(plugin_bench: PluginBench) -> None:
    """Files and packages below the plugin directory, with size and time; hidden things are left out."""
    save_package(plugin_bench)
    plugin_bench.save("x = 1\n", "plugin.py")
    plugin_bench.save("x = 1\n", "sub/other.py")
    plugin_bench.save("x = 1\n", ".venv/lib.py")
    plugin_bench.save("x = 1\n", "__pycache__/x.py")
    plugin_bench.save("no plugin\n", "notes.txt")
    found = plugin_bench.registry.plugins()
    assert [(info.filename, info.is_directory) for info in found] == [
        ("plugin.py", False),
        ("rooms", True),
        ("sub/other.py", False),
    ]
    assert found[0].size_bytes == 6
    assert found[0].modified_ns == (plugin_bench.folder / "plugin.py").stat().st_mtime_ns
    assert [file.name for file in plugin_bench.registry.files("rooms")] == ["__init__.py", "parts.py"]
    assert [file.name for file in plugin_bench.registry.files("plugin.py")] == ["plugin.py"]
    assert plugin_bench.registry.files("gone.py") == ()
