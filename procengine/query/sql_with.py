"""Which WITH queries can a place in a text refer to?"""

from __future__ import annotations

from collections.abc import Sequence

from procengine.query.sql_calls import closing
from procengine.query.sql_tokens import Token


def visible_with(sql: str, tokens: Sequence[Token], position: int) -> str:
    """Return a WITH clause of all queries that a place may name, followed by a space; empty without any."""
    queries: list[str] = []
    recursive = False
    for start, token in enumerate(tokens[:position]):
        if token.upper != "WITH" or not _opens_query(tokens, start):
            continue
        if any(one.depth < token.depth for one in tokens[start:position]):
            continue
        recursive |= tokens[start + 1].upper == "RECURSIVE"
        queries += [
            sql[tokens[first].start : tokens[end - 1].end]
            for first, end in _queries(tokens, start)
            if end <= position
        ]
    if not queries:
        return ""
    return f"WITH {'RECURSIVE ' if recursive else ''}{', '.join(queries)} "


def _opens_query(tokens: Sequence[Token], start: int) -> bool:
    return start == 0 or tokens[start - 1].upper in ("(", "EXPLAIN", "ANALYZE", "VERBOSE")


def _queries(tokens: Sequence[Token], start: int) -> list[tuple[int, int]]:
    """Return the spans of ``name AS (...)`` behind one WITH."""
    found = []
    depth = tokens[start].depth
    first = start + 1 + (tokens[start + 1].upper == "RECURSIVE")
    position = first
    while position < len(tokens):
        token = tokens[position]
        if token.depth == depth and token.text == "(" and _is_body(tokens, position):
            end = closing(tokens, position)
            found.append((first, end))
            if end >= len(tokens) or tokens[end].text != ",":
                break
            first = position = end + 1
        else:
            position += 1
    return found


def _is_body(tokens: Sequence[Token], position: int) -> bool:
    return tokens[position - 1].upper in ("AS", "MATERIALIZED")
