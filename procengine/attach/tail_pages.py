"""Which rows of a remote table are asked for together?

Those from an instant on, in the order of time, a page at a time. A page ends between two instants, so that rows of
the same time are never parted; a page that one instant fills is asked for again, larger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from procengine.errors import QueryError
from procengine.model.column import TIME

MOST_ROWS_OF_AN_INSTANT: Final = 1_000_000

Query = Callable[[str, Mapping[str, object]], pa.Table]

TAG_TYPE: Final = "Dictionary(Int32, Utf8)"


def pages(query: Query, table: str, from_ns: int, page_rows: int) -> Iterator[pa.Table]:
    """Yield the rows of a table from an instant on (nanoseconds UTC), sorted by time.

    Raises:
        QueryError: more rows than can be taken at once have one time.
        ProcengineError: what the query raises.
    """
    size = page_rows
    while True:
        page = query(
            f"SELECT * FROM {quoted(table)} WHERE time >= to_timestamp_nanos({from_ns}) "
            f"ORDER BY time LIMIT {size}",
            {},
        )
        times = page[TIME].cast(pa.int64())
        if page.num_rows < size:
            if page.num_rows:
                yield page
            return
        last_ns = times[-1].as_py()
        if times[0].as_py() == last_ns:
            if size >= MOST_ROWS_OF_AN_INSTANT:
                raise QueryError(f"more than {size:,} rows of table {table!r} have the time {last_ns}")
            size *= 2
            continue
        whole = page.filter(pc.less(times, last_ns))
        yield whole
        from_ns, size = last_ns, page_rows


def tags_of(query: Query, table: str) -> list[str]:
    """Return the names of a table's tags."""
    found = query(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $table",
        {"table": table},
    )
    names, types = found["column_name"].to_pylist(), found["data_type"].to_pylist()
    return [name for name, kind in zip(names, types, strict=True) if kind == TAG_TYPE]


def quoted(name: str) -> str:
    """Return a name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'
