"""Which database is meant where a line names none?"""

from __future__ import annotations

from collections.abc import Sequence

from IPython.core.error import UsageError


def meant_database(*choices: Sequence[str], question: str, known: str, none: str) -> str:
    """Return the only name of the first choice that has one alone.

    ``question`` is what is asked otherwise, ``known`` introduces the names of the first choice, and ``none`` is said
    where that has none.

    Raises: UsageError: it is not clear.
    """
    for names in choices:
        if len(names) == 1:
            return names[0]
    if not choices[0]:
        raise UsageError(none)
    raise UsageError(f"{question}? --database NAME says it; {known}: {', '.join(choices[0])}")
