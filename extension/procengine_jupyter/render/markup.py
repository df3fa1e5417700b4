"""How is HTML put together so that nothing foreign gets in?

Text becomes `Html` only through `escape`, or as the content of `element`, which escapes it. Control
characters are shown as escapes, and a long value is cut with a mark.
"""

from __future__ import annotations

import html
import unicodedata

LONGEST_TEXT = 2_000
"""Characters of one value that are shown, unless a caller says otherwise."""

_KEPT_CONTROLS = "\n\t"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def visible(value: object, *, longest: int = LONGEST_TEXT) -> str:
    """Return a value's text with its control characters made visible, cut to a length.

    Line ends and tabs stay. Characters that reorder or hide text (bidirectional controls, zero width)
    count as control characters.
    """
    text = str(value)
    hidden = len(text) - longest
    shown = text[:longest]
    if not shown.isprintable():  # as hardly any text is
        shown = "".join(map(_visible_character, shown))
    return f"{shown}… ({hidden:,} more characters)" if hidden > 0 else shown


def _visible_character(character: str) -> str:
    if character in _KEPT_CONTROLS or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co"}:
        return character
    return character.encode("unicode_escape").decode("ascii")


def escape(value: object, *, longest: int = LONGEST_TEXT) -> Html:
    """Return a value as HTML text; what is HTML already stays as it is."""
    if isinstance(value, Html):
        return value
    return Html(html.escape(visible(value, longest=longest), quote=True))


def element(tag: str, *children: object, css: str = "", **attributes: str) -> Html:
    """Return an element with a class and attributes; children are escaped and joined."""
    named = {"class": css} | attributes if css else attributes
    written = "".join(f' {name}="{escape(value)}"' for name, value in named.items())
    return Html(f"<{tag}{written}>{join(children)}</{tag}>")


def join(children: object, separator: str = "") -> Html:
    """Return children escaped and joined; None and empty text are left out."""
    parts = children if isinstance(children, list | tuple) else (children,)
    return Html(
        escape(separator).join(escape(part) for part in parts if part is not None and part != "")
    )


def rows(cells: list[list[object]], *, heads: list[object] | None = None, css: str = "pe-rows") -> Html:
    """Return a table of rows, with a head row where heads are given."""
    head = element("thead", element("tr", *(element("th", cell) for cell in heads))) if heads else ""
    body = (element("tr", *(element("td", cell) for cell in row)) for row in cells)
    return element("table", head, element("tbody", *body), css=css)
