"""What a plugin folder must have is what the original asks for, and all that it lacks is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from procengine.errors import InvalidInputError
from procengine.model.ignore_patterns import PatternError
from procengine.model.schema_fault import SchemaFaultsError
from procengine.registry.plugin_folder import read_plugin_folder
from procengine.registry.source_files import source_files
from tests.registry.some_plugins import Registry, make_plugin


def told(folder: Path) -> list[tuple[str, str]]:
    """Return code and text of each fault of a folder."""
    with pytest.raises(SchemaFaultsError) as caught:
        read_plugin_folder(folder)
    return [(one.code, str(one)) for one in caught.value.faults]


def test_a_plugin_of_one_file(tmp_path: Path) -> None:
    """The only Python file at the top runs; those below, and what is no Python, do not count."""
    plugin = read_plugin_folder(
        make_plugin(tmp_path / "p", files={"lib/more.py": "", "README.md": "", "B.PY": ""})
    )
    assert (plugin.entry_point, plugin.is_package) == ("hot.py", False)
    assert [one.name for one in plugin.files] == [
        "B.PY",
        "README.md",
        "hot.py",
        "lib/more.py",
        "manifest.toml",
    ]


def test_a_plugin_of_several_files(tmp_path: Path) -> None:
    """``__init__.py`` runs wherever it is, and is the plugin as a whole."""
    files = {"__init__.py": "def process_writes(a, b): pass"}
    plugin = read_plugin_folder(make_plugin(tmp_path / "p", files=files))
    assert (plugin.entry_point, plugin.is_package) == ("__init__.py", True)


def test_excluded_files_do_not_count(tmp_path: Path) -> None:
    """A file that is excluded is neither packaged nor an entry point; links are never taken."""
    folder = make_plugin(tmp_path / "p", files={"tests/test_a.py": "", "__pycache__/hot.pyc": "x"})
    (folder / "link.py").symlink_to(folder / "hot.py")
    (folder / "linked").symlink_to(tmp_path)
    assert [one.name for one in read_plugin_folder(folder).files] == ["hot.py", "manifest.toml"]
    assert [one.name for one in source_files(folder, ["*.py", "!hot.py", "manifest.toml", "__*/"])] == [
        "hot.py"
    ]


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    """Without a manifest nothing else is looked at; a manifest that is excluded is none."""
    folder = make_plugin(tmp_path / "p")
    text = (folder / "manifest.toml").read_text()
    (folder / "manifest.toml").write_text(text.replace("tests/**", "manifest.toml"))
    message = 'required file "manifest.toml" is missing from the plugin directory'
    assert told(folder) == [("MissingRequiredFile", message)]
    (folder / "manifest.toml").unlink()
    assert told(folder) == [("MissingRequiredFile", message)]
    with pytest.raises(InvalidInputError, match="there is no such folder"):
        read_plugin_folder(tmp_path / "nowhere")


def test_entry_points_that_are_none_or_too_many(tmp_path: Path) -> None:
    """A folder has one Python file at its top, or ``__init__.py``."""
    folder = make_plugin(tmp_path / "p", files={"other.py": ""})
    assert told(folder) == [
        (
            "AmbiguousEntryPoint",
            (
                "multiple .py files found at the top level without __init__.py: hot.py, other.py; add __init__.py "
                "for a multi-file plugin, or keep only one .py file"
            ),
        )
    ]
    (folder / "hot.py").unlink()
    (folder / "other.py").rename(folder / "lower")
    assert [code for code, _ in told(folder)] == ["NoEntryPoint"]


@pytest.mark.parametrize(
    ("code", "fault", "said"),
    [
        ("def process_writes(a): pass", None, ""),
        ("@deco\ndef process_writes(a): pass", None, ""),
        ("async def process_writes(a): pass\ndef process_writes(a): pass", None, ""),
        (
            "def process_writes(a): pass\nasync def process_writes(a): pass",
            "AsyncTriggerFn",
            "is implemented as",
        ),
        (
            "class C:\n  def process_writes(a): pass",
            "TriggerNotImplemented",
            "line 7, column 13: plugin.triggers[0]",
        ),
        (
            "def f():\n  def process_writes(a): pass",
            "TriggerNotImplemented",
            "has no matching top-level",
        ),
        ("if True:\n  def process_writes(a): pass", "TriggerNotImplemented", ""),
        ("from x import process_writes", "TriggerNotImplemented", ""),
        ("process_writes = print", "TriggerNotImplemented", ""),
        ("", "TriggerNotImplemented", ""),
        ("def process_writes(:", "PythonParse", "hot.py does not parse as valid Python: "),
        ("\0", "PythonParse", "hot.py does not parse as valid Python: "),
    ],
)
def test_triggers_are_functions_of_the_entry_point(
    tmp_path: Path, code: str, fault: str | None, said: str
) -> None:
    """A trigger is a plain function at the top; the last definition of a name counts.

    Source: influxdb3-plugin-schemas/src/plugin_format.rs, TOP_LEVEL_DEF_CONFORMANCE_CASES.
    """
    folder = make_plugin(tmp_path / "p", files={"hot.py": code})
    if fault is None:
        assert read_plugin_folder(folder).entry_point == "hot.py"
        return
    [(found, message)] = told(folder)
    assert found == fault
    assert said in message


def test_faults_of_a_folder_are_told_at_once(tmp_path: Path) -> None:
    """Each trigger that is missing is told, beside a version that is published."""
    folder = make_plugin(tmp_path / "p")
    registry = Registry(tmp_path / "registry")
    registry.publish(folder)
    text = (folder / "manifest.toml").read_text()
    both = '"process_request", "process_scheduled_call"'
    (folder / "manifest.toml").write_text(text.replace('"process_writes"', both))
    with pytest.raises(SchemaFaultsError) as caught:
        read_plugin_folder(folder, index=registry.index)
    assert [one.code for one in caught.value.faults] == [
        "TriggerNotImplemented",
        "TriggerNotImplemented",
        "NameVersionConflict",
    ]


def test_a_pattern_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A pattern of the manifest that is none is named."""
    folder = make_plugin(tmp_path / "p")
    text = (folder / "manifest.toml").read_text()
    (folder / "manifest.toml").write_text(text.replace("tests/**", "{a"))
    with pytest.raises(PatternError, match=r"invalid exclude pattern '\{a'"):
        read_plugin_folder(folder)
