"""The code of the page is checked where no browser is."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from procengine_jupyter.inspectors.table_widget import TableWidget
from procengine_jupyter.inspectors.timeline_widget import TimelineWidget


@pytest.mark.parametrize("widget", [TableWidget, TimelineWidget])
def test_each_top_level_name_is_declared_once(widget: type[TableWidget | TimelineWidget]) -> None:
    """A second declaration, as two merged changes can make, is a syntax error that shows no widget at all.

    What is checked is what the page loads: the shared script and the widget's own as one module.
    """
    found = re.findall(r"^(?:export )?(?:function|const|let|class) (\w+)", str(widget._esm), re.M)
    assert len(found) > 5
    assert [name for name, count in Counter(found).items() if count > 1] == []
