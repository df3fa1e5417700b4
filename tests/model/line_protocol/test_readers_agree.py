"""Two readers, one meaning: whatever the body, `read_lines` gives what the general reader gives."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procengine.model.line_group import ParsedLines
from procengine.model.line_protocol import ReadingSizes, read_general, read_lines
from procengine.model.line_protocol.piece import index_piece
from procengine.model.line_protocol.uniform_reader import read_uniform
from procengine.model.precision import Precision

NOW_NS = 1_700_000_000_123_456_789
TOKENS = [
    b",",
    b" ",
    b"=",
    b'"',
    b"\\",
    b"\n",
    b"#",
    b"\t",
    b"\0",
    b"\r",
    b"\xff",
    b"\xc3\xa4",
    b".",
    b"-",
    b"e",
]
TOKENS += [
    b"+",
    b"i",
    b"u",
    b"t",
    b"0",
    b"7",
    b"x",
    b'="',
    b'",',
    b"\\ ",
    b'\\"',
    b"\\\n",
    b"9999999999999999999",
]


def words(random: Random) -> str:
    return "".join(random.choices("ab12_-/äß", k=random.choice([1, 3, 8, 9, 16, 17, 40])))


def number(random: Random) -> str:
    return random.choice(
        [
            str(random.randrange(10 ** random.randrange(1, 20))),
            f"{random.uniform(-1000, 1000):.{random.randrange(1, 9)}f}",
            repr(random.random()),
            f"{random.randrange(1000)}e{random.randrange(-9, 9)}",
            f"-{random.randrange(10**6)}",
            "0.0",
            "-0",
            "1e400",
            "1e-400",
        ]
    )


def decimals(random: Random) -> str:
    return f"{random.uniform(-100, 100):.2f}"


def string(random: Random) -> str:
    texts = [
        "",
        "plain",
        "commas, = and spaces",
        'a \\"quote\\"',
        "two\nlines",
        "back\\slash",
        words(random),
    ]
    return random.choice(texts)


def timestamp(random: Random) -> str:
    return random.choice([" 1", " 1700000000", " 1700000000123", " -5", " 1700000000123456789", ""])


def cpu(random: Random) -> str:
    fields = f"a={decimals(random)},b={decimals(random)},n={random.randrange(999)}i"
    return f'cpu,host=h{random.randrange(9)},zone={words(random)} {fields},s="ok" {random.randrange(10**18)}'


def mem(random: Random) -> str:
    ok = random.choice(["t", "True", "false"])
    fields = f"used={random.randrange(2**63)}u,free={number(random)},ok={ok}"
    return f"mem,host=h{random.randrange(99)} {fields}{timestamp(random)}"


def log(random: Random) -> str:
    return f'log level="{string(random)}",text="{string(random)}" {random.randrange(10**9)}'


def escaped(random: Random) -> str:
    level = random.randrange(1 - 2**63, 2**63)
    return f"h2o\\ feet,sea\\=name=a\\ {random.randrange(3)} level\\ description={number(random)},c={level}i"


def other_types(random: Random) -> str:
    return f"cpu,host={words(random)},zone=z a={number(random)},b=1i 5"


def odd(random: Random) -> str:
    lines = [
        "# comment",
        "",
        "  indented f=1 1",
        '# "',
        "m f=1,",
        "m  f=1  2 ",
        "m a,b=1",
        'm,t="q" f=1',
        "bad",
    ]
    return random.choice(lines)


LINES: list[Callable[[Random], str]] = [cpu, mem, log, escaped, other_types, odd]


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Uniform, interleaved and mixed bodies, most of them then damaged at a few places."""
    random = draw(st.randoms(use_true_random=False))
    makers = draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=3))
    lines = [makers[row % len(makers)](random) for row in range(draw(st.integers(1, 40)))]
    for _ in range(draw(st.integers(0, 2))):
        lines.insert(random.randrange(len(lines) + 1), odd(random))
    body = bytearray("\n".join(lines).encode())
    for _ in range(draw(st.integers(0, 4))):
        mutate(body, random)
    return bytes(body)


def mutate(body: bytearray, random: Random) -> None:
    place = random.randrange(len(body) + 1)
    match random.randrange(4):
        case 0:
            body[place : place + 1] = random.choice(TOKENS)
        case 1:
            body[place:place] = random.choice(TOKENS)
        case 2:
            del body[place : place + random.randrange(1, 6)]
        case _:
            end = body.find(b"\n", place)
            del body[place : end if end >= 0 else len(body)]


def facts(parsed: ParsedLines) -> object:
    """Everything that two results must have in common, floats by their bits."""
    groups = [
        (
            group.table,
            group.columns,
            [array.type for array in group.arrays],
            [[cell(value) for value in array.to_pylist()] for array in group.arrays],
            group.times_ns.tolist(),
            group.line_numbers.tolist(),
        )
        for group in parsed.groups
    ]
    return groups, parsed.errors


def cell(value: object) -> object:
    return struct.pack("d", value) if isinstance(value, float) else value


@settings(max_examples=400, deadline=None)
@given(
    body=bodies(),
    piece_bytes=st.sampled_from([1 << 20, 1000, 150]),
    precision=st.sampled_from(Precision),
)
def test_readers_agree(body: bytes, piece_bytes: int, precision: Precision) -> None:
    """Groups, values, times, line numbers and errors are those of the general reader."""
    sizes = ReadingSizes(small_body_bytes=0, piece_bytes=piece_bytes, fewest_lines=2)
    general = read_general(body, precision=precision, default_time_ns=NOW_NS)
    assert facts(read_lines(body, precision=precision, default_time_ns=NOW_NS, sizes=sizes)) == facts(
        general
    )


@settings(max_examples=100, deadline=None)
@given(body=st.lists(st.sampled_from([*TOKENS, b"m f=1", b"m,a=b"]), max_size=60).map(b"".join))
def test_readers_agree_on_rubble(body: bytes) -> None:
    """The readers agree on text that has little to do with line protocol."""
    sizes = ReadingSizes(small_body_bytes=0, piece_bytes=40, fewest_lines=1)
    general = read_general(body, default_time_ns=NOW_NS)
    assert facts(read_lines(body, default_time_ns=NOW_NS, sizes=sizes)) == facts(general)


@pytest.mark.parametrize("maker", [cpu, mem])
def test_two_threads_change_nothing(maker: Callable[[Random], str]) -> None:
    """Pieces that two threads read make the groups that the general reader makes."""
    random = Random(7)
    body = "\n".join(maker(random) for _ in range(3000)).encode()
    sizes = ReadingSizes(small_body_bytes=0, piece_bytes=20_000)
    general = read_general(body, default_time_ns=NOW_NS)
    assert facts(read_lines(body, default_time_ns=NOW_NS, sizes=sizes)) == facts(general)


def test_a_string_that_spans_pieces_is_read_whole() -> None:
    """Where a cut falls into a quoted newline, the pieces after it start anew at the line's end."""
    body = b"".join(b'm f="%s" %d\n' % (b"x\nm f=1 1\n" * (row % 50), row) for row in range(300))
    sizes = ReadingSizes(small_body_bytes=0, piece_bytes=700, fewest_lines=2)
    general = read_general(body, default_time_ns=NOW_NS)
    assert general.row_count == 300
    assert facts(read_lines(body, default_time_ns=NOW_NS, sizes=sizes)) == facts(general)


@pytest.mark.parametrize("makers", [[cpu], [cpu, log], [cpu, escaped]])
def test_uniform_lines_are_read_by_columns(makers: list[Callable[[Random], str]]) -> None:
    """Plain lines of one shape, or of two in turn, leave nothing over for the general reader."""
    random = Random(1)
    body = "".join(f"{makers[row % len(makers)](random)}\n" for row in range(400)).encode()
    piece = index_piece(memoryview(body))
    assert piece is not None
    read = read_uniform(piece, precision=Precision.AUTO, default_time_ns=NOW_NS)
    assert read is not None
    assert len(read.groups) == len(makers)
    assert read.left_over == ()


def test_one_odd_line_does_not_spoil_a_piece() -> None:
    """A bad line without quotes is left over alone, and the lines around it are read by columns."""
    lines = [f"m,t=a f={row} {row}" for row in range(200)]
    lines[100] = "m,t= f=1"
    piece = index_piece(memoryview("\n".join(lines).encode()))
    assert piece is not None
    read = read_uniform(piece, precision=Precision.AUTO, default_time_ns=NOW_NS)
    assert read is not None
    assert [group.row_count for group in read.groups] == [199]
    assert read.left_over == (("m,t= f=1\n", 101),)


def test_tags_of_several_pieces_share_a_dictionary() -> None:
    """Pieces of one shape become one group, whose tags have one dictionary without repeats."""
    body = "".join(f"m,host=h{row % 10} f=1 {row}\n" for row in range(2000)).encode()
    parsed = read_lines(body, default_time_ns=NOW_NS, sizes=ReadingSizes(piece_bytes=4000))
    (group,) = parsed.groups
    assert len(group.arrays[0].dictionary) == 10
    assert group.line_numbers.tolist() == list(range(1, 2001))


def test_errors_of_later_pieces_are_numbered_from_the_start() -> None:
    """Line numbers count from the body's start, whatever piece a line is in."""
    lines = [f"m f={row} {row}" for row in range(3000)]
    lines[2500] = "broken"
    parsed = read_lines("\n".join(lines), default_time_ns=NOW_NS, sizes=ReadingSizes(piece_bytes=5000))
    assert [error.line_number for error in parsed.errors] == [2501]
    assert parsed.original_line(2501) == "broken"
