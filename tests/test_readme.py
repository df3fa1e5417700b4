"""The README's commands, examples and tables hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from procengine.config import OPTIONS
from tests import readme

INSIDE = "PROCENGINE_README_TEST"
"""Set while a README command runs inside a test, so that it does not run itself again."""

FEW_TESTS = "tests/model tests/test_config.py tests/test_layers.py"


@pytest.fixture(scope="module")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the checkout and nothing else, where a package index answers."""
    if os.environ.get(INSIDE):
        pytest.skip("runs inside a README command")
    folder = tmp_path_factory.mktemp("readme") / "checkout"
    probe = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(folder.parent),
        "six",
    ]
    if subprocess.run(probe, capture_output=True, timeout=120, check=False).returncode != 0:
        pytest.skip("no package index answers")
    left_out = shutil.ignore_patterns(
        ".git", "venv", ".venv", "__pycache__", ".*_cache", ".hypothesis", "plugins", ".procengine"
    )
    shutil.copytree(readme.ROOT, folder, ignore=left_out)
    return folder


def _run(line: str, folder: Path, **variables: str) -> str:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "PYTHONPATH"))
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        cwd=folder,
        env=kept | {INSIDE: "1"} | variables,
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.install
@pytest.mark.timeout(500)
def test_readme_main_command_runs_the_quickstart(empty_folder: Path) -> None:
    """The main command, headless, installs, executes the quickstart and prints what happened."""
    shown = _run(readme.command("run") + " --headless", empty_folder)
    assert "%load_ext procengine" in shown
    assert "KeyError: 'percip'" in shown, "the dry run of the plugin with a mistake shows its traceback"
    assert shown.count("Traceback") == 1
    assert (empty_folder / "procengine-quickstart" / "plugins").is_dir()


@pytest.mark.install
@pytest.mark.timeout(500)
def test_readme_test_command_installs_and_passes(empty_folder: Path) -> None:
    """The test command installs and passes; here with a part of the suite, the whole of which runs it."""
    shown = _run(readme.command("test"), empty_folder, PYTEST_ADDOPTS=FEW_TESTS)
    assert re.search(r"\d+ passed", shown)
    assert "failed" not in shown


def _run_example(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", readme.example(name)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_readme_library_example_runs(tmp_path: Path) -> None:
    """The example without a notebook prints the rows that it wrote, hottest first."""
    done = _run_example("library", tmp_path)
    assert done.stdout == "[{'room': 'Attic', 'temp': 24.5}, {'room': 'Kitchen', 'temp': 21.0}]\n", (
        done.stderr
    )


def test_readme_trigger_example_runs(tmp_path: Path) -> None:
    """The example that creates and fires a trigger prints the plugin's answer."""
    done = _run_example("trigger", tmp_path)
    assert done.stdout == '{"hello": "you"}\n', done.stderr


def test_readme_server_example_runs(tmp_path: Path) -> None:
    """The example that serves an engine prints the row that it wrote over HTTP."""
    done = _run_example("server", tmp_path)
    assert done.stdout == "[{'room': 'Attic', 'temp': 24.5}]\n", done.stderr


def test_readme_caches_example_runs(tmp_path: Path) -> None:
    """The example of the caches prints the newest rows of a key, and the distinct values."""
    done = _run_example("caches", tmp_path)
    assert done.stdout == (
        "[{'temp': 25.0}, {'temp': 24.5}]\n[{'room': 'Attic'}, {'room': 'Kitchen'}]\n"
    ), done.stderr


def test_readme_limits_example_runs(tmp_path: Path) -> None:
    """The example of a run past a limit prints which one, its value and what was measured."""
    done = _run_example("limits", tmp_path)
    assert re.fullmatch(
        r"RunLimitExceeded: (CPU|wall) time limit of \d+ms exceeded: .*\n", done.stdout
    ), done.stderr


def test_readme_names_every_option() -> None:
    """Each option stands in the README's table, and no other."""
    assert readme.table_keys("Options") == list(OPTIONS)


def test_readme_names_every_variable() -> None:
    """The README names the environment variables of every option."""
    missing = [
        each
        for option in OPTIONS.values()
        for each in option.variables
        if f"`{each}`" not in readme.TEXT
    ]
    assert missing == []
