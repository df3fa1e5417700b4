"""``%influxdb3 install package`` in a notebook: told as it goes, offered where an import fails."""

from __future__ import annotations

import builtins
import queue
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from procengine_jupyter.install_panel import InstallPanel
from procengine_jupyter.session import Session

from procengine.model.installation import InstallWatch
from tests.extension.conftest import Notebook
from tests.wheels import make_wheel, offline

IMPORTS = """%%plugin needy --trigger request:needy --database house
# /// script
# dependencies = ["tiny_a>=1"]
# ///
import tiny_a

def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    return tiny_a.SAYS
"""


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of wheels, the only place where pip looks."""
    for name, value in offline(tmp_path / "wheels").items():
        monkeypatch.setenv(name, value)
    yield tmp_path / "wheels"
    sys.modules.pop("tiny_a", None)


def test_a_missing_package_is_offered_installed_and_imported(
    notebook: Notebook, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that a card offers makes the plugin run, without a restart; the course is printed."""
    make_wheel(wheels, "tiny_a", "1.5")
    offered = "install what has it: %influxdb3 install package 'tiny_a>=1'"
    assert f"line 5: module tiny_a is not installed; {offered}" in notebook.run(IMPORTS).text()
    failed = notebook.run("%fire needy").text()
    assert "ModuleNotFoundError: No module named 'tiny_a'" in failed
    assert offered in failed
    capsys.readouterr()

    notebook.run("%influxdb3 install package 'tiny_a>=1'")

    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("Successfully installed tiny_a-1.5") for line in lines)
    assert lines[-1] == f"installed tiny_a 1.5 into {Path('plugins/.venv').absolute()}"
    assert "1.5" in notebook.run("%fire needy").text()


class Loop:
    """A kernel's loop: calls from other threads wait for the test to take them."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[..., None], tuple[object, ...]]] = (
            queue.SimpleQueue()
        )

    def add_callback(self, call: Callable[..., None], *arguments: object) -> None:
        """Take a call from any thread."""
        self._calls.put((call, arguments))

    def run_until(self, done: Callable[[], bool]) -> None:
        """Make calls as they come, until something holds."""
        while not done():
            call, arguments = self._calls.get(timeout=60)
            call(*arguments)


@pytest.fixture
def live(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> Loop:
    """The notebook's kernel has a loop, and so its cards have buttons."""
    loop = Loop()
    monkeypatch.setattr(Session, "loop", property(lambda _: loop))
    return loop


def pressed(notebook: Notebook, card: Any, loop: Loop) -> InstallPanel:
    """Return the panel below a card, its button pressed."""
    packages = card.run.failure.missing_packages
    install = partial(notebook.engine.install_packages, packages)
    panel = InstallPanel(loop, card, packages, install, notebook.engine.stop_installation)
    panel.button.click()
    return panel


def test_a_button_installs_what_is_missing(notebook: Notebook, wheels: Path, live: Loop) -> None:
    """The card of a failed import has a button: lines come as pip prints them, and the plugin then runs."""
    make_wheel(wheels, "tiny_a", "1.5")
    notebook.run(IMPORTS)
    card = notebook.run("%fire needy")
    assert "application/vnd.jupyter.widget-view+json" in card._repr_mimebundle_()
    assert "%influxdb3 install package 'tiny_a>=1'" in card.text(), "the command is there in text, too"
    panel = pressed(notebook, card, live)
    assert panel.button.description == "install tiny_a>=1"
    assert panel.button.disabled
    assert panel.stop_button.layout.display == ""
    live.run_until(lambda: "Successfully installed tiny_a-1.5" in panel.course.value)
    live.run_until(lambda: panel.button.layout.display == "none")
    assert f"installed tiny_a 1.5 into {Path('plugins/.venv').absolute()}" in panel.course.value
    assert panel.stop_button.layout.display == "none"
    again = notebook.run("%fire needy")
    assert "1.5" in again.text()
    assert "application/vnd.jupyter.widget-view+json" not in again._repr_mimebundle_()


def test_the_button_asks_about_conflicts(notebook: Notebook, wheels: Path, live: Loop) -> None:
    """Conflicts are shown before anything is installed; pressed again, it is installed all the same."""
    make_wheel(wheels, "tiny_a", needs=["numpy<0.1"])
    make_wheel(wheels, "numpy", "0.0.1")
    notebook.run(IMPORTS)
    panel = pressed(notebook, notebook.run("%fire needy"), live)
    live.run_until(lambda: panel.button.description == "install all the same")
    assert "these would not fit together; nothing was installed" in panel.course.value
    assert "conflict: tiny_a 1.0 needs numpy&lt;0.1, but numpy " in panel.course.value
    assert not Path("plugins/.venv").exists()
    panel.button.click()
    live.run_until(lambda: panel.button.layout.display == "none")
    assert Path("plugins/.venv").exists()


def test_the_stop_button_ends_an_installation(notebook: Notebook, wheels: Path, live: Loop) -> None:
    """Pressed while packages are put in place, it ends the installer and takes them back; it can be tried again."""
    make_wheel(wheels, "tiny_a")
    notebook.run(IMPORTS)
    card = notebook.run("%fire needy")
    packages = card.run.failure.missing_packages

    def install(watch: InstallWatch) -> object:
        def tell(line: str) -> None:
            watch.tell(line)
            if line.startswith("Successfully installed"):
                panel.stop_button.click()

        return notebook.engine.install_packages(packages, InstallWatch(tell=tell, accept=watch.accept))

    panel = InstallPanel(live, card, packages, install, notebook.engine.stop_installation)
    panel.button.click()
    live.run_until(lambda: not panel.button.disabled)
    assert "not installed; everything is as it was" in panel.course.value
    assert "interrupted; nothing was installed" in panel.course.value
    assert not Path("plugins/.venv").exists()
    panel = pressed(notebook, card, live)
    live.run_until(lambda: panel.button.layout.display == "none")


def test_the_button_says_once_why_it_failed(notebook: Notebook, wheels: Path, live: Loop) -> None:
    """What the installer printed stands in the card once, though the error repeats it; it can be tried again."""
    wheels.mkdir()
    notebook.run(IMPORTS)
    panel = pressed(notebook, notebook.run("%fire needy"), live)
    live.run_until(lambda: not panel.button.disabled)
    assert "not installed; everything is as it was" in panel.course.value
    assert panel.course.value.count("ERROR: No matching distribution found for tiny_a") == 1
    assert panel.course.value.count("External call failed: status 1") == 1


def test_a_manifest_names_the_package(notebook: Notebook) -> None:
    """What the manifest beside a plugin declares is offered; where no name fits, all of it."""
    Path("plugins/manifest.toml").write_text('[dependencies]\npython = ["gone-x>=1", "other_x"]\n')
    card = notebook.run(IMPORTS.replace("# ///", "#").replace("tiny_a", "nosuch_x")).text()
    assert "%influxdb3 install package 'gone-x>=1' other_x" in card


def test_conflicts_are_shown_and_asked_about(
    notebook: Notebook, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without consent nothing is installed; with --yes it is."""
    make_wheel(wheels, "tiny_a", needs=["numpy<0.1"])
    make_wheel(wheels, "numpy", "0.0.1")

    text = notebook.fails("%influxdb3 install package tiny_a")

    assert text == "nobody can be asked for confirmation here: add --yes to go on without asking"
    assert "conflict: tiny_a 1.0 needs numpy<0.1, but numpy " in capsys.readouterr().out
    assert not Path("plugins/.venv").exists()
    notebook.run("%influxdb3 install package tiny_a --yes")
    assert "installed tiny_a 1.0, numpy 0.0.1 into " in capsys.readouterr().out.replace(
        "numpy 0.0.1, tiny_a 1.0", "tiny_a 1.0, numpy 0.0.1"
    )


def test_a_failure_says_what_was_not_said_yet(
    notebook: Notebook, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The installer's lines stand above; the error repeats the last of them alone."""
    wheels.mkdir()
    text = notebook.fails("%influxdb3 install package tiny_gone")
    why = "ERROR: No matching distribution found for tiny_gone"
    assert text == f"External call failed: status 1: {why}"
    assert capsys.readouterr().out.count(why) == 1


def test_an_interrupt_installs_nothing(
    notebook: Notebook, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt ends the installation, and says that nothing was installed."""
    make_wheel(wheels, "tiny_a")

    def interrupt(*said: object, **options: Any) -> None:
        if str(said[0]).startswith("Looking in links"):
            raise KeyboardInterrupt
        shown(*said, **options)

    shown = builtins.print
    monkeypatch.setattr(builtins, "print", interrupt)
    text = notebook.fails("%influxdb3 install package tiny_a")
    monkeypatch.undo()

    assert text == "interrupted; nothing was installed"
    assert not Path("plugins/.venv").exists()


def test_installations_disabled(notebook: Notebook, wheels: Path) -> None:
    """Where none are allowed, the original's answer comes, into the kernel too."""
    notebook.run("%procengine restart --object-store memory --package-manager disabled")
    text = "Package installation has been disabled. Contact your administrator for more information."
    assert notebook.fails("%influxdb3 install package tiny_a") == text
    assert notebook.fails("%influxdb3 install package --kernel tiny_a") == text


def test_the_kernel_of_another_server(notebook: Notebook) -> None:
    """``--kernel`` goes with this process alone, and packages must be said."""
    line = "%influxdb3 install package --kernel --host http://127.0.0.1:9 tiny_a"
    assert notebook.fails(line) == "--kernel installs into this Python; it does not go with --host"
    assert "say which packages to install" in notebook.fails("%influxdb3 install package")
