"""The code of the page is checked where no browser is."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import procengine_jupyter
import pytest

FILES = sorted(Path(procengine_jupyter.__file__).parent.rglob("*.js"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_top_level_name_is_declared_once(file: Path) -> None:
    """A second declaration, as two merged changes can make, is a syntax error that shows no widget at all."""
    found = re.findall(r"^(?:export )?(?:function|const|let|class) (\w+)", file.read_text(), re.M)
    assert found
    assert [name for name, count in Counter(found).items() if count > 1] == []
