"""Which lines are stored, what they create, and what the others are told (section 11)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procengine.catalog import Catalog, Limits
from procengine.clock import VirtualClock
from procengine.errors import (
    InvalidInputError,
    InvalidNameError,
    LimitExceededError,
    LineError,
    LineProtocolError,
)
from procengine.model.column import Column, ColumnType
from procengine.model.line_group import LineGroup, ParsedLines
from procengine.write.validator import Validated, check, validate

TAG, FLOAT, INTEGER, STRING = ColumnType.TAG, ColumnType.FLOAT, ColumnType.INTEGER, ColumnType.STRING

Cell = tuple[str, ColumnType, object]


@dataclass(frozen=True)
class Line:
    """One line to be: its number, table, cells in order, and time."""

    number: int
    table: str
    cells: tuple[Cell, ...]
    time_ns: int = 0

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(Column(name, kind) for name, kind, _ in self.cells)


def body(*lines: Line, errors: Sequence[LineError] = ()) -> ParsedLines:
    """Group lines as a reader does: by table, columns, their order and types."""
    groups: dict[tuple[str, tuple[Column, ...]], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.table, line.columns), []).append(line)
    return ParsedLines(
        groups=tuple(group(table, columns, members) for (table, columns), members in groups.items()),
        errors=tuple(errors),
        original_line=lambda number: f"line {number}",
    )


def group(table: str, columns: tuple[Column, ...], lines: Sequence[Line]) -> LineGroup:
    arrays = []
    for index, column in enumerate(columns):
        values = [line.cells[index][2] for line in lines]
        plain = pa.utf8() if column.type is TAG else column.type.arrow_type
        array = pa.array(values, plain)
        arrays.append(array.dictionary_encode() if column.type is TAG else array)
    return LineGroup(
        table=table,
        columns=columns,
        arrays=tuple(arrays),
        times_ns=np.array([line.time_ns for line in lines], np.int64),
        line_numbers=np.array([line.number for line in lines], np.int64),
    )


def line(number: int, table: str = "cpu", /, time_ns: int | None = None, **cells: object) -> Line:
    """A line whose cells' types follow from their names: t* tags, f* floats, i* integers, s* strings."""
    kinds = {"t": TAG, "f": FLOAT, "i": INTEGER, "s": STRING}
    return Line(
        number,
        table,
        tuple((name, kinds[name[0]], value) for name, value in cells.items()),
        number if time_ns is None else time_ns,
    )


def typed(number: int, *cells: Cell, table: str = "cpu") -> Line:
    return Line(number, table, cells, number)


@pytest.fixture
def catalog() -> Catalog:
    return new_catalog()


def new_catalog(limits: Limits | None = None) -> Catalog:
    catalog = Catalog(None, clock=VirtualClock(), limits=limits)
    catalog.start()
    return catalog


def write(catalog: Catalog, *lines: Line, accept_partial: bool = True, **options: object) -> Validated:
    return validate(
        body(*lines),
        catalog=catalog,
        database="home",
        accept_partial=accept_partial,
        **options,  # type: ignore[arg-type]
    )


def told(validated: Validated) -> list[tuple[int, str]]:
    return [(error.line_number, error.message) for error in validated.errors]


def test_first_write_creates_what_it_needs(catalog: Catalog) -> None:
    """§11: database, table and columns are created on write, in one commit, and reported."""
    before = catalog.sequence_number
    validated = write(catalog, line(1, tag="a", f=1.5), line(2, "mem", i=3))
    home = catalog.database("home")
    assert catalog.sequence_number == before + 1
    assert validated.result.new_database
    assert validated.result.new_tables == ("cpu", "mem")
    assert validated.result.new_columns == (
        ("cpu", Column("tag", TAG)),
        ("cpu", Column("f", FLOAT)),
        ("mem", Column("i", INTEGER)),
    )
    assert validated.result.tables == {"cpu": 1, "mem": 1}
    assert home.tables["cpu"].schema.columns == (Column("tag", TAG), Column("f", FLOAT))
    assert [one.table_id for one in validated.rows] == [one.id for one in home.tables.values()]
    assert {one.database_id for one in validated.rows} == {home.id}


def test_known_columns_make_no_commit(catalog: Catalog) -> None:
    """A write that brings nothing new leaves the catalog alone."""
    write(catalog, line(1, t="a", f=1.5))
    before = catalog.state
    result = write(catalog, line(1, f=2.5)).result
    assert catalog.state is before
    assert (result.new_database, result.new_tables, result.new_columns) == (False, (), ())


def test_uniform_lines_are_not_copied(catalog: Catalog) -> None:
    """The rows of a single group share the reader's memory, times included."""
    parsed = body(line(1, t="a", f=1.5), line(2, t="b", f=2.5))
    (rows,) = validate(parsed, catalog=catalog, database="home", accept_partial=True).rows
    (source,) = parsed.groups
    assert rows.batch.schema.names == ["t", "f", "time"]
    assert rows.batch.column("f").buffers()[1].address == source.arrays[1].buffers()[1].address
    assert rows.batch.column("time").buffers()[1].address == source.times_ns.ctypes.data
    assert rows.batch.column("time").type == pa.timestamp("ns")
    assert (rows.shapes, rows.shape_of_row) == ((("t", "f"),), None)


def test_alternating_shapes_come_in_line_order(catalog: Catalog) -> None:
    """Rows keep the order of their lines, absent columns are null, and each row knows its own columns."""
    validated = write(
        catalog,
        line(1, t="a", f=1.0),
        line(2, f=2.0, i=7),
        line(3, t="b", f=3.0),
        line(4, i=8, t="a"),
    )
    (rows,) = validated.rows
    batch = rows.batch
    assert batch.schema.names == ["t", "f", "i", "time"]
    assert batch.column("t").to_pylist() == ["a", None, "b", "a"]
    assert batch.column("t").type == pa.dictionary(pa.int32(), pa.utf8())
    assert batch.column("f").to_pylist() == [1.0, 2.0, 3.0, None]
    assert batch.column("i").to_pylist() == [None, 7, None, 8]
    assert batch.column("time").cast(pa.int64()).to_pylist() == [1, 2, 3, 4]
    assert rows.shapes == (("t", "f"), ("f", "i"), ("i", "t"))
    assert rows.shape_of_row is not None
    assert rows.shape_of_row.tolist() == [0, 1, 0, 2]


def test_groups_of_one_shape_are_joined(catalog: Catalog) -> None:
    """Two groups with the same columns, as two pieces of one body, have one shape and one dictionary."""
    columns = (Column("t", TAG), Column("f", FLOAT))
    first = group("cpu", columns, [line(1, t="a", f=1.0), line(2, t="b", f=2.0)])
    second = group("cpu", columns, [line(3, t="c", f=3.0), line(4, t="a", f=4.0)])
    parsed = ParsedLines(groups=(first, second), errors=(), original_line=str)
    (rows,) = validate(parsed, catalog=catalog, database="home", accept_partial=True).rows
    assert rows.batch.column("t").to_pylist() == ["a", "b", "c", "a"]
    assert sorted(rows.batch.column("t").dictionary.to_pylist()) == ["a", "b", "c"]
    assert (rows.shapes, rows.shape_of_row) == ((("t", "f"),), None)


def test_smallest_time_is_a_time(catalog: Catalog) -> None:
    """The smallest int64 is no null time."""
    (rows,) = write(catalog, line(1, time_ns=-(2**63), f=1.0)).rows
    assert rows.batch.column("time").null_count == 0


def test_depth_goes_into_the_rows(catalog: Catalog) -> None:
    """Rows carry the depth of the chain of runs that caused them."""
    assert write(catalog, line(1, f=1.0), depth=3).rows[0].depth == 3


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (TAG, "iox::column_type::tag"),
        (STRING, "iox::column_type::field::string"),
        (INTEGER, "iox::column_type::field::integer"),
        (ColumnType.UINTEGER, "iox::column_type::field::uinteger"),
        (ColumnType.BOOLEAN, "iox::column_type::field::boolean"),
    ],
)
def test_type_conflict_is_told_as_the_original_does(
    catalog: Catalog, kind: ColumnType, name: str
) -> None:
    """§11: the catalog's type is kept, tags and fields share a namespace, and the text names both types."""
    write(catalog, line(1, f=1.0))
    values = {TAG: "a", STRING: "a", ColumnType.BOOLEAN: True}
    validated = write(catalog, typed(1, ("f", kind, values.get(kind, 1))), line(2, f=2.0))
    assert told(validated) == [
        (
            1,
            (f"invalid column type for column 'f', expected iox::column_type::field::float, got {name}"),
        )
    ]
    assert validated.errors[0].original_line == "line 1"
    assert validated.result.tables == {"cpu": 1}


def test_first_line_of_a_body_fixes_the_type(catalog: Catalog) -> None:
    """§11: within one body the line order decides, and only the lines that differ are rejected."""
    validated = write(
        catalog,
        typed(1, ("x", INTEGER, 1)),
        typed(2, ("x", FLOAT, 1.0)),
        typed(3, ("x", INTEGER, 2)),
        typed(4, ("x", FLOAT, 2.0)),
    )
    text = (
        "invalid column type for column 'x', expected iox::column_type::field::integer, "
        "got iox::column_type::field::float"
    )
    assert told(validated) == [(2, text), (4, text)]
    assert validated.rows[0].batch.column("x").to_pylist() == [1, 2]


def test_tag_and_field_of_one_name_clash(catalog: Catalog) -> None:
    """§11: one line cannot have a name as tag and as field."""
    validated = write(catalog, typed(1, ("x", TAG, "a"), ("x", FLOAT, 1.0)))
    assert told(validated) == [
        (
            1,
            (
                "invalid column type for column 'x', expected iox::column_type::tag, "
                "got iox::column_type::field::float"
            ),
        )
    ]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (FLOAT, "invalid line protocol - multiple instances of 'x' field found"),
        (TAG, "Must not contain duplicate tags, but `x` was repeated"),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_repeated_column_is_rejected(
    catalog: Catalog, kind: ColumnType, text: str, exists: bool
) -> None:
    """§11: a field or tag stands once in a line, in a new table as in one that exists."""
    value: object = "a" if kind is TAG else 1.0
    if exists:
        write(catalog, typed(1, ("x", kind, value), ("f", FLOAT, 1.0)))
    assert told(write(catalog, typed(1, ("x", kind, value), ("x", kind, value)))) == [(1, text)]


def test_reserved_columns_are_refused(catalog: Catalog) -> None:
    """§11: `time` is reserved in a new table and a type conflict in one that exists, within a body too."""
    conflict = (
        "invalid column type for column 'time', expected iox::column_type::timestamp, "
        "got iox::column_type::field::float"
    )
    bad = [typed(number, ("time", FLOAT, 1.0)) for number in (1, 3)]
    validated = write(catalog, bad[0], line(2, f=1.0), bad[1])
    assert told(validated) == [(1, "'time' is a reserved column"), (3, conflict)]
    assert told(write(catalog, bad[0])) == [(1, conflict)]
    chunk_order = typed(1, ("__chunk_order", INTEGER, 1))
    assert told(write(catalog, chunk_order)) == [(1, "'__chunk_order' is a reserved column")]


def test_rejected_line_is_told_what_held_at_its_place(catalog: Catalog) -> None:
    """A refused group's later lines may fail for another column, which came in between."""
    bad = [typed(number, ("x", INTEGER, 1), ("time", FLOAT, 1.0)) for number in (1, 3)]
    validated = write(catalog, bad[0], typed(2, ("x", FLOAT, 1.0)), bad[1])
    assert told(validated) == [
        (1, "'time' is a reserved column"),
        (
            3,
            (
                "invalid column type for column 'x', expected iox::column_type::field::float, "
                "got iox::column_type::field::integer"
            ),
        ),
    ]


def test_rejected_lines_create_nothing(catalog: Catalog) -> None:
    """Columns, tables and a database that only rejected lines had are not created (Differs)."""
    before = catalog.state
    bad = typed(1, ("new", FLOAT, 1.0), ("time", FLOAT, 1.0))
    validated = write(catalog, bad)
    assert catalog.state is before
    assert (validated.rows, validated.result.new_database) == ((), False)
    write(catalog, bad, typed(2, ("new", INTEGER, 1)))
    assert catalog.database("home").tables["cpu"].schema.columns == (Column("new", INTEGER),)


def test_without_partial_writes_one_bad_line_rejects_all(catalog: Catalog) -> None:
    """§11: accept_partial=false stores nothing and creates nothing; the first bad line comes first."""
    before = catalog.state
    reader = LineError(message="no fields", line_number=1, original_line="cpu", column=4)
    parsed = body(line(2, f=1.0), typed(3, ("time", FLOAT, 1.0)), errors=[reader])
    with pytest.raises(LineProtocolError) as raised:
        validate(parsed, catalog=catalog, database="home", accept_partial=False)
    assert [error.line_number for error in raised.value.errors] == [1, 3]
    assert raised.value.errors[0] is reader
    assert catalog.state is before


def test_readers_errors_alone_reject_a_body(catalog: Catalog) -> None:
    """A body of which no line could be read is reported, or rejected, like any other."""
    reader = LineError(message="no fields", line_number=1, original_line="cpu")
    parsed = body(errors=[reader])
    validated = validate(parsed, catalog=catalog, database="home", accept_partial=True)
    assert (validated.rows, validated.errors) == ((), (reader,))
    with pytest.raises(LineProtocolError):
        validate(parsed, catalog=catalog, database="home", accept_partial=False)


def test_empty_body_is_refused(catalog: Catalog) -> None:
    """§11: a body without any line is `incoming write was empty`."""
    with pytest.raises(InvalidInputError, match=r"^incoming write was empty$"):
        write(catalog)


def test_column_limit_counts_line_by_line() -> None:
    """§11: a line that needs more columns than there is room for is refused; a smaller one still fits."""
    catalog = new_catalog(Limits(columns_per_table=3))
    validated = write(
        catalog,
        line(1, t="a", f=1.0),
        line(2, f1=1.0, f2=1.0),
        line(3, f1=1.0),
        line(4, f1=1.0, f2=1.0),
        line(5, t="a", f1=1.0),
    )
    text = "Update to schema would exceed number of columns per table limit of 3 columns"
    assert told(validated) == [(2, text), (4, text)]
    assert all(error.limit for error in validated.errors)
    assert validated.result.row_count == 3


def test_table_limit_counts_line_by_line() -> None:
    """§11: tables in all databases count; the text says how many there are."""
    catalog = new_catalog(Limits(tables=2))
    catalog.create_table("other", "x", fields=[Column("f", FLOAT)])
    validated = write(
        catalog,
        typed(1, ("time", FLOAT, 1.0), table="bad"),
        line(2, "cpu", f=1.0),
        line(3, "mem", f=1.0),
        typed(4, ("time", FLOAT, 1.0), table="bad"),
    )
    text = (
        "Update to schema would exceed number of tables limit: "
        "attempted to create table but already have 2 table(s) (limit: 2)"
    )
    assert told(validated) == [(1, "'time' is a reserved column"), (3, text), (4, text)]
    assert [error.limit for error in validated.errors] == [False, True, True]


def test_database_limit_refuses_the_write() -> None:
    """§11: a database too many is refused whole."""
    catalog = new_catalog(Limits(databases=0))
    with pytest.raises(
        LimitExceededError, match="Adding a new database would exceed limit of 0 databases"
    ):
        write(catalog, line(1, f=1.0))


def test_database_name_is_checked(catalog: Catalog) -> None:
    """§5, §11: a database is made by the strict rule for users, by the looser one for plugins."""
    parsed = body(line(1, f=1.0))
    with pytest.raises(InvalidNameError, match="db name did not start with a number or letter"):
        validate(parsed, catalog=catalog, database="_x", accept_partial=True)
    validated = validate(parsed, catalog=catalog, database="_x", accept_partial=True, from_plugin=True)
    assert validated.result.database == "_x"


def test_deleted_database_is_not_written_to(catalog: Catalog) -> None:
    """§11: writing to a soft-deleted database is refused with the original's text."""
    write(catalog, line(1, f=1.0))
    name = catalog.delete_database("home").name
    with pytest.raises(
        InvalidInputError, match=f"cannot write to soft-deleted database '{name}' - it is"
    ):
        validate(body(line(1, f=1.0)), catalog=catalog, database=name, accept_partial=True)
    assert write(catalog, line(1, f=1.0)).result.new_database


def test_names_that_cannot_be_stored_reject_their_lines(catalog: Catalog) -> None:
    """An empty table or column name, or one that is no Unicode text, rejects its line only."""
    validated = write(
        catalog,
        typed(1, ("", FLOAT, 1.0)),
        typed(2, ("f", FLOAT, 1.0), table=""),
        typed(3, ("\ud800", FLOAT, 1.0)),
        line(4, f=1.0),
    )
    assert [number for number, _ in told(validated)] == [1, 2, 3]
    assert told(validated)[:2] == [(1, "column name cannot be empty"), (2, "table name cannot be empty")]


def test_check_reports_and_changes_nothing(catalog: Catalog) -> None:
    """A dry run is told what a write would be told, against the live schema, and creates nothing."""
    write(catalog, line(1, f=1.0))
    before = catalog.state
    reader = LineError(message="no fields", line_number=3, original_line="cpu")
    parsed = body(line(1, "new", f=1.0), typed(2, ("f", INTEGER, 1)), errors=[reader])
    problems = check(parsed, catalog=catalog, database="home")
    assert catalog.state is before
    assert problems == validate(parsed, catalog=catalog, database="home", accept_partial=True).errors
    assert check(body(line(1, f=1.0)), catalog=catalog, database="home") == ()


def test_write_decides_again_when_another_was_faster(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column that another write created meanwhile, with another type, rejects the line, not the write."""
    evolve = catalog.evolve

    def raced(*args: object, **options: object) -> object:
        monkeypatch.setattr(catalog, "evolve", evolve)
        write(catalog, typed(1, ("x", INTEGER, 1)))
        return evolve(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(catalog, "evolve", raced)
    validated = write(catalog, typed(1, ("x", FLOAT, 1.0)), typed(2, ("y", FLOAT, 1.0)))
    assert [number for number, _ in told(validated)] == [1]
    assert validated.result.tables == {"cpu": 1}


def test_concurrent_writers_agree_on_every_type(tmp_path: Path) -> None:
    """Of threads that bring one new column with two types, one type wins and the others' lines are told."""
    catalog = Catalog(tmp_path, clock=VirtualClock())
    catalog.start()
    barrier = threading.Barrier(4)
    outcomes: list[tuple[int, Validated]] = []

    def run(number: int) -> None:
        cell: Cell = ("x", INTEGER, 1) if number % 2 else ("x", FLOAT, 1.0)
        for step in range(10):
            barrier.wait()
            outcomes.append((step, write(catalog, typed(1, cell, table=f"t{step}"))))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    catalog.close()
    assert len(outcomes) == 40
    for step, validated in outcomes:
        kind = catalog.database("home").tables[f"t{step}"].schema.type_of("x")
        assert len(validated.rows) + len(validated.errors) == 1
        for rows in validated.rows:
            assert kind is not None
            assert rows.batch.column("x").type == kind.arrow_type


KINDS = st.sampled_from([TAG, FLOAT, INTEGER])
COLUMN_NAMES = st.sampled_from(["a", "b", "c", "d", "time", "__chunk_order"])
SHAPES = st.lists(st.tuples(COLUMN_NAMES, KINDS), min_size=1, max_size=4)
BODIES = st.lists(
    st.lists(st.tuples(st.sampled_from(["x", "y", "z"]), SHAPES), min_size=1, max_size=12),
    min_size=1,
    max_size=3,
)


class LineByLine:
    """The rule itself, a line at a time: what a write does to a schema, and what it is told."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.tables: dict[str, dict[str, ColumnType]] = {}

    def take(self, line: Line) -> str | None:
        table = self.tables.get(line.table)
        if table is None and len(self.tables) >= self.limits.tables:
            return str(self.limits.too_many_tables(len(self.tables)))
        known = dict(table or {})
        fresh = table is None
        seen: set[str] = set()
        for name, kind, _ in line.cells:
            expected = ColumnType.TIME if name == "time" and not fresh else known.get(name)
            if expected is not None and expected is not kind:
                return (
                    f"invalid column type for column '{name}', expected {expected.iox_name}, "
                    f"got {kind.iox_name}"
                )
            if name in seen:
                if kind is TAG:
                    return f"Must not contain duplicate tags, but `{name}` was repeated"
                return f"invalid line protocol - multiple instances of '{name}' field found"
            seen.add(name)
            if expected is None:
                if name in ("time", "__chunk_order"):
                    return f"'{name}' is a reserved column"
                if len(known) >= self.limits.columns_per_table:
                    return str(self.limits.too_many_columns())
                known[name] = kind
        self.tables[line.table] = known
        return None


def value_of(kind: ColumnType, number: int) -> object:
    return {TAG: f"v{number % 3}", FLOAT: float(number), INTEGER: number}[kind]


@settings(max_examples=300, deadline=None)
@given(bodies=BODIES)
def test_groups_are_decided_as_line_by_line(
    bodies: list[list[tuple[str, list[tuple[str, ColumnType]]]]],
) -> None:
    """Whatever the lines, deciding by group gives the rows, columns and texts of deciding line by line."""
    limits = Limits(tables=2, columns_per_table=3)
    catalog, rule = new_catalog(limits), LineByLine(limits)
    for specs in bodies:
        lines = [
            Line(n, table, tuple((name, kind, value_of(kind, n)) for name, kind in shape), n)
            for n, (table, shape) in enumerate(specs, 1)
        ]
        texts = {one.number: rule.take(one) for one in lines}
        parsed = body(*lines)
        assert {
            error.line_number: error.message for error in check(parsed, catalog=catalog, database="home")
        } == {number: text for number, text in texts.items() if text is not None}
        validated = validate(parsed, catalog=catalog, database="home", accept_partial=True)
        assert dict(told(validated)) == {n: text for n, text in texts.items() if text is not None}
        good: dict[str, list[Line]] = {}
        for one in lines:
            if texts[one.number] is None:
                good.setdefault(one.table, []).append(one)
        assert [rows.table for rows in validated.rows] == list(good)
        for rows in validated.rows:
            assert_rows(rows.batch, rows.shapes, rows.shape_of_row, good[rows.table])
        found = catalog.find_database("home")
        tables = {} if found is None else found.tables
        assert {
            name: {column.name: column.type for column in one.schema.columns}
            for name, one in tables.items()
        } == rule.tables


def assert_rows(
    batch: pa.RecordBatch,
    shapes: tuple[tuple[str, ...], ...],
    shape_of_row: np.ndarray | None,
    lines: list[Line],
) -> None:
    columns = {name: batch.column(name).to_pylist() for name in batch.schema.names if name != "time"}
    assert batch.schema.names[-1] == "time"
    assert batch.column("time").cast(pa.int64()).to_pylist() == [one.time_ns for one in lines]
    for index, one in enumerate(lines):
        shape = shapes[0 if shape_of_row is None else shape_of_row[index]]
        assert shape == tuple(name for name, _, _ in one.cells)
        values = {name: value for name, _, value in one.cells}
        assert {name: column[index] for name, column in columns.items()} == {
            name: values.get(name) for name in columns
        }
