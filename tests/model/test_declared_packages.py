"""What plugins declare of the packages that they need."""

from __future__ import annotations

import pytest

from procengine.model.declared_packages import (
    declared_in_manifest,
    declared_in_text,
    install_command,
    missing_module,
    packages_with,
)

BLOCK = """# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "requests<3",
#   "rich",
# ]
# ///
import requests
"""


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        (BLOCK, ("requests<3", "rich")),
        (BLOCK.replace("\n", "\r\n"), ("requests<3", "rich")),
        ("import requests\n", ()),
        ("# /// script\n# dependencies = [\n# ///\n", ()),
        ("# /// script\n# dependencies = 7\n# ///\n", ()),
        ('"""doc"""\n' + BLOCK, ("requests<3", "rich")),
    ],
)
def test_inline_metadata(text: str, declared: tuple[str, ...]) -> None:
    """The dependencies of a script block count; a block that is no TOML declares nothing."""
    assert declared_in_text(text) == declared


def test_manifest() -> None:
    """A manifest's Python packages count, and nothing that is not text."""
    text = '[dependencies]\ndatabase_version = ">=3.2"\npython = ["requests>=2.31,<3", "pint", 3]\n'
    assert declared_in_manifest(text) == ("requests>=2.31,<3", "pint")
    assert declared_in_manifest("dependencies = 3") == ()
    assert declared_in_manifest("not toml") == ()


@pytest.mark.parametrize(
    ("module", "declared", "packages"),
    [
        ("pint", (), ("pint",)),
        ("pint", ("requests", "Pint>=0.2"), ("Pint>=0.2",)),
        ("yaml", ("PyYAML>=6", "rich"), ("PyYAML>=6", "rich")),
        ("tiny_a", ("tiny-a[x]",), ("tiny-a[x]",)),
    ],
)
def test_packages_with_a_module(
    module: str, declared: tuple[str, ...], packages: tuple[str, ...]
) -> None:
    """The declared package of the module's name is meant; where none has it, one of all declared has the module."""
    assert packages_with(module, declared) == packages


def test_command() -> None:
    """What a shell would take apart is quoted."""
    assert install_command(["a>=1", "b"]) == "influxdb3 install package 'a>=1' b"


@pytest.mark.parametrize(
    ("message", "module"),
    [
        ("ModuleNotFoundError: No module named 'pint'", "pint"),
        ("Python function call failed: ModuleNotFoundError: No module named 'pint'", "pint"),
        ("ModuleNotFoundError: No module named 'pandas.gone'", None),
        ("ImportError: No module named 'pint'", None),
    ],
)
def test_missing_module(message: str, module: str | None) -> None:
    """A module that was not found is one to install; a part of a package that is there is not."""
    assert missing_module(message) == module
