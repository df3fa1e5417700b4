"""`LineBuilder`: checks, escapes and texts of section 5."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procengine.model.line_builder import (
    InfluxDBError,
    InvalidKeyError,
    InvalidLineError,
    InvalidMeasurementError,
    LineBuilder,
    fresh_line_builder,
)
from procengine.model.line_protocol import read_lines
from procengine.model.precision import Precision


def test_line_has_tags_then_fields_then_time() -> None:
    """Section 5: insertion order; the timestamp only if it was set."""
    line = (
        LineBuilder("some_table")
        .tag("tag1", "v1")
        .tag("tag2", "v2")
        .int64_field("field1", 1)
        .float64_field("field2", 2.0)
        .string_field("field3", "number three")
    )
    without_time = 'some_table,tag1=v1,tag2=v2 field1=1i,field2=2.0,field3="number three"'
    assert line.build() == without_time
    assert line.time_ns(1302).build() == f"{without_time} 1302"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2.0"),
        (2.5, "2.5"),
        (-0.0, "0.0"),
        (3, "3.0"),
        (1e22, "10000000000000000000000.0"),
        (1e-7, "1e-07"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (True, "1.0"),
    ],
)
def test_float_format(value: float, text: str) -> None:
    """Section 5: whole numbers print all digits and ``.0``, others as Python shows them."""
    assert LineBuilder("m").float64_field("f", value).build() == f"m f={text}"


def test_values_of_the_other_types() -> None:
    """Section 5: ``u``, ``i``, ``t``/``f`` by truth, and tags by ``str``."""
    line = LineBuilder("m").tag("t", 7)  # type: ignore[arg-type]
    line.uint64_field("u", 3).int64_field("i", -3).bool_field("b", [])  # type: ignore[arg-type]
    assert line.bool_field("c", True).build() == "m,t=7 u=3u,i=-3i,b=f,c=t"


def test_escapes() -> None:
    """Section 5: what is escaped where; tag keys, quotes in tags and newlines are not."""
    line = LineBuilder("a,b").tag("k\\", "x, y=z\\\n").string_field("s\\", 'say "a\\b"')
    assert line.build() == 'a\\,b,k\\=x\\,\\ y\\=z\\\\\n s\\\\="say \\"a\\\\b\\""'


def test_repeated_key_keeps_its_place() -> None:
    """Section 5: setting a key again overwrites, at the first position."""
    line = LineBuilder("m").int64_field("a", 1).int64_field("b", 2).float64_field("a", 3.5)
    assert line.tag("t", "x").tag("t", "y").build() == "m,t=y a=3.5,b=2i"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("", "{kind} key cannot be empty"),
        ("a b", "{kind} key 'a b' cannot contain spaces"),
        ("a,b", "{kind} key 'a,b' cannot contain commas"),
        ("a=b", "{kind} key 'a=b' cannot contain equals signs"),
        ("a=,", "{kind} key 'a=,' cannot contain commas"),
    ],
)
@pytest.mark.parametrize("kind", ["tag", "field"])
def test_bad_keys(kind: str, key: str, text: str) -> None:
    """Section 5: InvalidKeyError for tags and fields alike, the first fault named."""
    with pytest.raises(InvalidKeyError) as raised:
        LineBuilder("m").tag(key, "v") if kind == "tag" else LineBuilder("m").int64_field(key, 1)
    assert str(raised.value) == text.format(kind=kind)


def test_bad_measurement_and_missing_fields() -> None:
    """Section 5: a space in the measurement; no field at all; an empty measurement is let pass."""
    with pytest.raises(InvalidMeasurementError, match=r"^Measurement name cannot contain spaces$"):
        LineBuilder("a b")
    with pytest.raises(InvalidLineError) as raised:
        LineBuilder("a,b").tag("t", "x y").build()
    assert str(raised.value) == r"At least one field is required: a\,b,t=x\ y"
    assert LineBuilder("").int64_field("n", 1).build() == " n=1i"


def test_negative_unsigned_is_a_value_error() -> None:
    """Section 5: the one check of a value."""
    with pytest.raises(ValueError, match=r"^uint64 field 'n' cannot be negative$"):
        LineBuilder("m").uint64_field("n", -1)


def test_string_field_needs_text() -> None:
    """Section 5: a string field takes str only."""
    with pytest.raises(AttributeError):
        LineBuilder("m").string_field("s", 5)  # type: ignore[arg-type]


def test_classes_live_in_main() -> None:
    """Section 5: the errors share a base, and all five classes are of ``__main__``."""
    errors = (InvalidMeasurementError, InvalidKeyError, InvalidLineError)
    assert all(issubclass(error, InfluxDBError) for error in errors)
    assert {kind.__module__ for kind in (LineBuilder, InfluxDBError, *errors)} == {"__main__"}


def test_fresh_class_is_apart() -> None:
    """Section 5: the class is rebuilt for each run, so what one run sets on it is gone in the next."""
    first, second = fresh_line_builder(), fresh_line_builder()
    first.extra = 1  # type: ignore[attr-defined]
    assert not hasattr(second, "extra")
    assert not hasattr(LineBuilder, "extra")
    assert (second.__name__, second.__bases__, second.__module__) == (
        "LineBuilder",
        (object,),
        "__main__",
    )
    assert second("m").int64_field("n", 1).build() == "m n=1i"


KEYS = st.text(
    st.characters(codec="utf-8", exclude_characters=' ,=\\"\n\r\t\0#'), min_size=1, max_size=8
)
TAG_VALUES = st.text(
    st.characters(codec="utf-8", exclude_characters="\\\n\r\t\0"), min_size=1, max_size=12
)


@given(
    table=KEYS,
    tags=st.dictionaries(KEYS.map(lambda key: f"t{key}"), TAG_VALUES, max_size=3),
    number=st.integers(-(2**63), 2**63 - 1),
    unsigned=st.integers(0, 2**64 - 1),
    fraction=st.floats(allow_nan=False, allow_infinity=False, width=64),
    text=st.text(st.characters(codec="utf-8"), max_size=20),
    truth=st.booleans(),
    time_ns=st.integers(-(2**62), 2**62),
)
def test_built_lines_are_read_back(
    table: str,
    tags: dict[str, str],
    number: int,
    unsigned: int,
    fraction: float,
    text: str,
    truth: bool,
    time_ns: int,
) -> None:
    """Valid values survive: what ``build`` returns, the reader of line protocol reads as it was given."""
    line = LineBuilder(table)
    for key, value in tags.items():
        line.tag(key, value)
    line.int64_field("i", number).uint64_field("u", unsigned).float64_field("f", fraction)
    line.string_field("s", text).bool_field("b", truth).time_ns(time_ns)
    parsed = read_lines(line.build(), precision=Precision.NANOSECOND, default_time_ns=0)
    assert parsed.errors == ()
    (group,) = parsed.groups
    values = {
        column.name: array.to_pylist()[0]
        for column, array in zip(group.columns, group.arrays, strict=True)
    }
    assert group.table == table
    assert values == tags | {"i": number, "u": unsigned, "f": fraction, "s": text, "b": truth}
    assert group.times_ns.tolist() == [time_ns]
