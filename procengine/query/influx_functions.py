"""Which of InfluxDB's own functions have an equal in DataFusion's SQL, and which?

Calls of them are replaced in the text, and nothing else of it is touched; a text without them goes to DataFusion as
it is. Gap filling has no such equal and stands in `gapfill_query`.

Source: core/query_functions/src.
Differs: an unnamed column made with such a function bears the text it was written with as its name; the original
writes names out (``tz(home.time,Utf8("UTC"))``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from procengine.query.clock_functions import CLOCK_FUNCTIONS, CLOCK_WORDS
from procengine.query.difference_functions import DIFFERENCE_FUNCTIONS, difference_text
from procengine.query.selector_functions import SELECTORS, selector_text
from procengine.query.sql_calls import Call, find_calls
from procengine.query.sql_select import find_selects
from procengine.query.sql_tokens import Token, quote_name, tokenize
from procengine.query.text_edits import TextEdits
from procengine.query.zone_functions import ZONE_FUNCTIONS, zone_text

Evaluate = Callable[[str], Any]
"""Returns the value of a constant SQL expression as an Arrow scalar."""

_REWRITTEN = {"to_timestamp", *ZONE_FUNCTIONS, *SELECTORS, *DIFFERENCE_FUNCTIONS, *CLOCK_FUNCTIONS}


def _mention(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(sorted(names))})\b", re.IGNORECASE)


_MENTION = _mention({*_REWRITTEN, *CLOCK_WORDS})
_MENTION_OF_CONSTANTS = _mention({*ZONE_FUNCTIONS, *DIFFERENCE_FUNCTIONS})
_MENTION_OF_CLOCK = _mention({*CLOCK_FUNCTIONS, *CLOCK_WORDS})


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionContext:
    """What replacing calls needs to know: the parameters, and a way to ask for constants."""

    parameters: Mapping[str, Any]
    evaluate: Evaluate


def replace_functions(sql: str, context: FunctionContext) -> str:
    """Return a text in which DataFusion knows every function, but for those of gap filling.

    Raises:
        QueryError: a call has arguments that its function does not take.
    """
    if _MENTION.search(sql) is None:
        return sql
    sql = _name_columns(sql)
    while True:
        edits = TextEdits(sql, tokenize(sql))
        if not _replace_innermost(edits, context):
            return edits.sql
        sql = edits.apply()


def mentions_clock(sql: str) -> bool:
    """Tell whether a text can ask for the present."""
    return _MENTION_OF_CLOCK.search(sql) is not None


def is_replaced_alike(sql: str) -> bool:
    """Tell whether a text is replaced by the same whatever the parameters and the time are.

    Some functions want constants, which are worked out while they are replaced.
    """
    if _MENTION_OF_CONSTANTS.search(sql) is None:
        return True
    return "$" not in sql and not mentions_clock(sql)


def _replace_innermost(edits: TextEdits, context: FunctionContext) -> bool:
    """Replace the calls that hold no other, and tell whether there were any."""
    calls = list(find_calls(edits.tokens, _REWRITTEN))
    spans = [(call.first, call.end) for call in calls]
    words = [
        position for position, token in enumerate(edits.tokens) if _is_clock_word(edits, position, token)
    ]
    spans += [(position, position + 1) for position in words]
    replaced = False
    for call in calls:
        if not any(call.first < start and end <= call.end for start, end in spans):
            edits.replace(call.first, call.end, _replacement(edits, call, context))
            replaced = True
    for position in words:
        edits.replace(position, position + 1, CLOCK_FUNCTIONS[edits.tokens[position].text.lower()])
    return replaced or bool(words)


def _replacement(edits: TextEdits, call: Call, context: FunctionContext) -> str:
    if call.name in CLOCK_FUNCTIONS:
        return CLOCK_FUNCTIONS[call.name]
    if call.name == "to_timestamp":
        # Integers are nanoseconds; DataFusion's own takes them for seconds.
        return f"to_timestamp_nanos{edits.source(call.first + 1, call.end)}"
    if call.name in SELECTORS:
        return selector_text(edits, call)
    if call.name in DIFFERENCE_FUNCTIONS:
        return difference_text(edits, call, context.evaluate)
    return zone_text(edits, call, context.parameters, context.evaluate)


def _is_clock_word(edits: TextEdits, position: int, token: Token) -> bool:
    """Tell whether a word stands for the present without brackets: ``current_date``."""
    if token.upper.lower() not in CLOCK_WORDS or token.text[0] in '"`':
        return False
    before = edits.tokens[position - 1] if position else None
    after = edits.tokens[position + 1] if position + 1 < len(edits.tokens) else None
    return not (before and before.upper in (".", "AS")) and not (after and after.text in (".", "("))


def _name_columns(sql: str) -> str:
    """Name the unnamed columns that are made with functions which will be replaced."""
    edits = TextEdits(sql, tokenize(sql))
    calls = [call.first for call in find_calls(edits.tokens, _REWRITTEN)]
    calls += [n for n, token in enumerate(edits.tokens) if _is_clock_word(edits, n, token)]
    for select in find_selects(edits.tokens):
        for item in select.items:
            start, end = item.expression
            own = [first for first in calls if start <= first < end]
            if item.alias is None and any(not _in_subquery(edits, start, first) for first in own):
                edits.insert(end, f" AS {quote_name(edits.source(start, end))}")
    return edits.apply()


def _in_subquery(edits: TextEdits, start: int, position: int) -> bool:
    depth = edits.tokens[start].depth
    return any(token.upper == "SELECT" and token.depth > depth for token in edits.tokens[start:position])
