"""Section 6 over HTTP: installing packages for plugins. The packages are wheels made here; no network is asked."""

from __future__ import annotations

import os
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from procengine import Engine
from procengine.errors import PackageInstallError, StoppedError
from procengine.http import Server
from procengine.processing.plugin_environment import PluginEnvironment
from tests.http.conftest import SECONDS
from tests.http.test_section_08_configuration import said

PACKAGES = "/api/v3/configure/plugin_environment/install_packages"
REQUIREMENTS = "/api/v3/configure/plugin_environment/install_requirements"
FAILED = "Processing engine error: error installing python packages: "

Plugin = Callable[[str, str], str]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let pip look nowhere but where it is told to; forget afterwards what plugins imported."""
    for name in ("PIP_NO_INDEX", "PIP_NO_CACHE_DIR", "PIP_NO_COMPILE"):
        monkeypatch.setenv(name, "1")
    yield
    for name in [name for name in sys.modules if name.startswith("tiny_")]:
        del sys.modules[name]


def wheel(folder: Path, name: str, text: str) -> Path:
    """Make a wheel of one module; return its path."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


IMPORTS = """
    def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
        import {0}
        return {0}.SAYS
"""


def test_packages_installed(
    api: httpx.Client, engine: Engine, plugin: Plugin, plugin_dir: Path, tmp_path: Path
) -> None:
    """Packages are installed into the plugin directory's environment, and a running trigger imports them."""
    engine.catalog.create_database("foo")
    engine.triggers.create("foo", "t", plugin("p", IMPORTS.format("tiny_a")), "request:t")
    assert "No module named 'tiny_a'" in api.get("/api/v3/engine/t").text
    packages = [str(wheel(tmp_path, "tiny_a", "SAYS = 'a'"))]
    answer = api.post(PACKAGES, json={"packages": packages})
    assert (said(answer), answer.headers.get("content-type")) == ((200, ""), None)
    assert (plugin_dir / ".venv" / "pyvenv.cfg").is_file()
    assert said(api.get("/api/v3/engine/t")) == (200, "a")
    # Requirements are looked for in the plugin directory; the kernel's own packages come before both.
    wheel(plugin_dir, "tiny_b", "SAYS = 'b'")
    wheel(plugin_dir, "httpx", "SAYS = 'another'")
    (plugin_dir / "requirements.txt").write_text(
        "./tiny_b-1.0-py3-none-any.whl\n./httpx-1.0-py3-none-any.whl\n"
    )
    answer = api.post(REQUIREMENTS, json={"requirements_location": "requirements.txt"})
    assert said(answer) == (200, "")
    plugin("p", IMPORTS.format("tiny_b"))
    assert said(api.get("/api/v3/engine/t")) == (200, "b")
    sys.modules.pop("tiny_b")
    packages_folder = str(engine._plugin_part().environment.site_packages)
    assert sys.path[-1] == packages_folder
    engine.stop()
    assert packages_folder not in sys.path
    with Engine(plugin_dir=plugin_dir, object_store="memory", environ={}):
        assert sys.path[-1] == packages_folder
        with Engine(plugin_dir=plugin_dir, object_store="memory", environ={}):
            assert sys.path.count(packages_folder) == 1
        assert sys.path[-1] == packages_folder, "the other engine uses it still"
    assert packages_folder not in sys.path


def test_packages_that_cannot_be_installed(api: httpx.Client, tmp_path: Path) -> None:
    """An installer that fails is an error with its last lines (Differs)."""
    answer = api.post(PACKAGES, json={"packages": [str(tmp_path / "gone.whl")]})
    assert answer.status_code == 500
    assert answer.text.startswith(f"{FAILED}External call failed: status 1\n")
    assert "gone.whl" in answer.text
    answer = api.post(REQUIREMENTS, json={"requirements_location": "gone.txt"})
    assert answer.status_code == 500
    assert "gone.txt" in answer.text


def test_packages_none(api: httpx.Client, plugin_dir: Path) -> None:
    """No packages are installed at once; no environment is made for them."""
    assert said(api.post(PACKAGES, json={"packages": []})) == (200, "")
    assert list(plugin_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("route", "body", "text"),
    [
        (PACKAGES, {}, "missing field `packages` at line 1 column 2"),
        (PACKAGES, {"packages": "a"}, 'invalid type: string "a", expected a sequence'),
        (PACKAGES, {"packages": [1]}, "invalid type: integer `1`, expected a string"),
        (REQUIREMENTS, {}, "missing field `requirements_location` at line 1 column 2"),
        (REQUIREMENTS, {"requirements_location": 1}, "invalid type: integer `1`, expected a string"),
    ],
)
def test_packages_bad_bodies(api: httpx.Client, route: str, body: object, text: str) -> None:
    """A body that is not accepted is 400, one of another type 415."""
    assert said(api.post(route, json=body)) == (400, f"serde json error: {text}")
    answer = api.post(route, content="{}")
    assert said(answer) == (415, "unacceptable content-type, expected: application/json")


def test_packages_in_a_query_string(api: httpx.Client) -> None:
    """A query string stands in the body's place; there are no lists in it."""
    answer = api.post(PACKAGES, params={"packages": "a"}, json={"packages": []})
    text = 'serde error: invalid type: string "a", expected a sequence'
    assert said(answer) == (400, text)


def test_packages_null_byte(api: httpx.Client) -> None:
    """What is no argument of a command is refused."""
    answer = api.post(PACKAGES, json={"packages": ["a\0b"]})
    assert said(answer) == (400, "cannot install 'a\\x00b': it contains a null byte")


@pytest.mark.parametrize("route", [PACKAGES, REQUIREMENTS])
def test_packages_need_a_token(anyone: httpx.Client, route: str) -> None:
    """Without a token nothing is installed."""
    answer = anyone.post(route, json={"packages": []})
    assert said(answer) == (401, '{"error": "the request was not authenticated"}')


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        (
            {"package_manager": "disabled"},
            (
                403,
                "Package installation has been disabled. Contact your administrator for more information.",
            ),
        ),
        ({}, (500, f"{FAILED}Plugin environment management is disabled")),
    ],
)
def test_packages_disabled(settings: dict[str, str], answer: tuple[int, str]) -> None:
    """With installations disabled they are forbidden; without a plugin directory there is no environment."""
    with (
        Engine(environ={}, without_auth=True, http_bind="127.0.0.1:0", settings=settings) as engine,
        Server(engine) as server,
    ):
        assert server.wait_ready(SECONDS)
        body = {"packages": ["a"], "requirements_location": "a"}
        for route in (PACKAGES, REQUIREMENTS):
            assert said(httpx.post(f"{server.url}{route}", json=body)) == answer


def test_environment_of_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that the kernel runs in is where it is in ``sys.path``, before and after."""
    environment = PluginEnvironment(tmp_path, working_folder=tmp_path)
    environment.site_packages.mkdir(parents=True)
    (environment.site_packages / "tiny_c.pth").write_text("import tiny_c_that_is_not_there\n")
    paths = [str(environment.site_packages), *sys.path]
    monkeypatch.setattr(sys, "path", paths.copy())
    environment.attach()
    assert sys.path == paths
    environment.close()
    assert sys.path == paths


def test_environment_of_another_python(tmp_path: Path) -> None:
    """An environment that another Python made is not written to."""
    (tmp_path / "pyvenv.cfg").write_text("")
    environment = PluginEnvironment(tmp_path, working_folder=tmp_path)
    with pytest.raises(PackageInstallError, match="was made by another Python than 3"):
        environment.install_packages(["a"])


def slow_environment(tmp_path: Path, seconds: float) -> tuple[PluginEnvironment, Path]:
    """Return an environment whose Python, asked to install, waits for ever, once it has made a file."""
    environment = PluginEnvironment(tmp_path / "env", working_folder=tmp_path, install_seconds=seconds)
    environment.site_packages.mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    python, started = tmp_path / "env" / "bin" / "python", tmp_path / "started"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\n: > {started}\nwhile :; do read line < {tmp_path / 'never'}; done\n")
    python.chmod(0o755)
    return environment, started


def test_installation_takes_too_long(tmp_path: Path) -> None:
    """An installer that does not end is ended."""
    os.mkfifo(tmp_path / "never")
    environment, _ = slow_environment(tmp_path, 0.2)
    with pytest.raises(PackageInstallError, match=r"not done after 0\.2 seconds"):
        environment.install_packages(["a"])


def test_installation_ends_with_the_engine(tmp_path: Path) -> None:
    """Stopping the engine ends an installation, and no other begins."""
    os.mkfifo(tmp_path / "never")
    environment, started = slow_environment(tmp_path, 600)
    raised: list[BaseException] = []

    def install() -> None:
        try:
            environment.install_packages(["a"])
        except StoppedError as error:
            raised.append(error)

    thread = threading.Thread(target=install)
    thread.start()
    while not started.exists():
        thread.join(0.01)
    environment.close()
    thread.join(SECONDS)
    assert [str(error) for error in raised] == ["the engine is stopped"]
    with pytest.raises(StoppedError):
        environment.install_packages(["a"])
