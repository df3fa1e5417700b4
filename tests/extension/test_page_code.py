"""The code of the page is checked where no browser is."""

from __future__ import annotations

import re
from collections import Counter

import anywidget
import pytest
from procengine_jupyter.inspectors.table_widget import TableWidget
from procengine_jupyter.inspectors.timeline_widget import TimelineWidget


@pytest.mark.parametrize("widget", [TableWidget, TimelineWidget])
def test_each_top_level_name_is_declared_once(widget: type[anywidget.AnyWidget]) -> None:
    """A second declaration, in one of the files that are joined or by a merge, is an error that shows no widget."""
    found = re.findall(r"^(?:export )?(?:function|const|let|class) (\w+)", str(widget._esm), re.M)
    assert "watchSight" in found
    assert [name for name, count in Counter(found).items() if count > 1] == []
