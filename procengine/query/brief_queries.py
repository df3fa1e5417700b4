"""What does a text look like, before it is planned: can it make many rows of few, can it do more than choose rows?"""

from __future__ import annotations

import re

_ONE_TABLE = re.compile(
    r"""
    \s* SELECT \b (?: (?! \b(?:FROM|SELECT|UNNEST|RANGE|GENERATE_SERIES)\b | -- | /\* ). )*
    (?: \b FROM \s+ (?: "[^"]*" | (?:last|distinct)_cache \( [^()]* \) | [\w.]++ ) (?: \s++ (?:AS\s++)?+ \w++ )? \s*
        (?: (?: WHERE | GROUP | HAVING | ORDER | LIMIT ) \b (?: (?! \b(?:FROM|SELECT|JOIN|UNION)\b | -- | /\* ). )* )?
    )? ;? \s*
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


_PLAIN = re.compile(
    r"""
    \s* SELECT \b (?! \s+ DISTINCT\b ) [^()]*? \b FROM \b
    (?! .* \b(?:GROUP|HAVING|JOIN|LIMIT|OFFSET|ORDER|UNION)\b )
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def may_only_choose(sql: str) -> bool:
    """Tell whether a text looks as if it only chose rows and columns of a table: whether a plan is worth a look.

    Texts that contain a word of other clauses, be it in a string, are taken to do more.
    """
    return _PLAIN.match(sql) is not None


def is_brief(sql: str) -> bool:
    """Tell whether a text plainly reads one table once, or none: what few rows it reads, it is soon done with.

    Many texts of which that is true are not recognised: a comment is enough.
    """
    return _ONE_TABLE.fullmatch(sql) is not None
