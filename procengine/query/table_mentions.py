"""Which tables can a text mean?

Tables are made ready before planning, because DataFusion cannot be asked for one while it plans; so the candidates
are read off the text. A table too many costs a little, one too few would be an error: every word counts, wherever it
stands, and names that are not words count where the text contains them at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"\w+")


class TableMentions:
    """Finds names of one set of tables in texts; made once for a set."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)
        self._odd = tuple(name for name in self.names if not _WORD.fullmatch(name))

    def find(self, sql: str) -> list[str]:
        """Return the names that a text can mean, quoted or not, in no particular order."""
        words = set(_WORD.findall(sql))
        words.update([word.lower() for word in words])
        found = list(words & self.names)
        if self._odd:
            lowered = sql.lower()
            found.extend(name for name in self._odd if _contains(sql, lowered, name))
        return found


def _contains(sql: str, lowered: str, name: str) -> bool:
    return (
        name in sql
        or name in lowered
        or name.replace('"', '""') in sql
        or name.replace("`", "``") in sql
    )
