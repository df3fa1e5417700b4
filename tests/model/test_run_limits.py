"""Limits of runs and sizes: how they are written, and what is refused."""

from __future__ import annotations

import pytest

from procengine.errors import InvalidInputError
from procengine.model.byte_size import format_bytes, parse_bytes
from procengine.model.duration import SECOND
from procengine.model.run_limits import RunLimits, parse_limits


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("12", 12),
        ("1 b", 1),
        ("200MB", 200_000_000),
        ("1.5 gb", 1_500_000_000),
        ("64KiB", 65_536),
        ("1GiB", 1 << 30),
    ],
)
def test_sizes_are_read(text: str, size_bytes: int) -> None:
    """A size is bytes, or a number with a decimal or binary unit in any case."""
    assert parse_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["", "MB", "-1", "1.2.3", "5 parsecs", "1e3", "20%", "１"])
def test_other_sizes_are_refused(text: str) -> None:
    """What is no size is refused with what is accepted."""
    with pytest.raises(InvalidInputError, match="as a size; expected bytes, or a number with kB, MB"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1 kB"), (1 << 30, "1.07 GB"), (200_000_000, "200 MB")],
)
def test_sizes_are_shown(size_bytes: int, text: str) -> None:
    """A size is shown to three digits."""
    assert format_bytes(size_bytes) == text


def test_limits_are_read_and_shown() -> None:
    """Each kind is read by its name, the last of a kind holds, and what is shown can be read again."""
    limits = parse_limits(["wall=1s", "cpu=1500ms", "memory=200MB", "runs=4", "wall=5s"])
    assert limits == RunLimits(
        wall_ns=5 * SECOND, cpu_ns=3 * SECOND // 2, memory_bytes=200_000_000, runs=4
    )
    assert str(limits) == "wall=5s cpu=1s 500ms memory=200 MB runs=4"
    assert (str(RunLimits()), parse_limits([])) == ("", RunLimits())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("wall", "cannot read 'wall' as a limit; expected wall=DURATION, cpu=DURATION, memory=SIZE"),
        ("disk=1GB", "cannot read 'disk=1GB' as a limit; expected wall="),
        ("wall=soon", "cannot read 'wall=soon' as a limit: "),
        ("memory=much", "cannot read 'memory=much' as a limit: cannot read 'much' as a size"),
        ("runs=2.5", "cannot read 'runs=2.5' as a limit: expected a whole number, got '2.5'"),
        ("runs=0", "limit runs cannot be 0; expected a whole number above 0"),
        ("cpu=0", "limit cpu_ns cannot be 0"),
        ("wall=3years", "limit wall_ns cannot be more than a year"),
    ],
)
def test_other_limits_are_refused(text: str, why: str) -> None:
    """What is no limit is refused with the reason."""
    with pytest.raises(InvalidInputError) as refused:
        parse_limits([text])
    assert str(refused.value).startswith(why)


def test_limits_stand_over_defaults() -> None:
    """What a trigger says nothing of is the engine's default."""
    own, defaults = RunLimits(wall_ns=1, runs=2), RunLimits(wall_ns=9, cpu_ns=8)
    assert own.over(defaults) == RunLimits(wall_ns=1, cpu_ns=8, runs=2)
    assert not RunLimits(runs=2).is_watched
    assert own.over(defaults).is_watched
