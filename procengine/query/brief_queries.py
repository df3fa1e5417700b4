"""Which texts cannot make many rows of few?"""

from __future__ import annotations

import re

_ONE_TABLE = re.compile(
    r"""
    \s* SELECT \b (?: (?! \b(?:FROM|SELECT|UNNEST|RANGE|GENERATE_SERIES)\b | -- | /\* ). )*
    (?: \b FROM \s+ (?: "[^"]*" | [\w.]+ ) \s*
        (?: (?: WHERE | GROUP | HAVING | ORDER | LIMIT ) \b (?: (?! \b(?:FROM|SELECT|JOIN|UNION)\b | -- | /\* ). )* )?
    )? ;? \s*
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def is_brief(sql: str) -> bool:
    """Tell whether a text plainly reads one table once, or none: what few rows it reads, it is soon done with.

    Many texts of which that is true are not recognised: an alias of the table is enough.
    """
    return _ONE_TABLE.fullmatch(sql) is not None
