"""Each package imports only packages above it in this list; siblings on a line leave each other alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "procengine": ROOT / "procengine",
    "procengine_jupyter": ROOT / "extension" / "procengine_jupyter",
}

LAYERS: tuple[tuple[str, ...], ...] = (
    ("procengine.errors",),
    (
        "procengine.clock",
        "procengine.file_system",
        "procengine.file_lock",
        "procengine.thread_exceptions",
    ),
    ("procengine.recovery", "procengine.bucket", "procengine.replaced_folder"),
    ("procengine.data_folder",),
    ("procengine.model",),
    ("procengine.option_values", "procengine.config_file"),
    (
        "procengine.catalog",
        "procengine.history",
        "procengine.wal",
        "procengine.cache",
        "procengine.state",
        "procengine.config",
    ),
    ("procengine.write", "procengine.registry"),
    ("procengine.query", "procengine.processing", "procengine.remote"),
    ("procengine.attach",),
    ("procengine.plugin_part", "procengine.storage_part"),
    ("procengine.engine",),
    (
        "procengine.http",
        "procengine.cli",
        "procengine.replay",
        "procengine.testing",
    ),
    ("procengine.deploy",),
    ("procengine.serve_command", "procengine.deploy_command"),
    ("procengine.command_line",),
    ("procengine.__main__",),
    ("procengine_jupyter",),
)

UPWARD = {("procengine.__init__", "procengine.engine"), ("procengine.__init__", "procengine_jupyter")}
"""The public face re-exports the engine, and loads the notebook extension when a shell asks."""


def _modules() -> list[tuple[str, Path]]:
    found = []
    for name, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = (name, *path.relative_to(folder).with_suffix("").parts)
            found.append((".".join(parts), path))
    return found


def _layer(module: str) -> tuple[int, str] | None:
    """Return the layer's number and the member that holds a module; None for the package's face."""
    for number, members in enumerate(LAYERS):
        for member in members:
            if module == member or module.startswith(member + "."):
                return number, member
    return None


def _imports(path: Path) -> list[tuple[str, int]]:
    """Return every module of ours that a file imports, deferred and type-checking imports left out of none."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: relative import"
            found.append((node.module or "", node.lineno))
    return [(name, line) for name, line in found if name.split(".")[0] in PACKAGES]


def _type_checking_lines(path: Path) -> set[int]:
    """Return the lines under ``if TYPE_CHECKING:``, which import nothing when the program runs."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.If)
            and isinstance(node.test, ast.Name)
            and node.test.id == "TYPE_CHECKING"
        ):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


@pytest.mark.parametrize(("module", "path"), _modules(), ids=[name for name, _ in _modules()])
def test_layers_imports_point_upward(module: str, path: Path) -> None:
    """A module imports only its own package and those of the layers above."""
    home = _layer(module)
    quiet = _type_checking_lines(path)
    for name, line in _imports(path):
        target = _layer(name)
        if target is None or (module, target[1]) in UPWARD or line in quiet:
            continue
        assert home is not None, f"{path}:{line}: the package's face imports {name}"
        allowed = target[0] < home[0] or target[1] == home[1]
        assert allowed, f"{path}:{line}: {module} (layer {home[0]}) imports {name} (layer {target[0]})"


def test_layers_every_module_has_one() -> None:
    """No module stands outside the layers, but the faces of the packages."""
    homeless = [name for name, _ in _modules() if _layer(name) is None]
    assert homeless == ["procengine.__init__"]
