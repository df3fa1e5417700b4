"""Section 11 of the semantics, through the engine: from line protocol to rows that can be queried."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from procengine import Engine
from procengine.errors import (
    InvalidInputError,
    InvalidNameError,
    LimitExceededError,
    LineProtocolError,
    PartialWriteError,
)
from procengine.model.column import ColumnType
from tests.engine.looks import rows

Plugin = Callable[[str, str], str]


def refused(engine: Engine, data: str, database: str = "house") -> list[tuple[int, str]]:
    """Write; return line numbers and texts of what was refused."""
    with pytest.raises(PartialWriteError) as caught:
        engine.write(database, data)
    return [(error.line_number, error.message) for error in caught.value.errors]


def test_lines_become_typed_columns(engine: Engine) -> None:
    """Section 11: comments, blanks and leading white space are passed over; each spelling has its type."""
    engine.write(
        "house",
        '# a comment\n\n  home,room=a f=1,g=-1e5,i=1i,u=1u,t=T,s="two\nlines" 1\nhome f=1.2e-3,t=FALSE 2\n',
        precision="ns",
    )
    schema = engine.catalog.database("house").tables["home"].schema
    assert {column.name: column.type for column in schema.columns} == {
        "room": ColumnType.TAG,
        "f": ColumnType.FLOAT,
        "g": ColumnType.FLOAT,
        "i": ColumnType.INTEGER,
        "u": ColumnType.UINTEGER,
        "t": ColumnType.BOOLEAN,
        "s": ColumnType.STRING,
    }
    nothing = dict.fromkeys(("g", "i", "room", "s", "u"))
    assert rows(engine, "SELECT * FROM home ORDER BY time") == [
        {
            "f": 1.0,
            "g": -1e5,
            "i": 1,
            "room": "a",
            "s": "two\nlines",
            "t": True,
            "time": 1,
            "u": 1,
        },
        nothing | {"f": 0.0012, "t": False, "time": 2},
    ]


@pytest.mark.parametrize(
    ("precision", "text", "time_ns"),
    [
        ("second", "7", 7_000_000_000),
        ("s", "-7", -7_000_000_000),
        ("ms", "7", 7_000_000),
        ("millisecond", "7", 7_000_000),
        ("us", "7", 7_000),
        ("u", "7", 7_000),
        ("microsecond", "7", 7_000),
        ("ns", "7", 7),
        ("n", "7", 7),
        ("nanosecond", "7", 7),
        ("auto", "4999999999", 4_999_999_999_000_000_000),
        ("auto", "5000000000", 5_000_000_000_000_000),
        ("auto", "4999999999999", 4_999_999_999_999_000_000),
        ("auto", "5000000000000", 5_000_000_000_000_000),
        ("auto", "4999999999999999", 4_999_999_999_999_999_000),
        ("auto", "5000000000000000", 5_000_000_000_000_000),
        ("auto", "-5000000000000000", -5_000_000_000_000_000),
    ],
)
def test_precisions(engine: Engine, precision: str, text: str, time_ns: int) -> None:
    """Section 11: every name of a precision; ``auto`` goes by each line's magnitude."""
    engine.write("house", f"home n=1i {text}", precision=precision)
    assert rows(engine, "SELECT time FROM home") == [{"time": time_ns}]


def test_time_is_the_engines_where_it_is_omitted(engine: Engine) -> None:
    """Section 11: once a request, cut to an explicit precision."""
    engine.clock.advance(0.123456789)  # type: ignore[attr-defined]
    engine.write("house", "home n=1i\nhome,t=a n=2i")
    engine.write("house", "home n=3i", precision="ms")
    assert [row["time"] for row in rows(engine, "SELECT time FROM home ORDER BY n")] == [
        1_700_000_000_123_456_789,
        1_700_000_000_123_456_789,
        1_700_000_000_123_000_000,
    ]


def test_time_that_overflows_is_a_line_error(engine: Engine) -> None:
    """Section 11: a time beyond int64 nanoseconds refuses its line and no other."""
    with pytest.raises(PartialWriteError) as caught:
        engine.write("house", "home n=1i 9223372037\nhome n=2i 1", precision="s")
    [error] = caught.value.errors
    assert (error.line_number, error.column) == (1, 11)
    assert rows(engine, "SELECT n FROM home") == [{"n": 2}]


FIELDS = {
    "tag": ("home,x=a y=1", "iox::column_type::tag"),
    "float": ("home x=1", "iox::column_type::field::float"),
    "integer": ("home x=1i", "iox::column_type::field::integer"),
    "uinteger": ("home x=1u", "iox::column_type::field::uinteger"),
    "string": ('home x="a"', "iox::column_type::field::string"),
    "boolean": ("home x=t", "iox::column_type::field::boolean"),
}


@pytest.mark.parametrize("first", FIELDS)
def test_first_write_fixes_the_type(engine: Engine, first: str) -> None:
    """Section 11: any other type conflicts, named as the original does; tags and fields share a namespace."""
    line, expected = FIELDS[first]
    engine.write("house", f"{line} 1")
    others = [FIELDS[name] for name in FIELDS if name != first]
    assert refused(engine, "\n".join(f"{other} 2" for other, _ in others)) == [
        (number, f"invalid column type for column 'x', expected {expected}, got {got}")
        for number, (_, got) in enumerate(others, start=1)
    ]
    assert rows(engine, "SELECT count(*) AS n FROM home") == [{"n": 1}]


def test_tags_may_be_added_any_time(engine: Engine) -> None:
    """Section 11: a later tag joins the series key; rows without it are a series of their own."""
    engine.write("house", "home,a=1 n=1i 1")
    engine.write("house", "home,a=1,b=2 n=2i 1")
    engine.write("house", "home,a=1 n=3i 1")
    assert rows(engine, "SELECT a, b, n FROM home ORDER BY n") == [
        {"a": "1", "b": "2", "n": 2},
        {"a": "1", "b": None, "n": 3},
    ]
    columns = engine.catalog.database("house").tables["home"].schema.columns
    assert [column.name for column in columns if column.type is ColumnType.TAG] == ["a", "b"]


@pytest.mark.parametrize("name", ["time", "__chunk_order"])
@pytest.mark.parametrize(("form", "got"), [("{}=1", "field::float"), ("a=1i,{}=1i", "field::integer")])
def test_reserved_columns(engine: Engine, name: str, form: str, got: str) -> None:
    """Section 11: reserved in a new table; ``time`` is a type conflict in one that exists."""
    line = f"home {form.format(name)}"
    reserved = f"'{name}' is a reserved column"
    assert refused(engine, line) == [(1, reserved)]
    engine.write("house", "home z=1")
    conflict = (
        "invalid column type for column 'time', expected iox::column_type::timestamp, "
        f"got iox::column_type::{got}"
    )
    assert refused(engine, line) == [(1, conflict if name == "time" else reserved)]
    columns = engine.catalog.database("house").tables["home"].schema.columns
    assert [column.name for column in columns if column.name in ("__chunk_order", "a")] == []


def test_repeated_columns_of_a_line(engine: Engine) -> None:
    """Section 11: a field twice; a tag twice (refused as from 3.10.3); a tag and a field of one name."""
    assert refused(engine, "home f=1,g=2,f=3\nhome,a=1,a=2 f=1\nhome,x=1 x=2\nhome f=1") == [
        (1, "invalid line protocol - multiple instances of 'f' field found"),
        (2, "Must not contain duplicate tags, but `a` was repeated"),
        (
            3,
            (
                "invalid column type for column 'x', expected iox::column_type::tag, "
                "got iox::column_type::field::float"
            ),
        ),
    ]


def test_partial_write(engine: Engine) -> None:
    """Section 11: the good lines are stored; each refusal has its message, number and line."""
    body = "home n=1i 1\n\n# comment\nhome n=text 2\nhome n=1.5 3\nhome n=4i 4"
    with pytest.raises(PartialWriteError) as caught:
        engine.write("house", body)
    assert str(caught.value).startswith("partial write of line protocol occurred: line 4, column 9: ")
    assert str(caught.value).endswith(" (and 1 more)")
    assert [(e.line_number, e.original_line) for e in caught.value.errors] == [
        (4, "home n=text 2"),
        (5, "home n=1.5 3"),
    ]
    result = caught.value.result
    assert (dict(result.tables), result.new_tables, result.wal_sequence_number) == (
        {"home": 2},
        ("home",),
        1,
    )
    assert rows(engine, "SELECT n FROM home ORDER BY n") == [{"n": 1}, {"n": 4}]


def test_partial_write_of_nothing(engine: Engine) -> None:
    """Section 11: the same error when every line fails, and nothing is created (as 3.11.2)."""
    with pytest.raises(PartialWriteError) as caught:
        engine.write("house", "home n=\nhome time=1")
    assert dict(caught.value.result.tables) == {}
    assert engine.catalog.find_database("house") is None


def test_all_or_nothing(engine: Engine) -> None:
    """Section 11: without accept_partial the first bad line rejects all."""
    engine.write("house", "home n=0i 0")
    with pytest.raises(LineProtocolError) as caught:
        engine.write("house", "home n=1i 1\nhome n=1.5 2\nfresh n=1i 1", accept_partial=False)
    assert str(caught.value) == (
        "line protocol parsing error: line 2: invalid column type for column 'n', "
        "expected iox::column_type::field::integer, got iox::column_type::field::float"
    )
    assert not isinstance(caught.value, PartialWriteError)
    assert rows(engine, "SELECT n FROM home") == [{"n": 0}]
    assert list(engine.catalog.database("house").tables) == ["home"]


@pytest.mark.parametrize("body", ["", b"", "\n", "# only a comment", "  \n\n"])
def test_empty_write(engine: Engine, body: str | bytes) -> None:
    """Section 11: ``incoming write was empty``."""
    with pytest.raises(InvalidInputError, match=r"^incoming write was empty$"):
        engine.write("house", body)
    assert engine.catalog.find_database("house") is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "db name cannot be empty"),
        ("_house", "db name did not start with a number or letter"),
        ("-house", "db name did not start with a number or letter"),
        ("/rp", "db name did not start with a number or letter"),
        ("a" * 512, "db name too long: max 511"),
        (
            "a b",
            (
                "invalid character in database or rp name: must be ASCII, "
                "containing only letters, numbers, underscores, or hyphens"
            ),
        ),
        (
            "h\N{LATIN SMALL LETTER O WITH DIAERESIS}use",
            (
                "invalid character in database or rp name: must be ASCII, "
                "containing only letters, numbers, underscores, or hyphens"
            ),
        ),
        (
            "house/",
            (
                "db name with invalid retention policy, if providing a retention policy name, "
                "must be of form '<db_name>/<rp_name>'"
            ),
        ),
        (
            "a/b/c",
            (
                "db name with invalid retention policy, if providing a retention policy name, "
                "must be of form '<db_name>/<rp_name>'"
            ),
        ),
    ],
)
def test_database_names(engine: Engine, name: str, text: str) -> None:
    """Section 11: names that are refused, with the original's texts; nothing is created."""
    with pytest.raises(InvalidNameError) as caught:
        engine.write(name, "home n=1i")
    assert str(caught.value) == text
    assert [database.name for database in engine.catalog.databases] == ["_internal"]


@pytest.mark.parametrize("name", ["9", "a" * 511, "A-b_c/d"])
def test_database_names_that_are_accepted(engine: Engine, name: str) -> None:
    """Section 11: a letter or digit first; one slash inside; up to 511 bytes."""
    engine.write(name, "home n=1i")
    assert rows(engine, "SELECT n FROM home", name) == [{"n": 1}]


def test_deleted_database(engine: Engine) -> None:
    """Section 11: the name that a soft-deleted database bears is refused; its old name is free."""
    engine.write("house", "home n=1i")
    engine.catalog.delete_database("house")
    [deleted] = [one for one in engine.catalog.state.databases_by_id.values() if one.deleted]
    with pytest.raises(InvalidInputError) as caught:
        engine.write(deleted.name, "home n=1i")
    assert str(caught.value) == (
        f"cannot write to soft-deleted database '{deleted.name}' - it is marked for deletion"
    )
    engine.write("house", 'home n="another type"')
    assert rows(engine, "SELECT n FROM home") == [{"n": "another type"}]


def test_limit_of_columns(engine: Engine) -> None:
    """Section 11: 500 columns a table without the time; the text is the original's; other lines are stored."""
    engine.write("house", "home " + ",".join(f"f{number}=1i" for number in range(499)))
    with pytest.raises(PartialWriteError) as caught:
        engine.write("house", "home x=1i,y=1i 1\nhome x=1i 2\nhome z=1i 3")
    text = "Update to schema would exceed number of columns per table limit of 500 columns"
    assert [(e.line_number, e.message, e.limit) for e in caught.value.errors] == [
        (1, text, True),
        (3, text, True),
    ]
    assert rows(engine, "SELECT x FROM home WHERE x IS NOT NULL") == [{"x": 1}]


def test_limit_of_databases(engine: Engine) -> None:
    """Section 11: 100 databases (Enterprise's number), ``_internal`` apart; deleting one makes room."""
    for number in range(100):
        engine.catalog.create_database(f"d{number}")
    with pytest.raises(LimitExceededError) as caught:
        engine.write("house", "home n=1i")
    assert str(caught.value) == "Adding a new database would exceed limit of 100 databases"
    assert caught.value.http_status == 422
    engine.catalog.delete_database("d7")
    engine.write("house", "home n=1i")


def test_string_components_of_one_mebibyte(engine: Engine) -> None:
    """Section 11: strings, tags and names may have 1 MiB each, and not a byte more."""
    long = "x" * (1 << 20)
    engine.write("house", f'home,t={long} s="{long}" 1')
    assert rows(engine, "SELECT length(t) AS t, length(s) AS s FROM home") == [
        {"t": 1 << 20, "s": 1 << 20}
    ]
    over = refused(
        engine, f'home,t={long}x s="a" 2\nhome s="{long}x" 3\n{long}x s="a" 4\nhome {long}x=1 5'
    )
    assert over == [(number, "String is greater than 1MB") for number in (1, 2, 3, 4)]


def test_duplicates_merge_per_field(engine: Engine) -> None:
    """Section 11: same table, tags and time: per field the last that is not null, within a body and over flushes."""
    engine.write("house", "home,r=a x=1,y=1 1\nhome,r=a y=2 1\nhome,r=b x=9 1")
    engine.write("house", "home,r=a z=3 1")
    assert rows(engine, "SELECT r, x, y, z FROM home ORDER BY r") == [
        {"r": "a", "x": 1.0, "y": 2.0, "z": 3.0},
        {"r": "b", "x": 9.0, "y": None, "z": None},
    ]


@pytest.mark.parametrize("data", ["", "no lines at all", "home f=1"])
def test_the_databases_name_is_checked_before_the_body(engine: Engine, data: str) -> None:
    """Section 11: whatever the body is, a name that is not allowed is what is told, and to plugins as well."""
    before = engine.catalog.state
    with pytest.raises(InvalidNameError):
        engine.write("_x", data)
    with pytest.raises(InvalidNameError):
        engine.writer.write_lines(".", data, no_sync=False, depth=1)
    with pytest.raises(InvalidNameError):
        engine.writer.check_lines(".", data)
    assert engine.catalog.state is before
