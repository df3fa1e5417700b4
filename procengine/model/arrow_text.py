"""How does text that plugins made become a column?"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa


def text_column(texts: Sequence[str | None]) -> pa.Array:
    """Return texts as ``utf8``.

    Python's text may hold halves of surrogate pairs, which no encoding knows; they are written as escapes.
    """
    try:
        return pa.array(texts, pa.utf8())
    except UnicodeEncodeError:
        return pa.array([None if text is None else _encodable(text) for text in texts], pa.utf8())


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
