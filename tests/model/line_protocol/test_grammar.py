"""The grammar of one line; expected values as in the original's own tests (influxdb_line_protocol)."""

from __future__ import annotations

import math

import pytest

from procengine.model.column import ColumnType
from procengine.model.line_protocol.grammar import STRING_LIMIT_BYTES, LineSyntaxError, parse_line

F, I, U, S, B = (  # noqa: E741
    ColumnType.FLOAT,
    ColumnType.INTEGER,
    ColumnType.UINTEGER,
    ColumnType.STRING,
    ColumnType.BOOLEAN,
)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("44", F, 44.0),
        ("3.74", F, 3.74),
        ("-1", F, -1.0),
        ("-0", F, -0.0),
        ("007", F, 7.0),
        ("1e-0", F, 1.0),
        ("-1.234456e+06", F, -1234456.0),
        ("1.234456E-16", F, 1.234456e-16),
        ("9" * 400, F, math.inf),
        ("1e-999", F, 0.0),
        ("23i", I, 23),
        ("-5i", I, -5),
        ("0" * 5000 + "1i", I, 1),
        ("9223372036854775807i", I, 2**63 - 1),
        ("-9223372036854775808i", I, -(2**63)),
        ("9u", U, 9),
        ("18446744073709551615u", U, 2**64 - 1),
        ('""', S, ""),
        ('"str val"', S, "str val"),
        (r'"The \"string\" val"', S, 'The "string" val'),
        (r'"too hot\cold"', S, r"too hot\cold"),
        (r'"too hot\\cold"', S, r"too hot\cold"),
        (r'"too hot\\\cold"', S, r"too hot\\cold"),
        (r'"too hot\\\\\cold"', S, r"too hot\\\cold"),
        ('"a\nb\tc, d=e"', S, "a\nb\tc, d=e"),
        ('"v\0"', S, "v\0"),
    ]
    + [(text, B, True) for text in ("t", "T", "true", "True", "TRUE")]
    + [(text, B, False) for text in ("f", "F", "false", "False", "FALSE")],
)
def test_field_values(text: str, kind: ColumnType, value: object) -> None:
    """Floats, integers, unsigned integers, strings and booleans are spelled as in section 11."""
    ((_, found_kind, found),) = parse_line(f"foo asdf={text} 1234").fields
    assert (found_kind, repr(found)) == (kind, repr(value))


@pytest.mark.parametrize(
    "text",
    [".5", "+1", "nan", "inf", "-inf", "NaN", "-", "i", "-i", "truE"[3:], "'a'", '"open', "0x1"[1:]],
)
def test_values_that_are_none(text: str) -> None:
    """A field without a value of a known spelling is no field (section 11: not .5, +1, nan, inf)."""
    with pytest.raises(
        LineSyntaxError, match=r"No fields were provided; found .* as the value of 'asdf'"
    ):
        parse_line(f"foo asdf={text}")


@pytest.mark.parametrize(
    "text", ["5.", "-1u", "1.5i", "1e5i", "1e", "-1.2e+", "truth", "1_0", "١", "23.1.22"[2:]]
)
def test_values_with_a_rest(text: str) -> None:
    """What follows a value has to be a comma, a space or the end of the line."""
    with pytest.raises(LineSyntaxError, match=r"(Could not parse entire line|No fields were provided)"):
        parse_line(f"foo asdf={text}")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (r"wea\,ther", "wea,ther"),
        (r"wea\ ther", "wea ther"),
        (r"\\wea\\ther", r"\wea\ther"),
        (r"\wea\ther", r"\wea\ther"),
        ("weat\\\nher", "weat\\\nher"),
        ('wea"ther', 'wea"ther'),
        ("wetter_ü", "wetter_ü"),
    ],
)
def test_escapes_of_names_and_tag_values(raw: str, value: str) -> None:
    """A backslash escapes a comma, a space or itself, and stands for itself before anything else."""
    line = parse_line(f"{raw},{raw}={raw} {raw}=1i 99")
    assert (line.table, line.tags) == (value, ((value, value),))
    assert line.fields == ((value, I, 1),)


def test_equals_signs_are_escaped_in_keys_and_tag_values_but_not_in_measurements() -> None:
    """``\\=`` is an escape in tag keys, tag values and field keys only."""
    line = parse_line(r"a\=b,c\=d=e\=f g\=h=1i")
    assert (line.table, line.tags, line.fields[0][0]) == (r"a\=b", (("c=d", "e=f"),), "g=h")


def test_characters_that_need_no_escape() -> None:
    """An equals sign in a measurement or tag value, a comma in a key and null characters are text."""
    line = parse_line("tag1=1,a,b=c=d,t\0=\0 x,y=1i")
    assert line.table == "tag1=1"
    assert line.tags == (("a,b", "c=d"), ("t\0", "\0"))
    assert line.fields == (("x,y", I, 1),)


@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        ("m f=1", None),
        ("m f=1 123", 123),
        ("m   f=1   -123   ", -123),
        ("m f=1,", None),
        ("m f=1, 123", 123),
        ("m f=1 -9223372036854775808", -(2**63)),
    ],
)
def test_timestamps(text: str, timestamp: int | None) -> None:
    """A timestamp is an optional integer; one comma after a single field is let through."""
    assert parse_line(text).timestamp == timestamp


TOO_LONG = "a" * (STRING_LIMIT_BYTES + 1)
LONGEST = "a" * STRING_LIMIT_BYTES


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("measurement", 11, "Expected at least one space character, got end of input"),
        ("m\tf=1", 1, "Expected at least one space character, got `\tf=1`"),
        ("m,a=b\tc f=1", 5, "Expected at least one space character, got `\tc f=1`"),
        (",", 0, "Invalid measurement was provided"),
        (",tag1=1 value=1 123", 0, "Invalid measurement was provided"),
        ("\0 field=1", 0, "Invalid measurement was provided"),
        ("J,#", 3, "Tag set malformed: could not find equals sign in `#`"),
        ("J," + "a" * 200, 202, "Tag set malformed: could not find equals sign in `aaaaaaaaaa...`"),
        ("m,a=b,c d=1", 7, "Tag set malformed: could not find equals sign in `a=b,c d=1`"),
        ("J,", 2, "Expected tag key, got end of input"),
        ("testmeasure, bar=1i", 12, "Expected tag key, got ` bar=1i`"),
        ("testmeasure, " + "b" * 200 + "=1i", 12, "Expected tag key, got ` bbbbbbbbb...`"),
        ("0,,=", 4, "Expected tag value, got end of input"),
        ("m,foo=,baz= bar=1i", 6, "Expected tag value, got `,baz= bar=...`"),
        ("m,foo= sed=1i", 6, "Expected tag value, got ` sed=1i`"),
        ("m,foo=f bar=1i,baz=", 15, "Could not parse entire line. Found trailing content: `baz=`"),
        ("m a=1,b=2,c=", 9, "Could not parse entire line. Found trailing content: `,c=`"),
        ("m a=23.1.22,b=4", 8, "Could not parse entire line. Found trailing content: `.22,b=4`"),
        ("m a=1 ", 5, "Could not parse entire line. Found trailing content: ` `"),
        ("m a=1 12 34", 9, "Could not parse entire line. Found trailing content: `34`"),
        ("m a=1 12\r", 8, "Could not parse entire line. Found trailing content: `\r`"),
        ("m a=1 b=2", 5, "Could not parse entire line. Found trailing content: ` b=2`"),
        ("m a=1,b=2,", 9, "Could not parse entire line. Found trailing content: `,`"),
        ("m a=99999999999i9", 16, "Could not parse entire line. Found trailing content: `9`"),
        ("foo 1234", 8, "No fields were provided"),
        ("m f=", 4, "No fields were provided"),
        ("m ", 2, "No fields were provided"),
        ("m =1", 2, "No fields were provided"),
        ("\x1b# /", 4, "No fields were provided"),
        (":\x14\\", 2, "Measurements, tag keys and values, and field keys may not end with a backslash"),
        (
            "m,a\\\\=b f=1",
            4,
            "Measurements, tag keys and values, and field keys may not end with a backslash",
        ),
        ("m f=1 " + "18" * 30, 6, f"Unable to parse timestamp value `{'18' * 30}`"),
        ("m f=1 9223372036854775808", 6, "Unable to parse timestamp value `9223372036854775808`"),
        ("m f=9223372036854775808i", 4, "Unable to parse integer value `9223372036854775808`"),
        (
            "m f=18446744073709551616u",
            4,
            "Unable to parse unsigned integer value `18446744073709551616`",
        ),
        ("m f=1,g=" + "9" * 5000 + "i", 8, f"Unable to parse integer value `{'9' * 5000}`"),
        ("m,a=1,b=2,a=1 f=1", 10, "Must not contain duplicate tags, but `a` was repeated"),
        ("m f=1,g=2,f=3i 12", 10, "invalid line protocol - multiple instances of 'f' field found"),
        ("m f=1,f=2 x", 9, "Could not parse entire line. Found trailing content: ` x`"),
        (f"{TOO_LONG} f=1", 0, "String is greater than 1MB"),
        (f"m,{TOO_LONG}=1 f=1", 2, "String is greater than 1MB"),
        (f"m,a={TOO_LONG} f=1", 4, "String is greater than 1MB"),
        (f"m {TOO_LONG}=1", 2, "String is greater than 1MB"),
        (f'm f="{TOO_LONG}"', 4, "String is greater than 1MB"),
        (f'm f="{"é" * (STRING_LIMIT_BYTES // 2 + 1)}"', 4, "String is greater than 1MB"),
    ],
)
def test_errors_name_the_place_in_the_originals_words(text: str, offset: int, message: str) -> None:
    """A malformed line gives the original's text, a hint after it where that helps, and the offset."""
    with pytest.raises(LineSyntaxError) as caught:
        parse_line(text)
    assert (str(caught.value).partition(";")[0], caught.value.offset) == (message, offset)


@pytest.mark.parametrize("text", [f"{LONGEST},{LONGEST}={LONGEST} {LONGEST}=1i", f'm f="{LONGEST}"'])
def test_components_of_one_mebibyte_are_accepted(text: str) -> None:
    """Every string component may have 1 MiB (section 11)."""
    assert len(parse_line(text).fields) == 1


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("foo 1234", "found `1234`, expected key=value"),
        ("foo f=.5", 'a value is 1.5, 1e-3, 1i, 1u, true, false or "text"'),
        ('foo f="open', "the string has no closing double quote"),
        ("foo f=1 12\r", "lines end with a newline alone, not with a carriage return before it"),
        ("foo f=1 ", "whitespace may follow a timestamp, not a field"),
        ("foo f=1 12:30", "expected a comma, a space or the end of the line; a value is 1.5, 1e-3"),
        ("foo f=1 now", "after the fields only one timestamp is accepted, an integer"),
        ("foo f=1i1", "expected a comma, a space or the end of the line"),
        ("foo", "after the table and its tags come a space and the fields"),
        ("foo f=9223372036854775808i", "expected -9223372036854775808 to 9223372036854775807"),
    ],
)
def test_errors_say_what_is_accepted(text: str, hint: str) -> None:
    """Where the original's text does not say what is accepted, a hint does."""
    with pytest.raises(LineSyntaxError) as caught:
        parse_line(text)
    assert hint in str(caught.value)
