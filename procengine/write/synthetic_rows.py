"""What rows would a body of line protocol be, were it written?

For events that are made up: a trigger fired by hand, a plugin's dry run. Nothing is stored or created.
"""

from __future__ import annotations

from procengine.catalog.catalog import Catalog
from procengine.catalog.definitions import Database
from procengine.errors import LineProtocolError
from procengine.model.line_group import LineGroup
from procengine.model.line_protocol import read_lines
from procengine.model.precision import Precision
from procengine.model.table_rows import TableRows
from procengine.write.merged_rows import merge_groups
from procengine.write.validator import check


def synthetic_rows(
    lines: str | bytes,
    *,
    catalog: Catalog,
    database: str,
    precision: Precision = Precision.NANOSECOND,
    default_time_ns: int,
) -> tuple[TableRows, ...]:
    """Return the rows of a body as a write to a database would make them, one entry a table.

    A database or table that does not exist has the id 0.

    Raises:
        LineProtocolError: a line could not be stored, as the schema stands.
        InvalidInputError: there is no line at all, or the database's name is not allowed.

    Source: influxdb3_processing_engine/src/plugins.rs, run_dry_run_wal_plugin (all lines or none).
    """
    parsed = read_lines(lines, precision=precision, default_time_ns=default_time_ns)
    errors = check(parsed, catalog=catalog, database=database)
    if errors:
        raise LineProtocolError(errors)
    by_table: dict[str, list[LineGroup]] = {}
    for group in parsed.groups:
        by_table.setdefault(group.table, []).append(group)
    known = catalog.find_database(database) or Database(id=0, name=database)
    return tuple(_rows(groups, known) for groups in by_table.values())


def _rows(groups: list[LineGroup], database: Database) -> TableRows:
    merged = merge_groups(groups)
    definition = database.tables.get(groups[0].table)
    return TableRows(
        database_id=database.id,
        table_id=definition.id if definition is not None else 0,
        database=database.name,
        table=groups[0].table,
        batch=merged.batch,
        shapes=merged.shapes,
        shape_of_row=merged.shape_of_row,
    )
