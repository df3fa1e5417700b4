"""How is a query's result shown?"""

from __future__ import annotations

import html as html_lib
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from procengine.model.counted import counted
from procengine.model.result_format import format_pretty
from procengine.model.result_values import format_float
from procengine_jupyter.render.markup import Html, element, escape, visible
from procengine_jupyter.render.phrases import duration
from procengine_jupyter.render.style import card, soft
from procengine_jupyter.render.view import View

MOST_ROWS = 20
MOST_COLUMNS = 30
LONGEST_CELL = 160


@dataclass(frozen=True, slots=True, repr=False)
class QueryResult(View):
    """A query's result: an Arrow table that shows itself.

    ``table`` is the data; pandas, polars and pyarrow also take the object itself (Arrow's C stream).
    """

    table: pa.Table
    duration_ns: int = 0
    name: str | None = field(default=None, kw_only=True)

    def kept_as(self, name: str) -> QueryResult:
        """Return the same result, saying which variable holds it."""
        return replace(self, name=name)

    def to_arrow(self) -> pa.Table:
        """Return the data as an Arrow table, without a copy."""
        return self.table

    def to_pandas(self) -> Any:
        """Return the data as a pandas DataFrame; tags become text."""
        return _without_dictionaries(self.table).to_pandas()

    def to_polars(self) -> Any:
        """Return the data as a polars DataFrame; tags become text.

        Raises: ModuleNotFoundError where polars is not installed.
        """
        import polars

        return polars.from_arrow(_without_dictionaries(self.table))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the data to any library that reads Arrow's C stream."""
        return self.table.__arrow_c_stream__(requested_schema)

    def html(self) -> Html:
        """Return the first rows as HTML."""
        return card(self._title(), table_html(self.table), details=self._details())

    def plain(self) -> str:
        """Return the first rows as text."""
        return f"{format_pretty(_head(self.table))}\n{self._title()} · {self._details()}"

    def _title(self) -> str:
        return counted(self.table.num_rows, "row")

    def _details(self) -> str:
        facts = [counted(self.table.num_columns, "column"), duration(self.duration_ns)]
        if self.table.num_rows > MOST_ROWS:
            facts.append(f"the first {MOST_ROWS} are shown")
        if self.name is not None:
            facts.append(f"kept as {self.name}")
        return " · ".join(facts)


def _without_dictionaries(table: pa.Table) -> pa.Table:
    """Return a table with tags as plain text: a dictionary of a result may repeat values, which pandas refuses."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _head(table: pa.Table) -> pa.Table:
    return table.slice(0, MOST_ROWS).select(range(min(MOST_COLUMNS, table.num_columns)))


def table_html(table: pa.Table) -> Html:
    """Return the first rows and columns of a table."""
    shown = _head(table)
    numeric = [is_number(f.type) for f in shown.schema]
    heads = [
        element("th", f.name, soft(type_name(f.type)), css="pe-number" if right else "")
        for f, right in zip(shown.schema, numeric, strict=True)
    ]
    columns = [cell_texts(column) for column in shown.columns]
    body = [
        "<tr>"
        + "".join(_cell(text, right=right) for text, right in zip(row, numeric, strict=True))
        + "</tr>"
        for row in zip(*columns, strict=True)
    ]
    hidden = table.num_columns - shown.num_columns
    more = soft(f"{hidden:,} more columns") if hidden else ""
    inner = element("thead", element("tr", *heads)) + element("tbody", Html("".join(body)))
    return Html(element("table", Html(inner), css="pe-data") + more)


def _cell(text: str | None, *, right: bool) -> str:
    css = ' class="pe-number"' if right else ""
    content = soft("NULL") if text is None else Html(html_lib.escape(text))
    return f"<td{css}>{content}</td>"


def is_number(kind: pa.DataType) -> bool:
    """Tell whether a column's values are set to the right."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def cell_texts(column: pa.ChunkedArray) -> list[str | None]:
    """Return each value of a column as one short text, its control characters made visible; None is NULL."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return cell_texts(column.cast(kind.value_type))
    if pa.types.is_floating(kind):
        return [None if v is None else format_float(float(f"{v:.10g}")) for v in column.to_pylist()]
    if pa.types.is_timestamp(kind):
        texts = column.cast(pa.string()).to_pylist()
        return [None if text is None else _trim_time(text) for text in texts]
    if pa.types.is_duration(kind):
        values = column.cast(pa.duration("ns")).cast(pa.int64()).to_pylist()
        return [None if v is None else duration(v) if v >= 0 else f"-{duration(-v)}" for v in values]
    return [None if v is None else visible(v, longest=LONGEST_CELL) for v in column.to_pylist()]


def _trim_time(text: str) -> str:
    """Leave out the fraction of a second where it is zero."""
    whole, dot, rest = text.partition(".")
    digits = rest.rstrip("Z")
    return whole + rest[len(digits) :] if dot and not digits.strip("0") else text


def type_name(kind: pa.DataType) -> str:
    """Return a column type as a reader of InfluxDB knows it."""
    if pa.types.is_dictionary(kind):
        return "tag"
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return "string"
    if pa.types.is_duration(kind):
        return "duration"
    return str(escape(kind)).replace("&lt;", "<").replace("&gt;", ">").replace("double", "float")
