from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from procengine.errors import InvalidInputError
from procengine.model.precision import Precision

INT64 = st.integers(-(2**63) + 1, 2**63 - 1)


@pytest.mark.parametrize(
    ("names", "precision"),
    [
        (["auto"], Precision.AUTO),
        (["second", "s"], Precision.SECOND),
        (["millisecond", "ms"], Precision.MILLISECOND),
        (["microsecond", "us", "u"], Precision.MICROSECOND),
        (["nanosecond", "ns", "n"], Precision.NANOSECOND),
    ],
)
def test_parse_takes_every_name(names: list[str], precision: Precision) -> None:
    """A precision has its long name and the short forms of section 11."""
    assert {Precision.parse(name) for name in names} == {precision}


@pytest.mark.parametrize("name", ["", "S", "sec", "h", "m", "Second", " s"])
def test_parse_refuses_other_names_and_lists_the_accepted_ones(name: str) -> None:
    """Any other unit is an error in the original's words, followed by what is accepted."""
    with pytest.raises(
        InvalidInputError, match=r"unrecognized precision unit: .*; expected auto, second"
    ):
        Precision.parse(name)


@pytest.mark.parametrize(
    ("timestamp", "time_ns"),
    [
        (4_999_999_999, 4_999_999_999 * 10**9),
        (5_000_000_000, 5_000_000_000 * 10**6),
        (4_999_999_999_999, 4_999_999_999_999 * 10**6),
        (5_000_000_000_000, 5_000_000_000_000 * 10**3),
        (4_999_999_999_999_999, 4_999_999_999_999_999 * 10**3),
        (5_000_000_000_000_000, 5_000_000_000_000_000),
        (-4_999_999_999, -4_999_999_999 * 10**9),
        (-5_000_000_000, -5_000_000_000 * 10**6),
        (0, 0),
    ],
)
def test_auto_infers_the_unit_from_the_magnitude(timestamp: int, time_ns: int) -> None:
    """Auto, by |ts|: below 5e9 seconds, below 5e12 milliseconds, below 5e15 microseconds (section 11)."""
    assert Precision.AUTO.to_ns(timestamp) == time_ns


def test_out_of_range_timestamps_are_refused_in_the_originals_words() -> None:
    """A timestamp that leaves the range of an int64 in nanoseconds is an error (section 11)."""
    assert Precision.SECOND.to_ns(9_223_372_036) is not None
    assert Precision.SECOND.to_ns(9_223_372_037) is None
    assert Precision.SECOND.out_of_range(9_223_372_037) == (
        "timestamp, 9223372037, out of range for precision: Second"
    )


def test_the_smallest_int64_is_out_of_range_under_auto_only() -> None:
    """The original's abs() of the smallest int64 overflows to itself, which then counts as seconds."""
    assert Precision.AUTO.to_ns(-(2**63)) is None
    assert Precision.NANOSECOND.to_ns(-(2**63)) == -(2**63)


@pytest.mark.parametrize("precision", list(Precision))
@given(timestamps=st.lists(INT64, max_size=8))
def test_arrays_and_single_timestamps_agree(precision: Precision, timestamps: list[int]) -> None:
    """An array of timestamps is read as each of them alone is."""
    times_ns, bad = precision.to_ns_array(np.array(timestamps, dtype=np.int64))
    flags = [False] * len(timestamps) if bad is None else bad.tolist()
    read = [None if flag else time for time, flag in zip(times_ns.tolist(), flags, strict=True)]
    assert read == [precision.to_ns(timestamp) for timestamp in timestamps]


def test_default_time_is_truncated_to_an_explicit_precision() -> None:
    """The time of a line without timestamp is truncated to an explicit precision, towards zero."""
    instant_ns = 1_700_000_001_234_567_891
    assert Precision.AUTO.truncate(instant_ns) == instant_ns
    assert Precision.SECOND.truncate(instant_ns) == 1_700_000_001_000_000_000
    assert Precision.MICROSECOND.truncate(instant_ns) == 1_700_000_001_234_567_000
    assert Precision.SECOND.truncate(-1_500_000_000) == -1_000_000_000
