"""The notebook's folder is found by what the front end says."""

from __future__ import annotations

from pathlib import Path

from procengine_jupyter.notebook_folder import notebook_folder


def test_current_folder_stands_in(tmp_path: Path) -> None:
    """Without a notebook, as in a terminal, it is the current folder."""
    assert notebook_folder({}, {}, tmp_path) == tmp_path


def test_session_name_is_followed(tmp_path: Path) -> None:
    """Jupyter's server names the notebook, absolutely or below the current folder."""
    (tmp_path / "work").mkdir()
    for name in ("work/a.ipynb", str(tmp_path / "work" / "a.ipynb")):
        assert notebook_folder({"JPY_SESSION_NAME": name}, {}, tmp_path) == tmp_path / "work"


def test_vs_code_variable_comes_first(tmp_path: Path) -> None:
    """VS Code says where the notebook is by a variable."""
    (tmp_path / "code").mkdir()
    variables = {"__vsc_ipynb_file__": str(tmp_path / "code" / "a.ipynb")}

    assert notebook_folder({"JPY_SESSION_NAME": "b.ipynb"}, variables, tmp_path) == tmp_path / "code"


def test_names_that_lead_nowhere_are_passed_over(tmp_path: Path) -> None:
    """A session's name may be an identifier or of another machine."""
    for name in ("7f0c2b52", "/nowhere/at/all/a.ipynb", "gone/a.ipynb"):
        assert notebook_folder({"JPY_SESSION_NAME": name}, {}, tmp_path) == tmp_path
