"""What do the cards look like?

One small sheet goes with each card, so that an exported or reopened notebook needs nothing else.
Text and lines have the colours of JupyterLab's theme where there is one, and the page's own elsewhere, so that
light, dark and printed pages all work. Every rule is below ``.pe-card``, written three times where the page
styles tables and code itself.
"""

from __future__ import annotations

from procengine_jupyter.render.markup import Html, element

_SHEET = """
.pe-card{--pe-line:var(--jp-border-color2,rgba(128,128,128,.35));--pe-good:#2b7d4f;--pe-bad:#c2313a;
--pe-warn:#9a5b00;--pe-soft:var(--jp-ui-font-color2,GrayText);
border:1px solid var(--pe-line);border-left:3px solid var(--pe-line);border-radius:3px;padding:7px 12px 9px;
margin:2px 0 4px;max-width:920px;box-sizing:border-box;overflow-x:auto;
font:13px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,inherit)}
[data-jp-theme-light=false] .pe-card{--pe-good:#6fce97;--pe-bad:#ff8a8a;--pe-warn:#f0b45c}
@media (prefers-color-scheme:dark){:root:not([data-jp-theme-light]) body:not([data-jp-theme-light]) .pe-card{
--pe-good:#4fae79;--pe-bad:#e5696f;--pe-warn:#c98a2e}}
.pe-card.pe-good{border-left-color:var(--pe-good)}.pe-card.pe-bad{border-left-color:var(--pe-bad)}
.pe-card.pe-warn{border-left-color:var(--pe-warn)}
.pe-card.pe-plain{border:none;padding:2px 0;margin:0}
.pe-card .pe-head{display:flex;flex-wrap:wrap;gap:0 10px;align-items:baseline}
.pe-card .pe-title{font-weight:600}
.pe-card .pe-soft,.pe-card .pe-label{color:var(--pe-soft)}
.pe-card .pe-label{margin-right:3px}.pe-card .pe-part{margin-top:6px}
.pe-card .pe-text-good{color:var(--pe-good)}.pe-card .pe-text-bad{color:var(--pe-bad)}
.pe-card .pe-text-warn{color:var(--pe-warn)}
.pe-card .pe-run{margin-top:7px;padding-top:6px;border-top:1px solid var(--pe-line)}
.pe-card .pe-long{white-space:pre-wrap;overflow-wrap:anywhere}
.pe-card .pe-wrap{white-space:normal}
.pe-card.pe-card.pe-card code,.pe-card.pe-card.pe-card pre{
font-family:var(--jp-code-font-family,ui-monospace,monospace);
font-size:12px;background:none;color:inherit;padding:0;line-height:1.45;white-space:inherit}
.pe-card.pe-card.pe-card pre{margin:4px 0 0;padding:6px 9px;border:1px solid var(--pe-line);border-radius:3px;
white-space:pre-wrap;overflow-wrap:anywhere;max-height:340px;overflow-y:auto}
.pe-card.pe-card.pe-card table{border-collapse:collapse;margin:4px 0 0;font-size:12px;border:none}
.pe-card.pe-card.pe-card td,.pe-card.pe-card.pe-card th{padding:1px 18px 1px 0;text-align:left;
vertical-align:baseline;border:none;background:none;white-space:nowrap;max-width:none;line-height:1.5}
.pe-card.pe-card.pe-card .pe-rows td:last-child{white-space:pre-wrap;overflow-wrap:anywhere}
.pe-card.pe-card.pe-card th{font-weight:600;white-space:nowrap}
.pe-card.pe-card.pe-card thead{border:none}.pe-card.pe-card.pe-card tbody tr:nth-child(n){background:none}
.pe-card.pe-card.pe-card .pe-data td{white-space:pre;font-variant-numeric:tabular-nums;padding:2px 18px 2px 0}
.pe-card.pe-card.pe-card .pe-data thead th{border-bottom:1px solid var(--pe-line);padding-bottom:3px}
.pe-card.pe-card.pe-card .pe-data .pe-number{text-align:right}
.pe-card .pe-data th .pe-soft{font-weight:400;font-size:11px;display:block}
.pe-card.pe-card.pe-card ul{margin:2px 0 0;padding-left:18px}.pe-card.pe-card.pe-card li{margin:1px 0}
@media print{.pe-card.pe-card.pe-card pre{max-height:none}.pe-card{max-width:none}}
"""

STYLE = element("style", Html("".join(_SHEET.splitlines())))


def card(title: object, *body: object, details: object = "", tone: str = "") -> Html:
    """Return a card: its title, details beside it, and what stands below.

    ``tone`` is ``good``, ``bad``, ``warn`` or empty, and colours the card's left edge.
    """
    head = element(
        "div",
        element("span", title, css="pe-title"),
        element("span", details, css="pe-soft"),
        css="pe-head",
    )
    return Html(STYLE + element("div", head, *body, css=f"pe-card pe-{tone}" if tone else "pe-card"))


def part(label: str, *content: object) -> Html:
    """Return one labelled part of a card."""
    return element("div", element("span", label, css="pe-label"), " ", *content, css="pe-part")


def soft(content: object) -> Html:
    """Return content in the quieter colour."""
    return element("span", content, css="pe-soft")


def code(content: object) -> Html:
    """Return content in the code font."""
    return element("code", content)
