"""Section 6 over HTTP: writing plugins' files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from procengine import Engine
from procengine.http import Server
from procengine.model.trigger import Trigger
from procengine.replaced_folder import WRITING
from tests.http.conftest import SECONDS
from tests.http.test_section_08_configuration import said

FILES = "/api/v3/plugins/files"
DIRECTORY = "/api/v3/plugins/directory"
FAILED = "Processing engine error: plugin error: "

Plugin = Callable[[str, str], str]


def answering(text: str) -> str:
    """Return the text of a request plugin that answers a text."""
    return f"def process_request(local, query, headers, body, args=None):\n    return {text!r}\n"


def traversal(name: str) -> tuple[int, str]:
    """Return the answer to a path that leads out."""
    text = (
        f"Path traversal detected: plugin filename '{name}' attempts to access files outside the "
        "plugin directory"
    )
    return 500, FAILED + text


def below(folder: Path) -> list[Path]:
    """Return all that is in a folder, but for the locks of plugin directories."""
    return sorted(path for path in folder.rglob("*") if path.name != WRITING)


def names_in(plugin_dir: Path) -> list[str]:
    """Return what is in a plugin directory, but for its lock."""
    return sorted(path.name for path in plugin_dir.iterdir() if path.name != WRITING)


@pytest.fixture
def ask(engine: Engine, api: httpx.Client) -> Callable[[], str]:
    """Return what the request trigger ``t`` answers."""
    engine.catalog.create_database("foo")

    def get() -> str:
        answer = api.get("/api/v3/engine/t")
        assert answer.status_code == 200, answer.text
        return answer.text

    return get


@pytest.fixture
def package(engine: Engine, plugin_dir: Path, ask: Callable[[], str]) -> Path:
    """A folder plugin with a module, and a trigger on it."""
    folder = plugin_dir / "pack"
    folder.mkdir()
    (folder / "__init__.py").write_text("from .inner import process_request\n")
    (folder / "inner.py").write_text(answering("old"))
    engine.triggers.create("foo", "t", "pack/", "request:t")
    assert ask() == "old"
    return folder


def entries(**files: str) -> list[dict[str, str]]:
    """Return files as the body has them."""
    return [{"relative_path": name, "content": text} for name, text in files.items()]


def test_file_created(api: httpx.Client, plugin_dir: Path) -> None:
    """A file is written, with the folders above it; a second time it is another."""
    for text in ("x = 1\n", "x = 'é'\n"):
        answer = api.post(FILES, json={"plugin_name": "a/b/p.py", "content": text})
        assert (said(answer), answer.headers.get("content-type")) == ((200, ""), None)
        assert (plugin_dir / "a/b/p.py").read_text(encoding="utf-8") == text
    assert [path.name for path in (plugin_dir / "a/b").iterdir()] == ["p.py"]


def test_file_created_before_its_trigger(
    api: httpx.Client, engine: Engine, ask: Callable[[], str]
) -> None:
    """A trigger runs what was uploaded."""
    api.post(FILES, json={"plugin_name": "p.py", "content": answering("new")})
    engine.triggers.create("foo", "t", "p.py", "request:t")
    assert ask() == "new"
    api.post(FILES, json={"plugin_name": "p.py", "content": answering("newer")})
    assert ask() == "newer"


@pytest.mark.parametrize("name", ["../p.py", "a/../../p.py", "/tmp/p.py", "..", "//x"])
def test_file_outside(api: httpx.Client, plugin_dir: Path, name: str) -> None:
    """A path that leads out by its words is refused, and nothing is written."""
    answer = api.post(FILES, json={"plugin_name": name, "content": "x"})
    assert said(answer) == traversal(name)
    assert list(plugin_dir.rglob("*")) == []
    assert not (plugin_dir.parent / "p.py").exists()


def test_file_outside_by_links(api: httpx.Client, plugin_dir: Path, tmp_path: Path) -> None:
    """A path that leads out by a link, of a folder or of the file, is refused."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.py").write_text("kept")
    (plugin_dir / "folder").symlink_to(outside)
    (plugin_dir / "file.py").symlink_to(outside / "kept.py")
    (plugin_dir / "dangling.py").symlink_to(outside / "new.py")
    for name in ("folder/new.py", "folder/kept.py", "file.py", "dangling.py"):
        answer = api.post(FILES, json={"plugin_name": name, "content": "x"})
        assert said(answer) == traversal(name)
    assert [path.name for path in outside.iterdir()] == ["kept.py"]
    assert (outside / "kept.py").read_text() == "kept"


def test_file_by_a_link_inside(api: httpx.Client, plugin_dir: Path) -> None:
    """A link to a file inside stays one; what it leads to is written."""
    (plugin_dir / "real.py").write_text("old")
    (plugin_dir / "link.py").symlink_to("real.py")
    assert said(api.post(FILES, json={"plugin_name": "link.py", "content": "new"})) == (200, "")
    assert (plugin_dir / "link.py").is_symlink()
    assert (plugin_dir / "real.py").read_text() == "new"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a\0b.py", "reading plugin file: file name contains a null byte: 'a\\x00b.py'"),
        ("x" * 5000, "reading plugin file: File name too long (os error 36)"),
        ("", "reading plugin file: Is a directory (os error 21)"),
        (".", "reading plugin file: Is a directory (os error 21)"),
        ("folder", "reading plugin file: Is a directory (os error 21)"),
        ("there.py/p.py", "reading plugin file: Not a directory (os error 20)"),
    ],
)
def test_file_that_cannot_be(api: httpx.Client, plugin_dir: Path, name: str, text: str) -> None:
    """A name that no file can have is refused with what the system says."""
    (plugin_dir / "folder").mkdir()
    (plugin_dir / "there.py").write_text("kept")
    before = below(plugin_dir.parent)
    answer = api.post(FILES, json={"plugin_name": name, "content": "x"})
    assert said(answer) == (500, FAILED + text)
    assert below(plugin_dir.parent) == before


def test_file_names_are_not_decoded(api: httpx.Client, plugin_dir: Path) -> None:
    """Percent signs and backslashes in a name are characters like others."""
    for name in ("%2e%2e%2fp.py", "..%2Fp.py", "..\\p.py"):
        assert said(api.post(FILES, json={"plugin_name": name, "content": "x"})) == (200, "")
        assert (plugin_dir / name).is_file()
    assert not (plugin_dir.parent / "p.py").exists()


def test_file_updated(api: httpx.Client, engine: Engine, plugin: Plugin, ask: Callable[[], str]) -> None:
    """The file of a trigger's plugin is replaced by the trigger's name, and the next run takes the new text."""
    engine.triggers.create("foo", "t", plugin("p", answering("old")), "request:t")
    assert ask() == "old"
    assert said(api.put(FILES, json={"plugin_name": "t", "content": answering("new")})) == (200, "")
    assert ask() == "new"


def test_file_updated_that_breaks(
    api: httpx.Client, engine: Engine, plugin: Plugin, ask: Callable[[], str]
) -> None:
    """A text that cannot run is taken, as in the original; its runs fail until there is another."""
    engine.triggers.create("foo", "t", plugin("p", answering("old")), "request:t")
    assert said(api.put(FILES, json={"plugin_name": "t", "content": "def ("})) == (200, "")
    assert api.get("/api/v3/engine/t").status_code == 500
    api.put(FILES, json={"plugin_name": "t", "content": answering("new")})
    assert ask() == "new"


def test_file_updated_of_the_first_database(
    api: httpx.Client, engine: Engine, plugin: Plugin, plugin_dir: Path, ask: Callable[[], str]
) -> None:
    """Of triggers with one name that of the first database is meant."""
    engine.catalog.create_database("bar")
    for database in ("bar", "foo"):
        engine.triggers.create(database, "t", plugin(database, answering("old")), f"request:{database}")
    api.put(FILES, json={"plugin_name": "t", "content": "new"})
    assert (plugin_dir / "foo.py").read_text() == "new"
    assert (plugin_dir / "bar.py").read_text() == answering("old")


def test_file_updated_of_a_folder(api: httpx.Client, package: Path, ask: Callable[[], str]) -> None:
    """Of a folder plugin its ``__init__.py`` is replaced."""
    assert said(api.put(FILES, json={"plugin_name": "t", "content": answering("new")})) == (200, "")
    assert (package / "__init__.py").read_text() == answering("new")
    assert (package / "inner.py").exists()
    assert ask() == "new"


def test_directory_replaced(
    api: httpx.Client, plugin_dir: Path, package: Path, ask: Callable[[], str]
) -> None:
    """A folder plugin gets other files; those that are not among them go; nothing else is left behind."""
    files = {"__init__.py": "from .deep.down import process_request\n", "deep/down.py": answering("new")}
    answer = api.put(DIRECTORY, json={"plugin_name": "t", "files": entries(**files)})
    assert said(answer) == (200, "")
    assert ask() == "new"
    assert names_in(plugin_dir) == ["pack"]
    found = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    assert found == set(files)


@pytest.mark.parametrize("name", ["../inner.py", "/tmp/inner.py", "a/../../b"])
def test_directory_with_a_file_outside(
    api: httpx.Client, plugin_dir: Path, package: Path, ask: Callable[[], str], name: str
) -> None:
    """One path that leads out refuses all files, and the folder is as it was."""
    files = {"__init__.py": answering("new"), name: "x"}
    answer = api.put(DIRECTORY, json={"plugin_name": "t", "files": entries(**files)})
    assert said(answer) == traversal(name)
    assert ask() == "old"
    assert names_in(plugin_dir) == ["pack"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a\0b", "reading plugin file: file name contains a null byte: 'a\\x00b'"),
        ("x" * 5000, "reading plugin file: File name too long (os error 36)"),
        ("", "reading plugin file: Is a directory (os error 21)"),
        ("__init__.py/a.py", "reading plugin file: Not a directory (os error 20)"),
    ],
)
def test_directory_with_a_file_that_cannot_be(
    api: httpx.Client, plugin_dir: Path, package: Path, ask: Callable[[], str], name: str, text: str
) -> None:
    """One file that cannot be written refuses all, and the folder is as it was."""
    files = {"__init__.py": answering("new"), name: "x"}
    answer = api.put(DIRECTORY, json={"plugin_name": "t", "files": entries(**files)})
    assert said(answer) == (500, FAILED + text)
    assert ask() == "old"
    assert names_in(plugin_dir) == ["pack"]


def test_directory_refused(
    api: httpx.Client, engine: Engine, plugin: Plugin, package: Path, ask: Callable[[], str]
) -> None:
    """A folder needs ``__init__.py``, and does not take the place of a single file (Differs)."""
    answer = api.put(DIRECTORY, json={"plugin_name": "t", "files": entries(**{"a.py": "x"})})
    text = f"reading plugin file: Multi-file plugin directory must contain __init__.py: {package}"
    assert said(answer) == (500, FAILED + text)
    assert ask() == "old"
    engine.triggers.create("foo", "single", plugin("p", answering("old")), "request:p")
    files = entries(**{"__init__.py": "x"})
    answer = api.put(DIRECTORY, json={"plugin_name": "single", "files": files})
    text = "plugin 'p.py' is a single file, not a folder; replace its text"
    assert said(answer) == (500, FAILED + text)


@pytest.mark.parametrize("route", [FILES, DIRECTORY])
def test_unknown_trigger(api: httpx.Client, route: str) -> None:
    """What no trigger has the name of is not found, 500 as in the original."""
    answer = api.put(route, json={"plugin_name": "x", "content": "", "files": []})
    assert said(answer) == (500, f"{FAILED}Plugin not found: x")


@pytest.mark.parametrize(
    ("method", "route", "body", "text"),
    [
        ("POST", FILES, {"content": ""}, "missing field `plugin_name` at line 1 column 14"),
        ("POST", FILES, {"plugin_name": "p.py"}, "missing field `content` at line 1 column 22"),
        ("PUT", FILES, {"plugin_name": 1}, "invalid type: integer `1`, expected a string"),
        ("PUT", DIRECTORY, {"plugin_name": "t"}, "missing field `files` at line 1 column 19"),
        ("PUT", DIRECTORY, {"plugin_name": "t", "files": {}}, "invalid type: map, expected a sequence"),
        (
            "PUT",
            DIRECTORY,
            {"plugin_name": "t", "files": [{"relative_path": "a"}]},
            "missing field `content`",
        ),
    ],
)
def test_bad_bodies(
    api: httpx.Client, method: str, route: str, body: dict[str, object], text: str
) -> None:
    """A body that is not accepted is 400, one of another type 415."""
    assert said(api.request(method, route, json=body)) == (400, f"serde json error: {text}")
    answer = api.request(method, route, content=b"x = 1", headers={"Content-Type": "text/x-python"})
    assert said(answer) == (415, "unacceptable content-type, expected: application/json")


@pytest.mark.parametrize(("method", "route"), [("POST", FILES), ("PUT", FILES), ("PUT", DIRECTORY)])
def test_files_need_a_token(anyone: httpx.Client, method: str, route: str) -> None:
    """Without a token nothing is written."""
    answer = anyone.request(method, route, json={"plugin_name": "p.py", "content": ""})
    assert said(answer) == (401, '{"error": "the request was not authenticated"}')


def test_without_plugin_directory() -> None:
    """Without a plugin directory there is nowhere to write."""
    with (
        Engine(environ={}, without_auth=True, http_bind="127.0.0.1:0") as engine,
        Server(engine) as server,
    ):
        assert server.wait_ready(SECONDS)
        body = {"plugin_name": "p.py", "content": "", "files": []}
        with httpx.Client(base_url=server.url or "") as api:
            text = f"{FAILED}No plugin directory configured"
            assert said(api.post(FILES, json=body)) == (500, text)
            assert said(api.put(DIRECTORY, json=body)) == (500, text)
            answer = api.put(FILES, json=body)
            assert said(answer) == (500, f"{FAILED}Plugin not found: p.py")


def test_directory_after_a_crash(tmp_path: Path) -> None:
    """A folder that a crash left under its other name is put back at the next start; one that is there stays."""
    settings = {"plugin_dir": tmp_path / "plugins", "data_dir": tmp_path / "data", "environ": {}}
    with Engine(**settings) as engine:  # type: ignore[arg-type]
        engine.catalog.create_database("foo")
        for name in ("lost", "there"):
            trigger = Trigger(database="foo", name=name, plugin_filename=f"{name}/", spec="all_tables")
            engine.catalog.create_trigger(trigger)
    for name in (".lost.old", ".there.old", "there"):
        (tmp_path / "plugins" / name).mkdir()
        (tmp_path / "plugins" / name / "__init__.py").write_text(name)
    with Engine(**settings):  # type: ignore[arg-type]
        assert names_in(tmp_path / "plugins") == ["lost", "there"]
        assert (tmp_path / "plugins/lost/__init__.py").read_text() == ".lost.old"
        assert (tmp_path / "plugins/there/__init__.py").read_text() == "there"
