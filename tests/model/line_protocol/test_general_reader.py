from __future__ import annotations

import pyarrow as pa
import pytest

from procengine.model.column import Column, ColumnType
from procengine.model.line_group import ParsedLines
from procengine.model.line_protocol import read_general
from procengine.model.precision import Precision

NOW_NS = 1_700_000_000_123_456_789


def read(body: bytes | str, precision: Precision = Precision.AUTO) -> ParsedLines:
    return read_general(body, precision=precision, default_time_ns=NOW_NS)


def test_lines_of_one_shape_form_a_group() -> None:
    """Lines with the same table, columns, order and types are one group, with the types of the contract."""
    group = read('m,t=a s="x",i=1i,u=2u,f=3,b=t 1\nm,t=b s="y",i=-1i,u=0u,f=4.5,b=F 2\n').groups[0]
    assert group.table == "m"
    assert [(column.name, column.type.value) for column in group.columns] == [
        ("t", "tag"),
        ("s", "string"),
        ("i", "integer"),
        ("u", "uinteger"),
        ("f", "float"),
        ("b", "boolean"),
    ]
    assert [array.type for array in group.arrays] == [column.type.arrow_type for column in group.columns]
    assert [array.to_pylist() for array in group.arrays] == [
        ["a", "b"],
        ["x", "y"],
        [1, -1],
        [2, 0],
        [3.0, 4.5],
        [True, False],
    ]
    assert group.times_ns.tolist() == [10**9, 2 * 10**9]
    assert group.line_numbers.tolist() == [1, 2]


def test_groups_are_ordered_by_their_first_line() -> None:
    """Order of columns, types and tables each make another group; groups interleave."""
    parsed = read("m a=1,b=2\nm b=2,a=1\nm a=1i,b=2\nn a=1,b=2\nm a=3,b=4")
    assert [(group.table, group.line_numbers.tolist()) for group in parsed.groups] == [
        ("m", [1, 5]),
        ("m", [2]),
        ("m", [3]),
        ("n", [4]),
    ]


def test_a_tag_has_one_dictionary_entry_a_value() -> None:
    """Tags are dictionary-encoded, equal values sharing an entry."""
    array = read("m,t=a f=1\nm,t=b f=1\nm,t=a f=1").groups[0].arrays[0]
    assert isinstance(array, pa.DictionaryArray)
    assert array.dictionary.to_pylist() == ["a", "b"]


def test_comments_blanks_and_indentation_are_skipped() -> None:
    """Comment lines, blank lines and leading spaces or tabs do not matter, but count as lines."""
    parsed = read('# a\n\n  \t\n   m f=1 1\n\t# "b\n \tm f=2 2\n#')
    assert [group.line_numbers.tolist() for group in parsed.groups] == [[4, 6]]
    assert parsed.errors == ()


def test_a_comment_ends_at_its_newline() -> None:
    """A quote or a backslash in a comment does not swallow the lines that follow."""
    parsed = read('# x y="open\nm f=1\n# back\\\nm f=2')
    assert parsed.groups[0].line_numbers.tolist() == [2, 4]


def test_lines_are_numbered_by_where_they_start() -> None:
    """A newline in a quoted string belongs to the line, and the next line's number counts it."""
    parsed = read('m f="a\n\nb" 1\nm f="c" 2\nbad\n')
    assert parsed.groups[0].line_numbers.tolist() == [1, 4]
    assert parsed.groups[0].arrays[0].to_pylist() == ["a\n\nb", "c"]
    assert parsed.errors[0].line_number == 5


def test_an_escaped_newline_does_not_end_a_line() -> None:
    """After a backslash a newline is text, as in the original."""
    parsed = read("m\\\nn,t=a\\\nb f=1\nm f=2")
    assert [group.table for group in parsed.groups] == ["m\\\nn", "m"]
    assert parsed.groups[1].line_numbers.tolist() == [4]
    assert parsed.groups[0].arrays[0].to_pylist() == ["a\\\nb"]


def test_an_open_quote_takes_the_following_lines_with_it() -> None:
    """As in the original, an unclosed string runs on to the next quote, and what it took is one error."""
    parsed = read('m f="open\nm f="x\nm f=3 3\n')
    assert [(error.line_number, error.column) for error in parsed.errors] == [(1, 16)]
    assert parsed.errors[0].original_line == 'm f="open\nm f="x'
    assert parsed.groups[0].line_numbers.tolist() == [3]


def test_a_comma_in_a_field_key_hides_a_quote_from_the_line_rule() -> None:
    """The rule for line ends counts commas and equals signs; the original's oddity is kept."""
    assert [error.line_number for error in read('m a,b="x\ny" 1').errors] == [1, 2]


def test_a_bad_line_leaves_the_others_alone() -> None:
    """Each bad line is an error with number, column and text; the good lines are read."""
    parsed = read("goodline,tag1=one value=1 123\n  badline,\nanother,tag3=3 value=67 1234\nm f=x")
    assert [group.table for group in parsed.groups] == ["goodline", "another"]
    first, second = parsed.errors
    assert (first.line_number, first.column, first.original_line) == (2, 11, "  badline,")
    assert first.message == "Expected tag key, got end of input"
    assert str(second).startswith("line 4, column 5: No fields were provided; found `x`")


def test_columns_count_characters() -> None:
    """An error's column counts characters, not bytes, from 1."""
    assert read("mü,tä=ö f=x").errors[0].column == 11


def test_bytes_that_are_not_utf8_reject_only_their_line() -> None:
    """Invalid UTF-8 is an error that names line and column; a comment may hold anything."""
    parsed = read(b"m f=1 1\nm,t=\xc3\xa4\xff f=2 2\n# \xff\nm f=3 3\n")
    (error,) = parsed.errors
    assert (error.line_number, error.column) == (2, 6)
    assert error.message == "invalid UTF-8: found byte 0xff; line protocol is UTF-8 text"
    assert error.original_line == "m,t=ä� f=2 2"
    assert parsed.groups[0].line_numbers.tolist() == [1, 4]


def test_a_lone_surrogate_in_a_text_is_not_utf8() -> None:
    """Text that cannot be encoded as UTF-8 is refused as bytes that are not UTF-8 are."""
    assert read("m f=1\nm,t=\ud800 f=1").errors[0].line_number == 2


def test_carriage_returns_are_refused_with_a_hint() -> None:
    """CR LF is no line end: the original takes the carriage return for trailing content."""
    parsed = read("m f=1 1\r\nm f=2 2\n")
    assert "not with a carriage return" in parsed.errors[0].message
    assert parsed.groups[0].line_numbers.tolist() == [2]


@pytest.mark.parametrize(
    ("precision", "time_ns"),
    [
        (Precision.AUTO, NOW_NS),
        (Precision.NANOSECOND, NOW_NS),
        (Precision.MICROSECOND, NOW_NS // 10**3 * 10**3),
        (Precision.MILLISECOND, NOW_NS // 10**6 * 10**6),
        (Precision.SECOND, NOW_NS // 10**9 * 10**9),
    ],
)
def test_a_line_without_timestamp_has_the_default_time(precision: Precision, time_ns: int) -> None:
    """No timestamp means the default time, truncated to an explicit precision (section 11)."""
    assert read("m f=1", precision).groups[0].times_ns.tolist() == [time_ns]


def test_auto_is_decided_line_by_line() -> None:
    """Auto infers the unit of each line alone (section 11)."""
    times = read("m f=1 1700000000\nm f=1 1700000000000\nm f=1 1700000000000000").groups[0].times_ns
    assert set(times.tolist()) == {1_700_000_000 * 10**9}


@pytest.mark.parametrize("line", ["m f=1 9223372037", "m\\ x f=1   9223372037  "])
def test_a_timestamp_out_of_range_is_a_line_error(line: str) -> None:
    """A timestamp that overflows in nanoseconds is an error at its column (section 11)."""
    (error,) = read(line, Precision.SECOND).errors
    assert error.message == "timestamp, 9223372037, out of range for precision: Second"
    assert error.column == line.index("9") + 1


def test_tags_and_fields_of_one_name_are_left_to_validation() -> None:
    """The reader does not judge names: a tag and a field of one name, or a column ``time``, pass."""
    group = read("m,a=1,time=2 a=1,time=2i").groups[0]
    assert group.columns == (
        Column("a", ColumnType.TAG),
        Column("time", ColumnType.TAG),
        Column("a", ColumnType.FLOAT),
        Column("time", ColumnType.INTEGER),
    )


@pytest.mark.parametrize("body", ["", b"", "\n\n", "# only a comment"])
def test_an_empty_body_has_no_lines(body: bytes | str) -> None:
    """A body without a line has neither groups nor errors."""
    parsed = read(body)
    assert (parsed.groups, parsed.errors, parsed.row_count) == ((), (), 0)


def test_original_lines_are_found_by_number() -> None:
    """The text of a line is found by the number at which it starts."""
    parsed = read(b'  m f="a\nb" 1\n\nm\xff f=1\n' + b"n f=1" + b" " * 100_000)
    assert parsed.original_line(1) == '  m f="a\nb" 1'
    assert parsed.original_line(4) == "m� f=1"
    assert len(parsed.original_line(5)) == 100_005
    with pytest.raises(IndexError):
        parsed.original_line(6)


def test_a_long_quoted_line_is_found_whole() -> None:
    """A line that is longer than the first window is still returned whole."""
    text = 'm f="' + "x\n" * 100_000 + '" 1'
    assert read(text + "\nm f=1").original_line(1) == text
